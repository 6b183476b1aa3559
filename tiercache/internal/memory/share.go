package memory

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
)

// ghosts finds the window's share of the capacity by who comes back. A key that is wanted again
// after its entry has left is evidence: had the part of the memory that it left been a little
// larger, it would still be there. One that Ristretto turned away when the window had no more room
// for it speaks for a larger window; one that Ristretto had kept and gave up speaks for a smaller
// one. So where what is read next is what was read last the share grows, until the memory is an LRU
// cache; where few keys are read for ever, or a scan passes through, it shrinks, and Ristretto's
// counters decide.
//
// This is ARC's rule (Megiddo and Modha, ARC: A Self-Tuning, Low Overhead Replacement Cache, FAST
// 2003): of two parts with as many returns the one that fewer are remembered of counts for more.
// Unlike ARC's, memory of the departed is short. Who has been gone for long would not have been
// kept by a little more room: a loop over twice as many keys as fit would else grow the window, in
// which nothing lasts until its turn comes.
type ghosts struct {
	wished   atomic.Uint64 // the share, as bits of a float64
	returned atomic.Uint64 // how many have come back
	left     [2]departures
}

// departures are the hashes of those who have left one part of the memory and not come back, until
// another one takes their cell.
type departures struct {
	cells atomic.Pointer[[]atomic.Uint64] // nil: nobody has left
	size  int
	known atomic.Int64 // cells that are taken
}

// origin is where an entry was when it left.
type origin uint8

const (
	leftWindow origin = iota
	leftPolicy
)

const (
	firstShare = 0.15
	leastShare = 0.01
	mostShare  = 0.95
	// ghostShare: of each part 1/16 as many departures are known as there are entries.
	ghostShare = 16
	// ghostStep is by how many entries, at least, the border moves for each who comes back; by up
	// to ghostWeight times as many where few are known of the part that they left, and firstSteps
	// times as many where few have come back so far.
	ghostStep   = 4.
	ghostWeight = 8.
	firstSteps  = 4.
	// borderStep: the border between window and policy follows in steps of 1/128 of the capacity.
	borderStep = 1. / 128
)

// init is for a cache of so many entries.
func (g *ghosts) init(entries int64) {
	for i := range g.left {
		g.left[i].size = powerOfTwo(entries/ghostShare, 2, 1<<24)
	}
	g.wished.Store(math.Float64bits(firstShare))
}

// cell is where a departure stands; nil where nobody has left.
func (d *departures) cell(hash uint64) *atomic.Uint64 {
	cells := d.cells.Load()
	if cells == nil {
		return nil
	}
	return &(*cells)[hash&uint64(len(*cells)-1)]
}

// know reports whether it is known that the key's entry has left.
func (g *ghosts) know(hash uint64) bool {
	for from := range g.left {
		if c := g.left[from].cell(hash); c != nil && c.Load() == hash {
			return true
		}
	}
	return false
}

func (g *ghosts) share() float64 { return math.Float64frombits(g.wished.Load()) }

// leave remembers who has left which part.
func (g *ghosts) leave(hash uint64, from origin) {
	d := &g.left[from]
	if d.cells.Load() == nil {
		cells := make([]atomic.Uint64, d.size)
		d.cells.CompareAndSwap(nil, &cells)
	}
	if d.cell(hash).Swap(hash) == emptyCell {
		d.known.Add(1)
	}
}

// back moves the share if whoever comes has left a short while ago. The cache has so many entries,
// about.
func (g *ghosts) back(hash uint64, entries int) {
	step := 0.
	for from := range g.left {
		d := &g.left[from]
		if c := d.cell(hash); c == nil || c.Load() != hash || !c.CompareAndSwap(hash, emptyCell) {
			continue
		}
		known, others := float64(d.known.Add(-1)+1), float64(g.left[1-from].known.Load())
		weight := min(ghostWeight, max(1, others/known))
		if origin(from) == leftPolicy {
			weight = -weight
		}
		step += weight * ghostStep / float64(max(1, entries))
	}
	if step == 0 {
		return
	}
	few, n := float64(max(1, entries/ghostShare)), float64(g.returned.Add(1))
	step *= 1 + (firstSteps-1)*few/(few+n)
	for {
		old := g.wished.Load()
		share := min(mostShare, max(leastShare, math.Float64frombits(old)+step))
		if g.wished.CompareAndSwap(old, math.Float64bits(share)) {
			return
		}
	}
}

