package tiercache

import (
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	t.Parallel()
	var b breaker
	must := func(want BreakerState) {
		t.Helper()
		if got := b.current(); got != want {
			t.Fatalf("the breaker is %s, want %s", got, want)
		}
	}
	fail := func() {
		for range breakerFailures {
			if tk, ok := b.allow(); ok {
				b.report(tk, unanswered)
			}
		}
	}
	must(BreakerClosed)
	for range 3 * breakerFailures { // not in a row
		b.report(0, unanswered)
		b.report(0, unanswered)
		b.report(0, answered)
	}
	must(BreakerClosed)
	for range 3 * breakerFailures {
		b.report(0, neutral)
	}
	must(BreakerClosed)
	fail()
	must(BreakerOpen)
	b.report(0, answered) // began before
	must(BreakerOpen)
	if _, ok := b.allow(); ok {
		t.Fatal("an open breaker lets something through")
	}
	b.beat(unanswered)
	must(BreakerOpen)
	b.beat(answered)
	must(BreakerHalfOpen)
	probe, ok := b.allow()
	if _, second := b.allow(); !ok || second {
		t.Fatalf("a half-open breaker lets through: %v, and another: %v; want one", ok, second)
	}
	b.beat(answered) // the probe has the say
	b.report(0, answered)
	must(BreakerHalfOpen)
	b.report(probe, unanswered)
	must(BreakerOpen)
	b.beat(answered)
	first, _ := b.allow()
	b.report(first, neutral)
	second, ok := b.allow()
	if !ok {
		t.Fatal("a probe that was given up blocks the next")
	}
	b.beat(unanswered)
	b.beat(answered)
	third, _ := b.allow()
	b.report(second, answered) // of an earlier time
	must(BreakerHalfOpen)
	b.report(third, answered)
	must(BreakerClosed)

	for range breakerFailures - 1 {
		b.beat(unanswered)
		b.beat(answered) // says nothing about operations
	}
	b.report(0, unanswered)
	must(BreakerOpen)
	b.beat(answered)
	must(BreakerHalfOpen)
	b.beat(answered)
	must(BreakerClosed)

	b.report(0, declined)
	must(BreakerOpen)
}

func TestBreaker_aProbeThatNeverReturnsBlocksNoOther(t *testing.T) {
	t.Parallel()
	m := &master{breaker: breaker{state: BreakerHalfOpen}}
	r := &Redis{cfg: RedisConfig{Logger: slog.New(slog.DiscardHandler)}}
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = guarded(t.Context(), r, operation{m, time.Second, nil}, func() (int, error) {
			runtime.Goexit()
			return 0, nil
		})
	})
	wg.Wait()
	if n, err := guarded(t.Context(), r, operation{m, time.Second, nil}, func() (int, error) { return 1, nil }); n != 1 || err != nil {
		t.Errorf("the next operation: %d, %v", n, err)
	}
	if got := m.breaker.current(); got != BreakerClosed {
		t.Errorf("the breaker is %s", got)
	}
}
