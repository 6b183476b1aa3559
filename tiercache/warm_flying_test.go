package tiercache_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// full is how many entries make a batch that is sent at once.
const full = 256

// A run has several batches under way, as Redis takes its time. Of the versions of one key, which
// may be in different ones, the last counts in both tiers.
func TestWarm_theLastVersionCountsWhereverTheOthersAre(t *testing.T) {
	server := redistest.Start(t)
	slow := hookedClient(t, server, before(func(_ context.Context, cmds []redis.Cmder) error {
		if saying(cmds, "WC01V") {
			waitFor(5 * time.Millisecond)
		}
		return nil
	}))
	a := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: slow})
	b := node(t, server, tiercache.Config[string, string]{})
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

// Whoever hears that a run may write no more finds nothing of it, not even of the batches that were
// under way.
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
		if value, _ := server.Do("GET", key).(string); !strings.HasPrefix(value, "WC01H") {
			t.Errorf("%v stands in Redis", key)
		}
	}
}

// The lock is lost while a write is under way: nobody waits for its answer, and it arrives behind
// what was to take it back.
func TestWarm_aWriteThatArrivesAfterItWasTakenBack(t *testing.T) {
	for name, over := range map[string]bool{"where nothing stood": false, "over an older one": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *redistest.InMemory) {
				raw := m.Client()
				defer closing(t, raw)
				var late [][]any
				writes := 0
				a := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: hookedNode(t, m, before(func(_ context.Context, cmds []redis.Cmder) error {
					if !saying(cmds, "WC01V") {
						return nil
					}
					if writes++; over && writes == 1 { // the SET NX, which is refused
						return nil
					}
					for _, cmd := range cmds {
						late = append(late, cmd.Args())
					}
					return context.Canceled
				}))})
				b := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: nodeOn(t, m)})
				entry := func(value string) tiercache.Loader[string, string] {
					return tiercache.Loader[string, string]{Load: func(_ context.Context, emit func(string, string) error) error { return emit("k", value) }}
				}
				register(t, a, entry("late"))
				register(t, b, entry("of another leader"))
				for range 2 { // the server knows the script then
					if res, err := b.Warm(t.Context()); over && (err != nil || res[0].Redis != 1) {
						t.Fatalf("the leader before: %+v, %v", res, err)
					}
					waitFor(time.Second)
				}
				if !over {
					raw.Del(t.Context(), "things:k")
				}
				halt := errors.New("the lock is lost")
				res := a.WarmLoader(t.Context(), "l", tiercache.WarmOptions{Kept: func(ctx context.Context, _ []string) error {
					return errors.Join(halt, raw.Del(ctx, "things:k").Err()) // its time was over
				}})
				if !errors.Is(res.Err, halt) || len(late) != 1 {
					t.Errorf("%+v with %d commands lost, want it halted with one", res, len(late))
				}
				for _, args := range late {
					if got, err := raw.Do(t.Context(), args...).Result(); got == "OK" || got == int64(1) {
						t.Errorf("the late write: %v, %v; want it refused", got, err)
					}
				}
				if got, err := m.Get("things:k"); strings.Contains(got, "late") {
					t.Errorf("Redis holds %.20q, %v", got, err)
				}
				if res, err := b.Warm(t.Context()); err != nil || res[0].Redis != 1 {
					t.Errorf("the next leader: %+v, %v; want its entry stored", res, err)
				}
			})
		})
	}
}

// Redis is away when a halted run takes back what it wrote. When it hears of it, what others have
// stored there since stays.
func TestWarm_whatIsTakenBackLaterIsTheRunsOwn(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		var away atomic.Bool
		r := hookedNode(t, m, before(func(_ context.Context, cmds []redis.Cmder) error {
			if away.Load() && (saying(cmds, "W1 K") || saying(cmds, "W1 O")) {
				return errors.New("away")
			}
			return nil
		}))
		a := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: r})
		b := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: nodeOn(t, m)})
		register(t, a, tiercache.Loader[string, string]{Load: func(_ context.Context, emit func(string, string) error) error {
			return errors.Join(emit("own", "late"), emit("other", "late"))
		}})
		halt := errors.New("the lock is lost")
		res := a.WarmLoader(t.Context(), "l", tiercache.WarmOptions{Kept: func(ctx context.Context, _ []string) error {
			away.Store(true)
			return errors.Join(halt, b.Set(ctx, "other", "new"))
		}})
		if !errors.Is(res.Err, halt) {
			t.Errorf("%+v, want it halted", res)
		}
		if n := r.Health().Pending; n != 2 {
			t.Errorf("%d are pending, want both", n)
		}
		away.Store(false)
		waitFor(5 * time.Second)
		if n := r.Health().Pending; n != 0 {
			t.Errorf("%d are pending", n)
		}
		if v, err := b.Get(t.Context(), "own"); err == nil {
			t.Errorf("Get = %q", v)
		}
		for _, c := range []*tiercache.Cache[string, string]{a, b} {
			if e, err := c.GetEntry(t.Context(), "other"); err != nil || e.Value != "new" {
				t.Errorf("%+v, %v; what another has stored is gone", e, err)
			}
		}
		if got, err := m.Get("things:other"); err != nil || !strings.Contains(got, "new") {
			t.Errorf("Redis holds %.20q, %v", got, err)
		}
	})
}

// A hook of the client ends the goroutine that sends a batch: the run ends all the same, and says
// so.
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

// The server is late with one of its first answers, about its time or the tokens. The run is whole
// all the same.
func TestWarm_aLateAnswerBeforeTheRunCostsNothing(t *testing.T) {
	for _, what := range []string{"time", "{things}:"} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *redistest.InMemory) {
				var late atomic.Bool
				r := hookedNode(t, m, before(func(_ context.Context, cmds []redis.Cmder) error {
					if (cmds[0].Name() == what || saying(cmds, what)) && late.CompareAndSwap(true, false) {
						return context.DeadlineExceeded
					}
					return nil
				}))
				c := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Minute, Redis: r})
				register(t, c, tiercache.Loader[string, string]{Load: func(_ context.Context, emit func(string, string) error) error { return emit("k", "v") }})
				late.Store(true)
				if res, err := c.Warm(t.Context()); err != nil || res[0].Redis != 1 {
					t.Errorf("%+v, %v", res, err)
				}
				if late.Load() {
					t.Errorf("nothing about %q was sent", what)
				}
			})
		})
	}
}
