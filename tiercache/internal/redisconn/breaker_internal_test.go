package redisconn

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
	must := func(want State) {
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
	must(Closed)
	for range 3 * breakerFailures { // not in a row
		b.report(0, unanswered)
		b.report(0, unanswered)
		b.report(0, Answered)
	}
	must(Closed)
	for range 3 * breakerFailures {
		b.report(0, neutral)
	}
	must(Closed)
	fail()
	must(Open)
	b.report(0, Answered) // began before
	must(Open)
	if _, ok := b.allow(); ok {
		t.Fatal("an open breaker lets something through")
	}
	b.beat(unanswered)
	must(Open)
	b.beat(Answered)
	must(HalfOpen)
	probe, ok := b.allow()
	if _, second := b.allow(); !ok || second {
		t.Fatalf("a half-open breaker lets through: %v, and another: %v; want one", ok, second)
	}
	b.beat(Answered) // the probe has the say
	b.report(0, Answered)
	must(HalfOpen)
	b.report(probe, unanswered)
	must(Open)
	b.beat(Answered)
	first, _ := b.allow()
	b.report(first, neutral)
	second, ok := b.allow()
	if !ok {
		t.Fatal("a probe that was given up blocks the next")
	}
	b.beat(unanswered)
	b.beat(Answered)
	third, _ := b.allow()
	b.report(second, Answered) // of an earlier time
	must(HalfOpen)
	b.report(third, Answered)
	must(Closed)

	for range breakerFailures - 1 {
		b.beat(unanswered)
		b.beat(Answered) // says nothing about operations
	}
	b.report(0, unanswered)
	must(Open)
	b.beat(Answered)
	must(HalfOpen)
	b.beat(Answered)
	must(Closed)

	b.report(0, declined)
	must(Open)
}

func TestBreaker_aProbeThatNeverReturnsBlocksNoOther(t *testing.T) {
	t.Parallel()
	m := &master{breaker: breaker{state: HalfOpen}}
	c := New(nil, time.Second, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = guarded(t.Context(), c, operation{m, time.Second, nil}, func() (int, error) {
			runtime.Goexit()
			return 0, nil
		})
	})
	wg.Wait()
	if n, err := guarded(t.Context(), c, operation{m, time.Second, nil}, func() (int, error) { return 1, nil }); n != 1 || err != nil {
		t.Errorf("the next operation: %d, %v", n, err)
	}
	if got := m.breaker.current(); got != Closed {
		t.Errorf("the breaker is %s", got)
	}
}
