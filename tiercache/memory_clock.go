package tiercache

import (
	"sync"
	"sync/atomic"
	"time"
)

// clock is the process's monotonic clock in nanoseconds since the cache began; wall clocks are nobody's business here.
type clock struct{ start time.Time }

func (c clock) now() int64 { return int64(time.Since(c.start)) }

// hitClock is the clock of hits, which cannot afford to ask the time: that alone costs as much as the rest of a hit. It is exact until it is asked often;
// then a goroutine of its own writes the time down, every millisecond, and stops as soon as few ask. So a cache at rest costs nothing, and in
// virtual time nothing ticks.
//
// What is written down may be old: the goroutine waits for a processor like any other, and the process may have been frozen. So of each stripe's
// hits every 64th reads the real clock too, and writes it down where it is later. A process that wakes up serves at most 63 hits a stripe by the time at
// which it fell asleep, and where hits are rarer than that the clock is exact. Whoever sees the later time judges everything by it, trust
// in notices included.
//
// Every write to memory writes the time down as well, before its item can be seen: what Expire ends at this moment must not be fresh by a time that was
// written down before. So what is written down is kept also while nobody goes by it, and only ever grows.
type hitClock struct {
	exact  clock
	awake  atomic.Bool  // go by coarse
	coarse atomic.Int64 // no write that has returned, and no tick, is later
	_      [64]byte     // what follows is written more often than every hit should see

	mu      sync.Mutex
	ticking bool
	closed  bool
	asked   atomic.Uint32 // samples since the last tick
	done    sync.WaitGroup
	stop    chan struct{}
}

const (
	clockTick   = time.Millisecond
	sampleEvery = 64 // hits of one stripe
	// fewSamples in a tick are too few to keep the goroutine: 250 k hits a second.
	fewSamples = 4
)

// now is the time, at most a little late.
func (h *hitClock) now() int64 {
	if h.awake.Load() {
		return h.coarse.Load()
	}
	return h.exact.now()
}

// catchUp writes the time down.
func (h *hitClock) catchUp() {
	now := h.exact.now()
	for {
		old := h.coarse.Load()
		if now <= old || h.coarse.CompareAndSwap(old, now) {
			return
		}
	}
}

// sample is called with every 64th hit of a stripe.
func (h *hitClock) sample() {
	h.catchUp()
	if h.asked.Add(1) == fewSamples {
		h.start()
	}
}

// start lets the time be written down, if it isn't.
func (h *hitClock) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ticking || h.closed {
		return
	}
	h.ticking = true
	h.catchUp()
	h.awake.Store(true)
	h.done.Go(h.tick)
}

// tick writes the time down as long as many ask for it.
func (h *hitClock) tick() {
	tick := time.NewTicker(clockTick)
	defer tick.Stop()
	for {
		select {
		case <-h.stop:
			h.rest()
			return
		case <-tick.C:
		}
		if h.asked.Swap(0) < fewSamples {
			h.rest()
			return
		}
		h.catchUp()
	}
}

func (h *hitClock) rest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.awake.Store(false)
	h.ticking = false
}

// close ends the goroutine; from then on the clock is exact.
func (h *hitClock) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	close(h.stop)
	h.done.Wait()
}
