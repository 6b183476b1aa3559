package tiercache_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

type emit = func(key, value string) error

func register(t *testing.T, c *tiercache.Cache[string, string], l tiercache.Loader[string, string]) {
	t.Helper()
	if l.Name == "" {
		l.Name = "l"
	}
	if err := c.RegisterLoader(l); err != nil {
		t.Fatal(err)
	}
}

// result compares a run with what was wanted, errors and durations aside.
func result(t *testing.T, got, want tiercache.WarmResult) {
	t.Helper()
	if want.Loader == "" {
		want.Loader = "l"
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(tiercache.WarmResult{}, "Duration", "Err")); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// inRedis is n in a cache with Redis, else 0.
func inRedis(r *tiercache.Redis, n int) int {
	if r == nil {
		return 0
	}
	return n
}

func TestWarm_emit(t *testing.T) {
	tiers(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Redis: r})
		var late emit
		register(t, c, tiercache.Loader[string, string]{Load: func(_ context.Context, emit func(string, string) error) error {
			late = emit
			var wg sync.WaitGroup
			for w := range 16 {
				wg.Go(func() {
					for i := range 100 {
						if err := emit(strconv.Itoa(i*16+w), "v"); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			return errors.Join(emit("0", "second"), emit("0", "last"))
		}})
		res := c.WarmLoader(t.Context(), "l", tiercache.WarmOptions{})
		result(t, res, tiercache.WarmResult{Emitted: 1602, Memory: 1600, Redis: inRedis(r, 1600)})
		if e, ok := c.Peek("0"); !ok || e.Value != "last" || res.Err != nil {
			t.Errorf("%+v, %v, %v", e, ok, res.Err)
		}
		if err := late("x", "y"); err == nil {
			t.Error("emit after the run")
		}
		if s := c.Stats(); s.Hits() != 0 || s.Misses != 0 || s.Loads != 0 {
			t.Errorf("a warm run counted as reads: %+v", s)
		}
	})
}

func TestWarm_maxItemsTimeoutAndAbandon(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Redis: r})
		endless := func(ctx context.Context, emit func(string, string) error) error {
			for i := 0; ; i++ {
				if err := emit(strconv.Itoa(i), "v"); err != nil {
					return err
				}
				waitFor(time.Millisecond)
			}
		}
		register(t, c, tiercache.Loader[string, string]{Name: "bounded", MaxItems: 7, Load: endless})
		register(t, c, tiercache.Loader[string, string]{Name: "timed", Timeout: 20 * time.Millisecond, Load: endless})
		register(t, c, tiercache.Loader[string, string]{
			Name: "deaf", Timeout: time.Second,
			Load: func(context.Context, func(string, string) error) error { waitFor(20 * time.Second); return nil },
		})
		result(t, c.WarmLoader(t.Context(), "bounded", tiercache.WarmOptions{}),
			tiercache.WarmResult{Loader: "bounded", Emitted: 7, Memory: 7, Redis: inRedis(r, 7)})
		if res := c.WarmLoader(t.Context(), "timed", tiercache.WarmOptions{}); !errors.Is(res.Err, context.DeadlineExceeded) {
			t.Errorf("timed: %v", res.Err)
		}
		began := time.Now()
		res := c.WarmLoader(t.Context(), "deaf", tiercache.WarmOptions{Grace: time.Second})
		if !errors.Is(res.Err, tiercache.ErrAbandoned) || time.Since(began) != 2*time.Second {
			t.Errorf("deaf: %v after %v", res.Err, time.Since(began))
		}
		waitFor(20 * time.Second)
	})
}

