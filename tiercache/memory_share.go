package tiercache

import (
	"math"
	"slices"
	"sync/atomic"
)

// climber finds the window's share of the capacity by hill climbing, as Caffeine does: it takes a step, and goes on in that direction while more
// reads hit than before the step. Where what is read next is what was read last the share grows, until the memory is an LRU cache; where few keys are
// read for ever, or a scan passes through, it shrinks, and Ristretto's counters decide.
//
// A step is judged over a few times as many reads as there are entries, over more as the steps become smaller. A hit ratio that jumps is another time of
// day: then steps are as large as in the beginning.
type climber struct {
	target atomic.Uint64 // share, as bits of a float64; the rest is feed's own

	step   float64 // of the share; its sign is the direction
	rate   float64 // of hits, during the last step
	period float64 // reads an entry

	hits, reads uint64 // when the step began
}

const (
	firstShare  = 0.2
	leastShare  = 0.01
	mostShare   = 0.95
	firstStep   = 0.15
	stepDecay   = 0.95
	firstPeriod = 2
	mostPeriod  = 10
	periodGrows = 1.2
	leastReads  = 3000 // a rate of fewer is noise
	jump        = 0.05 // of the hit ratio
)

func (cl *climber) share() float64    { return math.Float64frombits(cl.target.Load()) }
func (cl *climber) aim(share float64) { cl.target.Store(math.Float64bits(share)) }
func (cl *climber) begin()            { cl.step, cl.period = math.Copysign(firstStep, cl.step), firstPeriod }

// climb takes a step where it is time, and says whether it did.
func (cl *climber) climb(c *counters, capacity int64) bool {
	hits := c.sum(memoryHits)
	reads := hits + c.sum(misses) + c.sum(redisHits)
	n := reads - cl.reads
	if float64(n) < max(leastReads, cl.period*float64(capacity)) {
		return false
	}
	rate := float64(hits-cl.hits) / float64(n)
	change := rate - cl.rate
	cl.hits, cl.reads, cl.rate = hits, reads, rate
	if change < 0 {
		cl.step = -cl.step
	}
	if math.Abs(change) > jump {
		cl.begin()
	} else {
		cl.step *= stepDecay
		cl.period = min(mostPeriod, cl.period*periodGrows)
	}
	share := min(mostShare, max(leastShare, cl.share()+cl.step))
	moved := share != cl.share()
	cl.aim(share)
	return moved
}

// divide is how much each shard's window may hold, and Ristretto. The lobby has its own share.
func (m *memory[K, V]) divide() (room, main int64) {
	capacity, shards := m.capacity.Load(), int64(len(m.shards))
	left := capacity - capacity/lobbyShare
	if m.policy == nil {
		return max(1, left/shards), 0
	}
	room = max(1, int64(m.climber.share()*float64(left))/shards)
	return room, max(0, left-room*shards)
}

// rebalance moves the border between window and policy to where the climber and the capacity want it. What one loses the other gets: entries that a window
// has no more room for are offered to the policy, and those that the policy has no more room for begin anew in the window, or leave where there is none.
func (m *memory[K, V]) rebalance() {
	var left departed[K]
	defer func() { m.tell(left) }()
	m.balanceMu.Lock()
	defer m.balanceMu.Unlock()
	room, main := m.divide()
	if room == m.room.Load() && main == m.main {
		return
	}
	m.main = main
	m.room.Store(room)
	m.shrink(main, &left)
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		full := m.overflow(s)
		s.mu.Unlock()
		for full {
			full = m.feed(&left)
		}
	}
}

// shrink gives the policy its room, and takes out of it what is too much for that: by itself it would do so only for the sake of a newcomer that it likes
// better.
func (m *memory[K, V]) shrink(main int64, left *departed[K]) {
	m.shut.RLock()
	defer m.shut.RUnlock()
	if m.policy == nil || m.closing() {
		return
	}
	m.policy.UpdateMaxCost(max(1, main))
	for _, most := range []int64{m.room.Load(), math.MaxInt64} { // first as many as the windows have room for
		for i := range m.shards {
			for chunk := range slices.Chunk(m.shards[i].held(most), sweepChunk) {
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

// held is the hashes of slots that are not in the shard's window, as many as would go into it if it had the room.
func (s *shard[K, V]) held(room int64) []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	hashes := make([]uint64, 0, max(0, s.entries-s.window.n))
	room -= s.window.cost
	for sl := range s.table.Load().all {
		if sl.windowed {
			continue
		}
		if room -= sl.cost; room < 0 {
			break
		}
		hashes = append(hashes, sl.hash)
	}
	return hashes
}
