package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

func newCoarse(t *testing.T) *Coarse {
	h := new(Coarse)
	h.Init(Since(time.Now()))
	t.Cleanup(h.Close)
	return h
}

func (h *Coarse) ask(samples int) {
	for range samples {
		h.Sample()
	}
}

func TestCoarse_isExactUntilItIsAskedOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCoarse(t)
		h.ask(fewSamples - 1)
		for range 5 {
			<-time.After(100 * time.Microsecond)
			if got, want := h.Now(), h.exact.Now(); got != want {
				t.Fatalf("%d, want %d", got, want)
			}
		}
	})
}

func TestCoarse_isAtMostATickLateAndRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCoarse(t)
		for range 20 { // busy
			h.ask(fewSamples)
			synctest.Wait()
			if late := h.exact.Now() - h.Now(); late < 0 || late > int64(tick) {
				t.Fatalf("%v late", time.Duration(late))
			}
			<-time.After(tick / 2)
		}
		if !h.awake.Load() {
			t.Error("nobody writes the time down")
		}
		<-time.After(3 * tick)
		if h.awake.Load() {
			t.Error("the time is still written down, and nobody asks")
		}
		before := h.exact.Now()
		<-time.After(24 * time.Hour)
		if got := h.Now() - before; got != int64(24*time.Hour) {
			t.Errorf("a day later it is %v later", time.Duration(got))
		}
	})
}

// A frozen process wakes up with what was written down before; the goroutine that writes may come
// later than the first hits.
func TestCoarse_aSampleNoticesThatTheTimeIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCoarse(t)
		<-time.After(time.Hour)
		h.awake.Store(true) // as if the hour had been a freeze
		h.Sample()
		if got, want := h.Now(), h.exact.Now(); got != want {
			t.Errorf("%v, want %v", time.Duration(got), time.Duration(want))
		}
	})
}

// What a write ends has ended for every hit that begins after it, however old the time is that is
// written down.
func TestCoarse_aWriteCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCoarse(t)
		for range 50 {
			h.ask(fewSamples)
			<-time.After(tick * 2 / 3)
			h.CatchUp()
			if got, want := h.Now(), h.exact.Now(); got != want {
				t.Fatalf("%v, want %v", time.Duration(got), time.Duration(want))
			}
		}
	})
}

func TestCoarse_afterCloseItIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Coarse)
		h.Init(Since(time.Now()))
		h.ask(fewSamples)
		h.Close()
		h.ask(10 * fewSamples)
		<-time.After(time.Hour)
		if got, want := h.Now(), h.exact.Now(); got != want {
			t.Errorf("%v, want %v", time.Duration(got), time.Duration(want))
		}
	})
}

// A process that is frozen must not wake up by an old time because it once had a few hits: samples
// that lie further apart than a tick do not add up.
func TestCoarse_isExactForWhoAsksSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCoarse(t)
		for range 10 * fewSamples {
			h.ask(1)
			<-time.After(2 * tick)
			if h.awake.Load() {
				t.Fatal("the time is written down, and few ask")
			}
		}
	})
}
