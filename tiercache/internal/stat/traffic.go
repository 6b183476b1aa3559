package stat

import "sync"

// Traffic counts the reads that the open caches of a process have answered: whichever cache they
// are of, they want the same processors.
type Traffic struct {
	mu  sync.Mutex
	all map[*Counters]struct{}
}

// InProcess is the traffic of this process.
var InProcess = NewTraffic() //nolint:gochecknoglobals // there is one process

// NewTraffic returns a Traffic of no caches.
func NewTraffic() *Traffic { return &Traffic{all: make(map[*Counters]struct{})} }

// Open adds a cache by its counters.
func (t *Traffic) Open(c *Counters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all[c] = struct{}{}
}

// Close takes a cache out.
func (t *Traffic) Close(c *Counters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, c)
}

// Answered returns how many reads the open caches have answered since each was made.
func (t *Traffic) Answered() (n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.all {
		for _, what := range []Counter{MemoryHits, RedisHits, StaleHits, NegativeHits, Misses} {
			n += c.Sum(what)
		}
	}
	return n
}