func TestWarm_whatIsThereAlready(t *testing.T) {
	tiers(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Redis: r})
		ctx := t.Context()
		if err := c.Set(ctx, "older", "before"); err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Millisecond) // Redis tells ages to a millisecond
		register(t, c, tiercache.Loader[string, string]{Load: func(_ context.Context, emit func(string, string) error) error {
			<-time.After(5 * time.Millisecond)
			load := func(context.Context) (string, error) { return "loaded meanwhile", nil }
			if _, err := c.GetOrLoad(ctx, "younger", load); err != nil {
				return err
			}
			if err := errors.Join(c.Set(ctx, "set", "meanwhile"), c.Delete(ctx, "deleted")); err != nil {
				return err
			}
			for _, k := range []string{"older", "younger", "set", "deleted", "absent"} {
				if err := emit(k, "warm"); err != nil {
					return err
				}
			}
			return nil
		}})
		res := c.WarmLoader(ctx, "l", tiercache.WarmOptions{})
		result(t, res, tiercache.WarmResult{Emitted: 5, Memory: 4, Redis: inRedis(r, 2), SkippedFresh: 1, Refused: 2})
		got := map[string]string{}
		for _, k := range []string{"older", "younger", "set", "deleted", "absent"} {
			if e, ok := c.Peek(k); ok {
				got[k] = e.Value
			}
		}
		want := map[string]string{"older": "warm", "younger": "loaded meanwhile", "set": "meanwhile", "absent": "warm"}
		if diff := cmp.Diff(want, got); diff != "" || res.Err != nil {
			t.Errorf("%v\n%s", res.Err, diff)
		}
	})
}

func TestWarm_makesNothingYoung(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: 10 * time.Second, Redis: r})
		slow := 4 * time.Second
		register(t, c, tiercache.Loader[string, string]{Load: func(_ context.Context, emit func(string, string) error) error {
			if err := emit("early", "v"); err != nil { // it waits for its batch
				return err
			}
			waitFor(slow)
			return emit("late", "v")
		}})
		if res := c.WarmLoader(t.Context(), "l", tiercache.WarmOptions{}); res.Err != nil || res.Memory != 2 {
			t.Fatalf("%+v", res)
		}
		if e, ok := c.Peek("late"); !ok || e.Age != 4*time.Second {
			t.Errorf("%+v, %v", e, ok)
		}
		waitFor(6 * time.Second)
		for _, k := range []string{"early", "late"} {
			if v, err := c.Get(t.Context(), k); !errors.Is(err, tiercache.ErrNotFound) {
				t.Errorf("%s lives %v after its source read: %q, %v", k, slow+6*time.Second, v, err)
			}
		}
		slow = 11 * time.Second
		res := c.WarmLoader(t.Context(), "l", tiercache.WarmOptions{})
		if res.Memory != 0 || res.Cached() != 0 || res.Failed == 0 {
			t.Errorf("entries past their TTL: %+v", res)
		}
		for _, k := range []string{"early", "late"} {
			if v, err := c.Get(t.Context(), k); !errors.Is(err, tiercache.ErrNotFound) {
				t.Errorf("%s: %q, %v", k, v, err)
			}
		}
		if n := c.Stats().Corrupt; n != 0 {
			t.Errorf("%d corrupt records were written", n)
		}
	})
}

