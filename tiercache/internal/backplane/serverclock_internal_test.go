package backplane

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// A machine that was suspended has a monotonic clock that stood still, and a wall clock that did
// not: what is in memory is validated.
func TestSuspend_beginsAnEpoch(t *testing.T) {
	t.Parallel()
	ch := New(redisconn.New(redistest.Start(t).Client(), 100*time.Millisecond, slog.New(slog.DiscardHandler)), "")
	if err := ch.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ch.Close(time.Second) })
	quiet := func(since time.Duration) func() error {
		from, epoch := time.Now(), ch.Epoch.Load()
		return func() error {
			if ch.Epoch.Load() != epoch {
				from, epoch = time.Now(), ch.Epoch.Load()
			}
			if time.Since(from) < since {
				return errors.New("the epoch has changed lately")
			}
			return nil
		}
	}
	redistest.Eventually(t, 10*time.Second, quiet(2*time.Second)) // heartbeats alone begin none
	was := ch.Epoch.Load()
	ch.Clocks.mu.Lock()
	// as if the wall clock had gone on for a second more than the other
	ch.Clocks.wall -= int64(time.Second)
	ch.Clocks.mu.Unlock()
	redistest.Eventually(t, 5*time.Second, func() error {
		if ch.Epoch.Load() == was {
			return errors.New("no epoch has begun")
		}
		return nil
	})
}

// Ages by what is known of a clock. It went back by a minute 100 s ago, and by ten seconds 20 s
// ago.
func TestServerClocks_age(t *testing.T) {
	const s = int64(time.Second)
	clocks := newServerClocks()
	now := 1000 * s
	clocks.enter("m", clockStep{from: now - 101*s, at: now - 100*s, back: 60 * s})
	clocks.enter("m", clockStep{from: now - 21*s, at: now - 20*s, back: 10 * s})
	clocks.enter("m", clockStep{from: now - 21*s, at: now - 20*s, back: 10 * s}) // as another node saw it
	for _, c := range []struct{ seems, whole, want int64 }{
		{5, 3600, 5},    // stored since
		{15, 3600, 25},  // before the second step, or since: older counts
		{35, 3600, 105}, // before both, or between them
		{200, 3600, 270},
		{15, 3, 15}, // it would not have lived until the step
	} {
		got := clocks.Age("m", time.Duration(c.seems*s), time.Duration(c.whole*s), now)
		if got != time.Duration(c.want*s) {
			t.Errorf("what seems %d s old, and lives %d s, counts as %v old, want %d s", c.seems, c.whole, got, c.want)
		}
	}
	if got := clocks.Age("another", time.Second, time.Hour, now); got != time.Second {
		t.Errorf("by another clock: %v", got)
	}
}

// Drift adds up: a clock that falls behind by a little each time has gone back once it is behind by
// more than the tolerance.
func TestServerClocks_drift(t *testing.T) {
	clocks, shows := newServerClocks(), time.Unix(1_800_000_000, 0)
	steps := 0
	for i := range int64(1000) { // 400 s, in which it falls behind by a second
		now := i * int64(400*time.Millisecond)
		server := shows.Add(time.Duration(now) - time.Duration(i)*time.Millisecond)
		if clocks.note("m", now-int64(time.Millisecond), now+int64(time.Millisecond), server) > 0 {
			steps++
		}
	}
	if steps < 15 || steps > 20 {
		t.Errorf("%d steps of 50 ms in a second, want nearly 20", steps)
	}
	if got := clocks.Age("m", 100*time.Second, time.Hour, int64(400*time.Second)); got < 100*time.Second+150*time.Millisecond {
		t.Errorf("a record that seems 100 s old counts as %v old", got)
	}
}

// The masters that are there at the start may differ. One that joins later, as a promoted replica
// does, may hold what the others' clocks have dated.
func TestServerClocks_joins(t *testing.T) {
	clocks, shows := newServerClocks(), time.Unix(1_800_000_000, 0)
	if back := clocks.note("a", 0, 1, shows); back != 0 {
		t.Errorf("the first: %v", back)
	}
	if back := clocks.note("b", 0, 1, shows.Add(-time.Minute)); back != 0 {
		t.Errorf("another at the start: %v", back)
	}
	clocks.knows = true
	if back := clocks.note("c", 0, 1, shows.Add(-time.Hour)); back < time.Hour {
		t.Errorf("one that joins, an hour behind: %v", back)
	}
	if back := clocks.note("d", 0, 1, shows); back != 0 {
		t.Errorf("one that joins, in step: %v", back)
	}
}
