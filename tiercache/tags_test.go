package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/racetest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

func ownTag(key, _ string) []string { return []string{"tag of " + key} }

// tagStorm invalidates tags that no entry has, a thousand a second, until stop.
func tagStorm(t *testing.T, c *tiercache.Cache[string, string]) (stop func() (ended int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	ended := 0
	wg.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			tags := make([]string, 10)
			for i := range tags {
				tags[i] = fmt.Sprint("foreign ", ended)
				ended++
			}
			if err := c.InvalidateTags(context.WithoutCancel(ctx), tags...); err != nil {
				t.Error(err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	return func() int {
		cancel()
		wg.Wait()
		return ended
	}
}

// A thousand invalidations a second of other tags, by another node, cost an entry nothing.
func TestTags_othersCostAnEntryNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const takes = 50 * time.Millisecond
	a := node(t, server, tiercache.Config[string, string]{Tags: ownTag, Load: func(context.Context, string) (string, error) {
		<-time.After(takes)
		return "v", nil
	}})
	get(t, a, "hot", "v")
	stop := tagStorm(t, node(t, server, tiercache.Config[string, string]{}))
	before := a.Stats()
	began, late := time.Now(), redistest.Late(t)
	var hits int
	for ; time.Since(began) < 2*time.Second; hits++ {
		get(t, a, "hot", "v")
		pause(t.Context(), 100*time.Microsecond)
	}
	if got := a.Stats().MemoryHits - before.MemoryHits; float64(got) < 0.99*float64(hits) {
		t.Errorf("%d of %d reads were hits in memory", got, hits)
	}
	for i := range 20 {
		key := fmt.Sprint("k", i)
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				read := time.Now()
				get(t, a, key, "v")
				if took := time.Since(read) - late.Since(read); took > 2*takes {
					t.Errorf("a read took %v, a load %v", took, takes)
				}
			})
			pause(t.Context(), takes/8)
		}
		readers.Wait()
		if e, err := a.GetEntry(t.Context(), key); err != nil || e.Source != tiercache.FromMemory {
			t.Errorf("%+v, %v; want it from memory", e, err)
		}
		if n := server.Do("EXISTS", "things:"+key); n != int64(1) {
			t.Errorf("%s is not in Redis", key)
		}
	}
	if ended := stop(); ended < 1000 {
		t.Errorf("only %d tags were ended", ended)
	}
	if s := a.Stats(); s.Refused != 0 || s.Loads != 21 {
		t.Errorf("%d loads, %d of them refused; want 21 and 0", s.Loads, s.Refused)
	}
}

// A warm run beside them loses nothing.
func TestTags_othersCostAWarmRunNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := node(t, server, tiercache.Config[string, string]{Tags: ownTag})
	register(t, a, tiercache.Loader[string, string]{Load: func(ctx context.Context, emit func(string, string) error) error {
		for i := range 4000 {
			if i%500 == 0 {
				pause(ctx, 50*time.Millisecond)
			}
			if err := emit(strconv.Itoa(i), "v"); err != nil {
				return err
			}
		}
		return nil
	}})
	stop := tagStorm(t, node(t, server, tiercache.Config[string, string]{}))
	got, err := a.Warm(t.Context(), "l")
	if err != nil {
		t.Error(err)
	}
	if ended := stop(); ended < 200 {
		t.Errorf("only %d tags were ended", ended)
	}
	result(t, got[0], tiercache.WarmResult{Emitted: 4000, Memory: 4000, Redis: 4000})
}

// More tags are ended than are remembered, and none of them is an entry's.
func TestTags_othersEndNoEntry(t *testing.T) {
	t.Parallel()
	storm := 200_000 // more than are remembered
	if racetest.Enabled {
		storm = 80_000
	}
	tiers(t, func(t *testing.T, r *tiercache.Redis) {
		entries := racetest.Scaled(10_000)
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Capacity: int64(2 * entries), Tags: ownTag, Redis: r, DegradedTTL: time.Hour})
		values := make(map[string]string)
		for i := range entries {
			values[strconv.Itoa(i)] = "v"
		}
		epoch := c.Stats().Epoch // one that begins beside SetMany counts, too
		if err := c.SetMany(t.Context(), values); err != nil {
			t.Fatal(err)
		}
		for _, upTo := range []int{10_000, storm} {
			if upTo > 10_000 && r != nil {
				break
			}
			tags := make([]string, upTo)
			for i := range tags {
				tags[i] = fmt.Sprint(upTo, " foreign ", i)
			}
			if err := c.InvalidateTags(t.Context(), tags...); err != nil {
				t.Fatal(err)
			}
			stand := 0
			for key := range values {
				if _, ok := c.Peek(key); ok {
					stand++
				}
			}
			if stand != entries && c.Stats().Epoch == epoch {
				t.Errorf("after %d invalidations of other tags %d of %d entries stand", upTo, stand, entries)
			}
		}
		if err := c.InvalidateTags(t.Context(), "tag of 7"); err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Peek("7"); ok {
			t.Error("the entry whose tag was ended stands")
		}
	})
}