func TestWarm_roomDryRunAndUseful(t *testing.T) {
	server := redistest.Start(t)
	var writes atomic.Int64 // to names of the cache; heartbeats keep what is there from eviction
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Capacity: 100, Redis: hookedClient(t, server, before(func(_ context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			one := []redis.Cmder{cmd}
			if harmless := []string{"get", "pttl", "strlen", "hmget", "mget", "pexpire"}; (saying(one, "c:") || saying(one, "{c}:")) && !slices.Contains(harmless, cmd.Name()) {
				writes.Add(1)
			}
		}
		return nil
	}))})
	register(t, c, tiercache.Loader[string, string]{Load: func(_ context.Context, emit func(string, string) error) error {
		for i := range 300 {
			if err := emit(strconv.Itoa(i), "v"); err != nil {
				return err
			}
		}
		return nil
	}})
	result(t, c.WarmLoader(t.Context(), "l", tiercache.WarmOptions{DryRun: true}),
		tiercache.WarmResult{Emitted: 300, Memory: 80, Redis: 300, SkippedRoom: 220})
	var judged []tiercache.Judgement
	c.WarmLoader(t.Context(), "l", tiercache.WarmOptions{DryRun: true, Judged: func(j tiercache.Judgement) { judged = append(judged, j) }})
	if len(judged) != 300 || judged[0].Key != "0" || judged[0].Bytes < 100 || !judged[79].Fits || judged[80].Fits || judged[0].InMemory || judged[0].InRedis {
		t.Errorf("%d judgements, the first %+v; want 300, of which 80 fit, with nothing there yet", len(judged), judged[:min(1, len(judged))])
	}
	if keys, ok := server.Do("KEYS", "*").([]any); !ok || len(keys) != 0 || writes.Load() != 0 || c.Stats().Entries != 0 {
		t.Errorf("dry runs wrote %d times: %v, %d entries", writes.Load(), keys, c.Stats().Entries)
	}
	result(t, c.WarmLoader(t.Context(), "l", tiercache.WarmOptions{}),
		tiercache.WarmResult{Emitted: 300, Memory: 80, Redis: 300, SkippedRoom: 220})
	if writes.Load() == 0 {
		t.Error("no write of the real run is counted")
	}
	for range 3 {
		if _, err := c.GetMany(t.Context(), []string{"0", "1", "2"}); err != nil {
			t.Fatal(err)
		}
	}
	judged = nil
	c.WarmLoader(t.Context(), "l", tiercache.WarmOptions{DryRun: true, Judged: func(j tiercache.Judgement) { judged = append(judged, j) }})
	if size, ok := server.Do("STRLEN", "c:0").(int64); len(judged) != 300 || !ok || judged[0].Bytes != int(size) ||
		!judged[0].InMemory || !judged[0].InRedis || judged[99].InMemory || !judged[99].InRedis {
		t.Errorf("%d judgements, the first %+v, the hundredth %+v; want %d bytes, in both tiers, and in Redis alone", len(judged), judged[0], judged[99], size)
	}
	if got := c.Loaders()[0].Useful; got != 3 {
		t.Errorf("useful %d, want 3", got)
	}

	other := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Redis: newRedis(t, server)})
	res := other.Hydrate(t.Context(), []string{"5", "absent", "6", "7"}, tiercache.WarmOptions{Room: 2})
	res.Loader = "l" // it has none
	result(t, res, tiercache.WarmResult{Emitted: 4, Memory: 2, SkippedRoom: 1})
	if e, ok := other.Peek("6"); !ok || e.Value != "v" {
		t.Errorf("%+v, %v", e, ok)
	}
}

func TestWarm_order(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute})
		var ran []string
		add := func(name string, priority int, after ...string) {
			register(t, c, tiercache.Loader[string, string]{
				Name: name, Priority: priority, After: after,
				Load: func(context.Context, func(string, string) error) error {
					ran = append(ran, name)
					if name == "fails" {
						panic("boom")
					}
					return nil
				},
			})
		}
		add("low", 0)
		add("high", 9)
		add("first", -5)
		add("second", 100, "first")
		if _, err := c.Warm(t.Context()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"high", "low", "first", "second"}, ran); diff != "" {
			t.Error(diff)
		}
		if _, err := c.Warm(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "nobody") {
			t.Errorf("unknown name: %v", err)
		}
		add("fails", 0)
		add("dependent", 0, "fails")
		ran = nil
		res, err := c.Warm(t.Context(), "dependent", "fails", "low")
		var p *tiercache.PanicError
		if !errors.As(err, &p) || len(res) != 3 || len(ran) != 2 {
			t.Errorf("%v, %v, %v", res, err, ran)
		}
		add("x", 0, "y")
		add("y", 0, "x")
		add("behind", 0, "x")
		if _, err := c.Warm(t.Context()); err == nil || !strings.Contains(err.Error(), "x after y after x") && !strings.Contains(err.Error(), "y after x after y") {
			t.Errorf("cycle: %v", err)
		}
	})
}

func TestRegisterLoader_namesEveryBadField(t *testing.T) {
	c := newCache(t, tiercache.Config[string, string]{Name: "c", Redis: newRedis(t, redistest.Start(t))})
	err := c.RegisterLoader(tiercache.Loader[string, string]{
		Name: "a b", TTL: -1, Timeout: 3 * time.Minute, MaxItems: -1, RefreshAt: 2, After: []string{"a b"},
	})
	for _, field := range []string{"Name", "Load", "TTL", "HoldLife", "MaxItems", "RefreshAt", "After"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not named: %v", field, err)
		}
	}
	register(t, c, tiercache.Loader[string, string]{Load: func(context.Context, func(string, string) error) error { return nil }})
	if err := c.RegisterLoader(tiercache.Loader[string, string]{Name: "l", Load: func(context.Context, func(string, string) error) error { return nil }}); err == nil {
		t.Error("two loaders of one name")
	}
}
