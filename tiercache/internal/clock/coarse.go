package clock

import (
	"sync"
	"sync/atomic"
	"time"
)

// Coarse is the clock of hits, which cannot afford to ask for the time: that alone costs as much
// as the rest of a hit. It is exact until it is asked often. Then a goroutine writes the time down
// every millisecond, and stops as soon as few ask. So a cache at rest costs nothing, and in virtual
// time nothing ticks.
//
// What is written down may be old: the goroutine waits for a processor like any other, and the
// process may have been frozen. So of each stripe's hits every 64th reads the real clock too, and
// writes it down where it is later. A process that wakes up serves at most 63 hits a stripe by the
// time at which it fell asleep. Where hits are rarer than that, the clock is exact. Whoever sees
// the later time goes by it for everything, trust in messages included.
//
// Every write to memory writes the time down as well, before its item can be seen: what Expire ends
// at this moment must not be fresh by a time that was written down before. So what is written down
// is also kept while nobody goes by it, and only ever grows.
type Coarse struct {
	exact  Clock
	awake  atomic.Bool  // go by coarse
	coarse atomic.Int64 // no write that has returned, and no tick, is later
	_      [64]byte     // what follows is written more often than every hit should see

	mu      sync.Mutex
	ticking bool
	closed  bool
	asked   atomic.Uint32 // samples since the last tick, or since first
	first   atomic.Int64  // of those that are counted, while nothing ticks
	done    sync.WaitGroup
	stop    chan struct{}
}

// SampleEvery is how many hits of one stripe go by until one of them calls Sample.
const SampleEvery = 64

const (
	tick = time.Millisecond
	// fewSamples in a tick are too few to keep the goroutine: 250 k hits a second.
	fewSamples = 4
)

// Init makes the clock ready. It must be called once, before all else.
func (h *Coarse) Init(exact Clock) {
	h.exact, h.stop = exact, make(chan struct{})
}

// Now returns the time, at most a little late.
func (h *Coarse) Now() int64 {
	if h.awake.Load() {
		return h.coarse.Load()
	}
	return h.exact.Now()
}

// CatchUp writes the time down, and returns it.
func (h *Coarse) CatchUp() int64 {
	now := h.exact.Now()
	for {
		old := h.coarse.Load()
		if now <= old || h.coarse.CompareAndSwap(old, now) {
			return now
		}
	}
}

// Sample must be called with every SampleEvery-th hit of a stripe. Samples count together only
// within a tick: the clock of a cache that is asked less than fewSamples a tick stays exact,
// however long it is asked.
func (h *Coarse) Sample() {
	now := h.CatchUp()
	if first := h.first.Load(); !h.awake.Load() && now-first > int64(tick) && h.first.CompareAndSwap(first, now) {
		h.asked.Store(0)
	}
	if h.asked.Add(1) == fewSamples {
		h.start()
	}
}

// start makes a goroutine write the time down, unless one does.
func (h *Coarse) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ticking || h.closed {
		return
	}
	h.ticking = true
	h.CatchUp()
	h.awake.Store(true)
	h.done.Go(h.run)
}

// run writes the time down as long as many ask for it.
func (h *Coarse) run() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-h.stop:
			h.rest()
			return
		case <-ticker.C:
		}
		if h.asked.Swap(0) < fewSamples {
			h.rest()
			return
		}
		h.CatchUp()
	}
}

func (h *Coarse) rest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.awake.Store(false)
	h.ticking = false
}

// Close ends the goroutine. From then on the clock is exact.
func (h *Coarse) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	close(h.stop)
	h.done.Wait()
}