// division is how much of the capacity each part of the memory may hold.
type division struct{ room, large, main, buffer int64 }

// divide divides the capacity with this share of the window. Ristretto gets what the dearest entry
// needs that it is to hold, see large, and the window and the admission buffer what is left.
func (m *Tier[K, V]) divide(share float64) division {
	capacity, shards := m.capacity.Load(), int64(len(m.shards))
	d := division{buffer: capacity / bufferShare}
	left := capacity - d.buffer
	if !m.policed {
		d.room = max(1, left/shards)
		return d
	}
	windows := int64(share * float64(left))
	needed := min(m.large.needed.Load(), capacity)
	if needed > left-windows {
		windows = min(windows, capacity-needed)
		d.buffer = min(d.buffer, capacity-needed-windows)
		left = capacity - d.buffer
	}
	d.large = m.large.part(windows)
	d.room = max(1, (windows-d.large)/shards)
	d.main = max(0, needed, left-d.room*shards-d.large)
	return d
}

// unbalanced reports whether the border is far from where it should be.
func (m *Tier[K, V]) unbalanced() bool {
	return math.Abs(m.ghosts.share()-math.Float64frombits(m.share.Load())) >= borderStep
}

// rebalance moves the border between window and policy to where the ghosts and the capacity want
// it. What one loses the other gets: entries that a window has no more room for are offered to the
// policy, and those that the policy has no more room for begin anew in the window, or leave where
// there is none.
func (m *Tier[K, V]) rebalance() {
	var left departed[K]
	defer func() { m.tell(left) }()
	m.balanceMu.Lock()
	defer m.balanceMu.Unlock()
	if m.unbalanced() {
		m.share.Store(math.Float64bits(m.ghosts.share()))
	}
	d := m.divide(math.Float64frombits(m.share.Load()))
	if d == (division{m.room.Load(), m.large.room.Load(), m.main.Load(), m.waiting.Load()}) {
		return
	}
	m.room.Store(d.room)
	m.large.room.Store(d.large)
	m.main.Store(d.main)
	m.waiting.Store(d.buffer)
	m.large.resize(d.large)
	for i := range m.shards {
		m.shards[i].window.resize(d.room)
	}
	m.shrink(d.main, &left) // what it gives up goes where a window has room now
	full := m.trim(&m.large.window)
	for i := range m.shards {
		full = m.trim(&m.shards[i].window) || full
		for full {
			full = m.feed(&left)
		}
	}
}

// shrink gives the policy its room, and takes out of it what is too much for that: by itself it
// would do so only for the sake of a newcomer that it likes better.
func (m *Tier[K, V]) shrink(main int64, left *departed[K]) {
	m.shut.RLock()
	defer m.shut.RUnlock()
	if m.policy == nil || m.closing() {
		return
	}
	m.policy.UpdateMaxCost(max(1, main))
	for _, most := range []int64{m.room.Load(), math.MaxInt64} { // first as many as the windows have room for
		for i := range m.shards {
			for chunk := range slices.Chunk(m.held(&m.shards[i], most), sweepChunk) {
				m.policy.Wait()
				m.reap(left)
				if m.policy.RemainingCost() >= 0 || m.closing() {
					return
				}
				for _, hash := range chunk {
					m.policy.Del(hash)
				}
			}
		}
		m.policy.Wait()
		m.reap(left)
	}
}

// held is the hashes of slots that are not in the shard's window, as many as would go into it if it
// had the room; others each time.
func (m *Tier[K, V]) held(s *shard[K, V], room int64) []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window.mu.Lock()
	room -= s.window.cost
	s.window.mu.Unlock()
	var hashes []uint64
	for sl := range s.table.Load().from(rand.Uint64()) { //nolint:gosec // nothing is guarded by it
		if m.holds(s, sl) {
			continue
		}
		if room -= sl.cost; room < 0 {
			break
		}
		hashes = append(hashes, sl.hash)
	}
	return hashes
}
