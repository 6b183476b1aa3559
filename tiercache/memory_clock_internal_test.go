package tiercache

import (
	"testing"
	"testing/synctest"
	"time"
)

func newHitClock(t *testing.T) *hitClock {
	h := &hitClock{exact: clock{time.Now()}, stop: make(chan struct{})}
	t.Cleanup(h.close)
	return h
}

func (h *hitClock) ask(samples int) {
	for range samples {
		h.sample()
	}
}

func TestHitClock_isExactUntilItIsAskedOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHitClock(t)
		h.ask(fewSamples - 1)
		for range 5 {
			<-time.After(100 * time.Microsecond)
			if got, want := h.now(), h.exact.now(); got != want {
				t.Fatalf("%d, want %d", got, want)
			}
		}
	})
}

func TestHitClock_isAtMostATickLateAndRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHitClock(t)
		for range 20 { // busy
			h.ask(fewSamples)
			synctest.Wait()
			if late := h.exact.now() - h.now(); late < 0 || late > int64(clockTick) {
				t.Fatalf("%v late", time.Duration(late))
			}
			<-time.After(clockTick / 2)
		}
		if !h.awake.Load() {
			t.Error("nobody writes the time down")
		}
		<-time.After(3 * clockTick)
		if h.awake.Load() {
			t.Error("the time is still written down, and nobody asks")
		}
		before := h.exact.now()
		<-time.After(24 * time.Hour)
		if got := h.now() - before; got != int64(24*time.Hour) {
			t.Errorf("a day later it is %v later", time.Duration(got))
		}
	})
}

// A frozen process wakes up with what was written down before; the goroutine that writes may come later than the first hits.
func TestHitClock_aSampleNoticesThatTheTimeIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHitClock(t)
		<-time.After(time.Hour)
		h.awake.Store(true) // as if the hour had been a freeze
		h.sample()
		if got, want := h.now(), h.exact.now(); got != want {
			t.Errorf("%v, want %v", time.Duration(got), time.Duration(want))
		}
	})
}

// What a write ends has ended for every hit that begins after it, however old the time is that is written down.
func TestHitClock_aWriteCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHitClock(t)
		for range 50 {
			h.ask(fewSamples)
			<-time.After(clockTick * 2 / 3)
			h.catchUp()
			if got, want := h.now(), h.exact.now(); got != want {
				t.Fatalf("%v, want %v", time.Duration(got), time.Duration(want))
			}
		}
	})
}

func TestHitClock_afterCloseItIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hitClock{exact: clock{time.Now()}, stop: make(chan struct{})}
		h.ask(fewSamples)
		h.close()
		h.ask(10 * fewSamples)
		<-time.After(time.Hour)
		if got, want := h.now(), h.exact.now(); got != want {
			t.Errorf("%v, want %v", time.Duration(got), time.Duration(want))
		}
	})
}