// A read that begins after a tag was ended joins the load from before that, as the tags of what it
// brings are not known. It takes the value if the tag is none of them.
func TestTags_aReadJoinsALoadThatAnotherTagHasOvertaken(t *testing.T) {
	for via, read := range map[string]func(context.Context, *tiercache.Cache[string, string]) (string, error){
		"Get": func(ctx context.Context, c *tiercache.Cache[string, string]) (string, error) { return c.Get(ctx, "k") },
		"GetMany": func(ctx context.Context, c *tiercache.Cache[string, string]) (string, error) {
			got, err := c.GetMany(ctx, []string{"k"})
			return got["k"], err
		},
	} {
		for tag, want := range map[string]string{"another": "old", "tag of k": "new"} {
			t.Run(via+" "+tag, func(t *testing.T) {
				virtual(t, func(t *testing.T, r *tiercache.Redis) {
					s := &sourceScript{value: "old"}
					c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: r, Load: s.load, Tags: ownTag})
					begun, open := s.stop()
					var wg sync.WaitGroup
					wg.Go(func() {
						if _, err := read(t.Context(), c); err != nil {
							t.Error(err)
						}
					})
					<-begun
					s.set("new")
					if err := c.InvalidateTags(t.Context(), tag); err != nil {
						t.Fatal(err)
					}
					wg.Go(func() {
						if got, err := read(t.Context(), c); got != want || err != nil {
							t.Errorf("%q, %v; want %q", got, err, want)
						}
					})
					waitFor(10 * time.Millisecond)
					open()
					wg.Wait()
					if n := s.loads.Load(); want == "old" && n != 1 {
						t.Errorf("%d loads, want 1", n)
					}
				})
			})
		}
	}
}

// What the source does not have has no tags, so no tag ends that it is remembered.
func TestTags_endNoAbsence(t *testing.T) {
	tiers(t, func(t *testing.T, r *tiercache.Redis) {
		var loads atomic.Int64
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Hour, NegativeTTL: time.Hour, Redis: r, Tags: ownTag,
			Load: func(context.Context, string) (string, error) { loads.Add(1); return "", tiercache.ErrNotFound },
		})
		for range 2 {
			if _, err := c.Get(t.Context(), "k"); !errors.Is(err, tiercache.ErrNotFound) {
				t.Error(err)
			}
			if err := c.InvalidateTags(t.Context(), "tag of k"); err != nil {
				t.Fatal(err)
			}
		}
		if n := loads.Load(); n != 1 {
			t.Errorf("%d loads, want 1", n)
		}
	})
}

// The empty tag is refused where it is given; a value for which Config.Tags returns it is not kept.
func TestTags_theEmptyOneIsRefused(t *testing.T) {
	tiers(t, func(t *testing.T, r *tiercache.Redis) {
		ctx := t.Context()
		var log syncBuffer
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Hour, StaleFor: time.Hour, Redis: r, Load: newTruth("v").load, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Tags: func(key, _ string) []string {
				if key == "bad" {
					return []string{"t", ""}
				}
				return []string{"t"}
			},
		})
		get(t, c, "k", "v")
		for name, err := range map[string]error{
			"Set": c.Set(ctx, "other", "v", tiercache.Tags("")), "InvalidateTags": c.InvalidateTags(ctx, "u", ""), "Config.Tags": c.Set(ctx, "bad", "v"),
		} {
			if err == nil || !strings.Contains(err.Error(), "the empty string is no tag") {
				t.Errorf("%s: %v", name, err)
			}
		}
		get(t, c, "bad", "v")
		for key, want := range map[string]bool{"k": true, "bad": false, "other": false} {
			if _, ok := c.Peek(key); ok != want {
				t.Errorf("%q in memory: %t, want %t", key, ok, want)
			}
		}
		if n := c.Stats().Refused; n == 0 || !strings.Contains(log.String(), "empty tag") {
			t.Errorf("%d refused; log: %s", n, &log)
		}
	})
}

// Redis evicts what was not used for long. Tokens are read once an epoch, and used all the time.
func TestTokens_outliveEviction(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cfg := tiercache.Config[string, string]{Tags: func(string, string) []string { return []string{"t"} }}
	a := node(t, server, cfg)
	value := strings.Repeat("v", 400)
	server.Do("CONFIG", "SET", "maxmemory", "12mb")
	server.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	if err := a.InvalidateTags(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	began, n := time.Now(), 0
	evicted := func() int {
		n, _ := strconv.Atoi(server.Info("stats", "evicted_keys"))
		return n
	}
	// The server holds what is written in four seconds: what is used once a second is not the
	// oldest.
	const rate = 3500
	for time.Since(began) < 6*time.Second || evicted() < 15_000 {
		values := make(map[string]string)
		for range 200 {
			values[fmt.Sprint("k", n)] = value
			n++
		}
		if err := a.SetMany(t.Context(), values); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), time.Duration(n)*time.Second/rate-time.Since(began))
	}
	b, found := node(t, server, cfg), 0
	for i := n - 200; i < n; i++ {
		if v, err := b.Get(t.Context(), fmt.Sprint("k", i)); err == nil && v == value {
			found++
		}
	}
	if found < 190 { // a few may be gone
		t.Errorf("a node that starts finds %d of the last 200 values, after %d evictions of %d", found, evicted(), n)
	}
}
