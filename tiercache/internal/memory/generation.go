package memory

import "sync/atomic"

// Generation is the state of a key's generation. A reader takes it before it looks at Redis or at
// the source, and what it found is stored only if it still stands: an invalidation in between has
// moved it. Keys share generations (there are as many as the capacity, 16 k to 64 k), so a fill may
// be refused for a neighbour's sake; that costs one more load, never a wrong value. Hits compare
// nothing: an invalidation takes the entry itself out of the index, under the same lock.
//
// Its low 40 bits count invalidations. The rest counts the records that Withdraw was told of: what
// was read from Redis meanwhile may be such a record, what was read from the source is not.
func (m *Tier[K, V]) Generation(hash uint64) uint64 { return m.gen(hash).Load() }

func (m *Tier[K, V]) gen(hash uint64) *atomic.Uint64 { return &m.allGens()[m.GenIndex(hash)] }

func (m *Tier[K, V]) allGens() []atomic.Uint64 {
	gens := m.gens.Load()
	if gens == nil {
		some := make([]atomic.Uint64, m.numGens)
		m.gens.CompareAndSwap(nil, &some)
		gens = m.gens.Load()
	}
	return *gens
}

// GenIndex is where a key's generation stands. Keys of one generation are in one shard, as both
// take the same bits.
func (m *Tier[K, V]) GenIndex(hash uint64) uint64 { return hash >> 32 & uint64(m.numGens-1) }

// Generations is a copy of all of them, for a reader that does not know its keys yet.
func (m *Tier[K, V]) Generations() []uint64 {
	all := m.allGens()
	gens := make([]uint64, len(all))
	for i := range all {
		gens[i] = all[i].Load()
	}
	return gens
}

// withdrawal is what Withdraw adds to a generation.
const withdrawal = 1 << 40

// Unmoved reports whether no invalidation has moved the key's generation since gens were copied.
func (m *Tier[K, V]) Unmoved(hash uint64, gens []uint64) bool {
	return (gens[m.GenIndex(hash)]^m.Generation(hash))%withdrawal == 0
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
