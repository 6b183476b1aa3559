package tiercache_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// full is how many entries make a batch that is sent at once.
const full = 256

// A run has several batches under way. Of the versions of one key, which may be in different ones, the last counts in both tiers.
func TestWarm_theLastVersionCountsWhereverTheOthersAre(t *testing.T) {
	server := redistest.Start(t)
	a, b := node(t, server, tiercache.Config[string, string]{}), node(t, server, tiercache.Config[string, string]{})
	const rounds = 20
	register(t, a, tiercache.Loader[string, string]{Load: func(_ context.Context, emit func(string, string) error) error {
		for round := range rounds {
			for i := range full { // a whole batch; the next one has the next version of each key
				key := strconv.Itoa(i)
				if err := emit(key, key+" of "+strconv.Itoa(round)); err != nil {
					return err
				}
			}
		}
		return nil
	}})
	res, err := a.Warm(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	result(t, res[0], tiercache.WarmResult{Emitted: rounds * full, Memory: full, Redis: full})
	for i := range full {
		key := strconv.Itoa(i)
		want := key + " of " + strconv.Itoa(rounds-1)
		get(t, a, key, want)
		get(t, b, key, want)
	}
}

// Whoever hears that a run may write no more finds nothing of it, not even of the batches that were under way.
func TestWarm_whatWasUnderWayWhenTheRunWasHaltedIsTakenBack(t *testing.T) {
	server := redistest.Start(t)
	c := node(t, server, tiercache.Config[string, string]{})
	register(t, c, tiercache.Loader[string, string]{Load: func(_ context.Context, emit func(string, string) error) error {
		for i := range 10 * full {
			if err := emit(strconv.Itoa(i), "late"); err != nil {
				return nil //nolint:nilerr // whatever emit said
			}
		}
		return nil
	}})
	lost, asked := errors.New("the lock is lost"), 0
	res := c.WarmLoader(t.Context(), "l", tiercache.WarmOptions{Kept: func(context.Context, []string) error {
		if asked++; asked > 1 {
			t.Errorf("asked %d times", asked)
		}
		return lost
	}})
	if !errors.Is(res.Err, lost) || res.Memory != 0 || res.Redis != 0 || res.Emitted >= 10*full {
		t.Errorf("%+v, want it halted by %v with nothing stored", res, lost)
	}
	keys, _ := server.Do("KEYS", "things:*").([]any)
	for _, key := range keys {
		if value, _ := server.Do("GET", key).(string); len(value) > 20 { // a hold is shorter
			t.Errorf("%v stands in Redis", key)
		}
	}
}

// A hook of the client ends the goroutine that sends a batch: the run ends all the same, and says so.
func TestWarm_aHookThatEndsTheGoroutineHoldsNoRun(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		r := hookedNode(t, m, before(func(_ context.Context, cmds []redis.Cmder) error {
			if saying(cmds, "WC01V") {
				runtime.Goexit()
			}
			return nil
		}))
		c := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Minute, Redis: r})
		register(t, c, tiercache.Loader[string, string]{Load: func(_ context.Context, emit func(string, string) error) error {
			for i := range 3 * full {
				if err := emit(strconv.Itoa(i), "v"); err != nil {
					return err
				}
			}
			return nil
		}})
		res, err := c.Warm(t.Context())
		if !errors.Is(err, tiercache.ErrDegraded) || !errors.Is(err, tiercache.ErrGoexit) || len(res) != 1 || res[0].Memory != 3*full || res[0].Redis != 0 {
			t.Errorf("%+v, %v; want it degraded by the Goexit, with memory filled", res, err)
		}
	})
}
