package memory

import "sync/atomic"

// generations is the generations of all keys, made when the first one is asked for.
type generations struct {
	gens    atomic.Pointer[[]atomic.Uint64]
	numGens int // a power of two
}

// Generation is the state of a key's generation. A reader takes it before it looks at Redis or at
// the source, and what it found is stored only if it still stands: an invalidation in between has
// moved it. Keys share generations (there are as many as the capacity, 16 k to 64 k), so a fill may
// be refused for a neighbour's sake; that costs one more load, never a wrong value. Hits compare
// nothing: an invalidation takes the entry itself out of the index, under the same lock.
//
// Its low 40 bits count invalidations. The rest counts the records that Withdraw was told of: what
// was read from Redis meanwhile may be such a record, what was read from the source is not.
func (g *generations) Generation(hash uint64) uint64 { return g.gen(hash).Load() }

func (g *generations) gen(hash uint64) *atomic.Uint64 { return &g.allGens()[g.GenIndex(hash)] }

func (g *generations) allGens() []atomic.Uint64 {
	gens := g.gens.Load()
	if gens == nil {
		some := make([]atomic.Uint64, g.numGens)
		g.gens.CompareAndSwap(nil, &some)
		gens = g.gens.Load()
	}
	return *gens
}

// GenIndex is where a key's generation stands. Keys of one generation are in one shard, as both
// take the same bits.
func (g *generations) GenIndex(hash uint64) uint64 { return hash >> 32 & uint64(g.numGens-1) }

// Generations is a copy of all of them, for a reader that does not know its keys yet.
func (g *generations) Generations() []uint64 {
	all := g.allGens()
	gens := make([]uint64, len(all))
	for i := range all {
		gens[i] = all[i].Load()
	}
	return gens
}

// withdrawal is what Withdraw adds to a generation.
const withdrawal = 1 << 40

// Unmoved reports whether no invalidation has moved the key's generation since gens were copied.
func (g *generations) Unmoved(hash uint64, gens []uint64) bool {
	return (gens[g.GenIndex(hash)]^g.Generation(hash))%withdrawal == 0
}

// Claim is one generation during a write to both tiers, between the two times that the writer moves
// it. The keys of one batch that share a generation share its claim: else the writer would take
// each of them for another writer of the others.
type Claim struct {
	Gen     uint64 // after the first move
	settled bool   // the second move is made
}

// take makes the second move, and reports whether no other writer has moved the generation since
// the first.
func (c *Claim) take(g *atomic.Uint64) bool {
	if c.settled {
		return g.Load() == c.Gen+1
	}
	c.settled = g.CompareAndSwap(c.Gen, c.Gen+1)
	return c.settled
}
