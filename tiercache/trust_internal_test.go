package tiercache

import (
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

// Between question and answer a process may be frozen. What Redis said is trusted for DegradedTTL
// from the question on, whenever it is entered into memory.
func TestTrust_countsFromTheQuestion(t *testing.T) {
	t.Parallel()
	c := gapNode(t, redistest.Start(t), RedisConfig{})
	if err := c.Set(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	hash := c.memory.Hash("k")
	seen, gen, asked := c.snapshot(), c.memory.Generation(hash), c.memory.Clock.Now()
	all, err := c.remote.Read(t.Context(), []string{"k"})
	if err != nil {
		t.Fatal(err)
	}
	for c.memory.Clock.Now() == asked { // it moves by nanoseconds
	}
	it, bad := c.interpret(&all[0], asked, seen)
	if bad != nil || it == nil {
		t.Fatalf("%v, %v", it, bad)
	}
	if !c.fillMemory(hash, "k", it, gen) {
		t.Fatal("it is not in memory")
	}
	if it.Filled != asked {
		t.Errorf("trust counts from %v after the question", time.Duration(it.Filled-asked))
	}
	c.redis.channel.Trust.Store(asked) // nothing is heard any more
	if at := asked + int64(c.cfg.DegradedTTL); !c.trusts(it.Filled, at-1) || c.trusts(it.Filled, at) {
		t.Error("it is not trusted for just DegradedTTL")
	}
}

// A flight is remembered of Redis, too: while nothing is heard, who comes later than DegradedTTL
// after it began does not join it.
func TestTrust_endsForFlights(t *testing.T) {
	t.Parallel()
	c := gapNode(t, redistest.Start(t), RedisConfig{})
	if err := c.redis.Close(); err != nil { // no heartbeat from here on
		t.Fatal(err)
	}
	flight := func() *flight[string, string] {
		f := c.newFlight(c.memory.Hash("k"), "k", nil)
		f.leadAlone(nil)
		return f
	}
	for name, trial := range map[string]struct {
		age, trust time.Duration // of the flight; from now on
		joins      bool
	}{
		"heard":           {time.Minute, time.Minute, true},
		"deaf, and young": {time.Second / 2, 0, true},
		"deaf, and old":   {2 * time.Second, 0, false},
	} {
		first := flight()
		first.began -= int64(trial.age)
		c.redis.channel.Trust.Store(c.memory.Clock.Now() + int64(trial.trust))
		c.flights.join(first)
		if _, leads := c.flights.join(flight()); leads == trial.joins {
			t.Errorf("%s: joins %t, want %t", name, !leads, trial.joins)
		}
		for c.flights.some(first.hash) {
			c.flights.leave(c.flights.shard(first.hash).m[first.hash])
		}
	}
}
