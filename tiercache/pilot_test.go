package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// haltingContext stops the first who asks for its error: that is between a reader's look at memory
// and its departure.
type haltingContext struct {
	context.Context
	once  sync.Once
	asked chan struct{}
	let   chan struct{}
}

func halting(ctx context.Context) *haltingContext {
	return &haltingContext{Context: ctx, asked: make(chan struct{}), let: make(chan struct{})}
}

func (c *haltingContext) Err() error {
	c.once.Do(func() {
		close(c.asked)
		<-c.let
	})
	return c.Context.Err()
}

// A reader misses memory; before it departs somebody else's load of the key ends. It must find
// that, not load once more.
func TestFlight_aReaderThatComesLateFindsWhatHasLanded(t *testing.T) {
	for via, read := range map[string]func(context.Context, *tiercache.Cache[string, string]) (string, error){
		"Get": func(ctx context.Context, c *tiercache.Cache[string, string]) (string, error) { return c.Get(ctx, "k") },
		"GetMany": func(ctx context.Context, c *tiercache.Cache[string, string]) (string, error) {
			got, err := c.GetMany(ctx, []string{"k"})
			return got["k"], err
		},
	} {
		t.Run(via, func(t *testing.T) {
			s := new(source)
			c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Load: s.load})
			ctx := halting(t.Context())
			late := make(chan error, 1)
			go func() {
				v, err := read(ctx, c)
				if v != "v1" {
					err = errors.Join(err, fmt.Errorf("the late reader got %q, want v1", v))
				}
				late <- err
			}()
			<-ctx.asked
			get(t, c, "k", "v1")
			close(ctx.let)
			if err := <-late; err != nil {
				t.Error(err)
			}
			if n := s.reads.Load(); n != 1 {
				t.Errorf("%d loads, want 1", n)
			}
		})
	}
}

// Redis is not told of an Expire, but answers everything else: what stands there still looks fresh,
// and must not be believed before it was told.
func TestPending_isNotReadInRedis(t *testing.T) {
	for via, read := range map[string]func(context.Context, *tiercache.Cache[string, string]) (string, error){
		"Get": func(ctx context.Context, c *tiercache.Cache[string, string]) (string, error) { return c.Get(ctx, "k") },
		"GetMany": func(ctx context.Context, c *tiercache.Cache[string, string]) (string, error) {
			got, err := c.GetMany(ctx, []string{"k"})
			return got["k"], err
		},
	} {
		t.Run(via, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				var deaf atomic.Bool
				m := redistest.Memory(t)
				r := hookedNode(t, m, before(func(_ context.Context, cmds []redis.Cmder) error {
					if deaf.Load() && saying(cmds, "W1 E") {
						return errors.New("not now")
					}
					return nil
				}))
				src := newTruth("old")
				c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, StaleFor: time.Hour, Redis: r, Load: src.load})
				get(t, c, "k", "old")
				deaf.Store(true)
				src.set("new")
				if err := c.Expire(t.Context(), "k"); !errors.Is(err, tiercache.ErrDegraded) {
					t.Errorf("Expire that Redis was not told of: %v, want ErrDegraded", err)
				}
				if v, err := read(t.Context(), c); v != "new" || err != nil {
					t.Errorf("%s = %q, %v; want new", via, v, err)
				}
				deaf.Store(false)
				waitFor(3 * time.Second)
				if h := r.Health(); h.Pending != 0 {
					t.Errorf("%+v: want nothing pending", h)
				}
			})
		})
	}
}

// Redis answers each operation just in time. However many a read takes: its caller's deadline
// holds.
func TestPilot_deadlineHoldsOnASlowRedis(t *testing.T) {
	for _, kind := range []string{"plain", "tagged", "ended"} {
		for deadline := 50 * time.Millisecond; deadline < 700*time.Millisecond; deadline += 50 * time.Millisecond {
			bubbletest.Test(t, func(t *testing.T) {
				var slow atomic.Int64
				m := redistest.Memory(t)
				cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Load: new(source).load}
				if kind == "tagged" {
					cfg.Tags = func(string, string) []string { return []string{"t"} }
				}
				if kind == "ended" { // its tokens are looked up once more
					cfg.Redis = nodeOn(t, m)
					other := newCache(t, cfg)
					for _, key := range []string{"k", "l", "m"} {
						if _, err := other.Get(t.Context(), key); err != nil {
							t.Fatal(err)
						}
					}
					if err := other.Clear(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				var reads []func()
				for name, read := range map[string]func(context.Context, *tiercache.Cache[string, string]) error{
					"Get": func(ctx context.Context, c *tiercache.Cache[string, string]) error {
						_, err := c.Get(ctx, "k")
						return err
					},
					"GetMany": func(ctx context.Context, c *tiercache.Cache[string, string]) error {
						_, err := c.GetMany(ctx, []string{"l", "m"})
						return err
					},
				} {
					cfg.Redis = hookedNode(t, m, before(func(ctx context.Context, _ []redis.Cmder) error {
						select {
						case <-time.After(time.Duration(slow.Load())):
							return nil
						case <-ctx.Done():
							return ctx.Err()
						}
					}))
					c := newCache(t, cfg)
					if _, err := c.Get(t.Context(), "another of "+name); err != nil { // the tokens are known
						t.Fatal(err)
					}
					reads = append(reads, func() {
						ctx, cancel := context.WithTimeout(t.Context(), deadline)
						defer cancel()
						began := time.Now()
						if err := read(ctx, c); time.Since(began) > deadline+20*time.Millisecond {
							t.Errorf("%s, %s, deadline %v: %v after %v", name, kind, deadline, err, time.Since(began))
						}
					})
				}
				slow.Store(int64(99 * time.Millisecond))
				var both sync.WaitGroup
				for _, read := range reads {
					both.Go(read)
				}
				both.Wait()
			})
		}
	}
}

// SoftTimeout is not late either.
func TestPilot_softTimeoutHoldsOnASlowRedis(t *testing.T) {
	for soft := 50 * time.Millisecond; soft < 700*time.Millisecond; soft += 50 * time.Millisecond {
		bubbletest.Test(t, func(t *testing.T) {
			var slow atomic.Int64
			s := new(source)
			r := hookedNode(t, redistest.Memory(t), before(func(ctx context.Context, _ []redis.Cmder) error {
				select {
				case <-time.After(time.Duration(slow.Load())):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}))
			c := newCache(t, tiercache.Config[string, string]{
				Name: "c", TTL: time.Minute, StaleFor: time.Hour, SoftTimeout: soft, Redis: r, Load: s.load,
				Tags: func(string, string) []string { return []string{"t"} },
			})
			get(t, c, "k", "v1")
			waitFor(2 * time.Minute)
			slow.Store(int64(99 * time.Millisecond))
			s.takes = 5 * time.Second
			began := time.Now()
			e, err := c.GetEntry(t.Context(), "k")
			defer waitFor(10 * time.Second)
			if took := time.Since(began); err != nil || !e.Stale || took > soft+20*time.Millisecond {
				t.Errorf("SoftTimeout %v: %+v, %v after %v", soft, e, err, took)
			}
		})
	}
}

// Each callback of the user misbehaves in turn. The read of the key fails, or not; the next one is
// as if nothing had been, and no lease is left.
func TestPilot_callbacksThatMisbehave(t *testing.T) {
	for how, misbehave := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		for _, where := range []string{"Load", "Tags", "Expiry", "Cost", "Clone", "Encode", "Decode", "Observe"} {
			for _, batch := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s in %s, batch %v", how, where, batch), func(t *testing.T) {
					virtual(t, func(t *testing.T, r *tiercache.Redis) {
						var bad atomic.Value
						bad.Store("")
						at := func(callback string) {
							if bad.Load() == callback {
								misbehave()
							}
						}
						cfg := tiercache.Config[string, string]{
							Name: "c", TTL: time.Hour, MemoryTTL: time.Second, Redis: r,
							Load:     func(_ context.Context, key string) (string, error) { at("Load"); return key, nil },
							Tags:     func(string, string) []string { at("Tags"); return []string{"t"} },
							Expiry:   func(string, string) time.Duration { at("Expiry"); return 0 },
							Cost:     func(string, string) int64 { at("Cost"); return 1 },
							Clone:    func(v string) string { at("Clone"); return v },
							Observer: observerFunc(func(tiercache.Event) { at("Observe") }),
						}
						if r != nil {
							cfg.Codec = touchyCodec{at}
						}
						c := newCache(t, cfg)
						if where == "Decode" && r != nil { // there must be something to decode
							get(t, c, "k", "k")
							waitFor(2 * time.Second) // memory's time is over
						}
						bad.Store(where)
						var wg sync.WaitGroup
						for range 3 {
							wg.Go(func() {
								if batch {
									_, _ = c.GetMany(t.Context(), []string{"k", "l"})
								} else {
									_, _ = c.Get(t.Context(), "k")
								}
							})
						}
						wg.Wait()
						bad.Store("")
						waitFor(time.Second) // two failures in a row bind this node for a moment
						began := time.Now()
						get(t, c, "k", "k")
						if took := time.Since(began); took > 500*time.Millisecond {
							t.Errorf("the next read took %v", took)
						}
						waitFor(10 * time.Second)
						if r == nil {
							return
						}
						began = time.Now()
						if v, err := c.Refresh(t.Context(), "k"); v != "k" || err != nil || time.Since(began) > 500*time.Millisecond {
							t.Errorf("Refresh = %q, %v after %v", v, err, time.Since(began))
						}
					})
				})
			}
		}
	}
}

// A full Redis gives no leases. What it holds is served all the same, also where a miss was
// expected and the lease was asked for in the same breath.
func TestPilot_forecastOnAFullRedis(t *testing.T) {
	server := redistest.Start(t)
	s := new(source)
	a, b := node(t, server, tiercache.Config[string, string]{StaleFor: time.Hour, Load: s.load}), node(t, server, tiercache.Config[string, string]{StaleFor: time.Hour, Load: s.load})
	for _, key := range []string{"there", "ended"} {
		if err := a.Set(t.Context(), key, "of Redis"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		if _, err := b.Get(t.Context(), fmt.Sprint("a miss", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Expire(t.Context(), "ended"); err != nil {
		t.Fatal(err)
	}
	server.Do("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1")
	if e, err := b.GetEntry(t.Context(), "there"); err != nil || e.Value != "of Redis" || e.Source != tiercache.FromRedis {
		t.Errorf("%+v, %v; want it from Redis", e, err)
	}
	began := time.Now()
	if e, err := b.GetEntry(t.Context(), "ended"); err != nil || e.Source != tiercache.FromSource || time.Since(began) > 5*time.Second {
		t.Errorf("what was expired: %+v, %v after %v; want it from the source", e, err, time.Since(began))
	}
}

// A callback of the user ends the goroutine that would have ended the lease's renewal. Each of
// these runs in the caller's own.
func TestPilot_renewalEndsWithItsGoroutine(t *testing.T) {
	for name, change := range map[string]func(*tiercache.Config[string, string]){
		"Expiry": func(c *tiercache.Config[string, string]) {
			c.Expiry = func(string, string) time.Duration { runtime.Goexit(); return 0 }
		},
		"Tags": func(c *tiercache.Config[string, string]) {
			c.Tags = func(string, string) []string { runtime.Goexit(); return nil }
		},
		"Encode": func(c *tiercache.Config[string, string]) {
			c.Codec = touchyCodec{func(callback string) {
				if callback == "Encode" {
					runtime.Goexit()
				}
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				var touched atomic.Int64
				cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Load: new(source).load}
				cfg.Redis = hookedNode(t, redistest.Memory(t), before(func(_ context.Context, cmds []redis.Cmder) error {
					if saying(cmds, "{c:k}:lease") {
						touched.Add(1)
					}
					return nil
				}))
				change(&cfg)
				c := newCache(t, cfg)
				returned := false
				var wg sync.WaitGroup
				wg.Go(func() {
					_, _ = c.Get(t.Context(), "k")
					returned = true
				})
				wg.Wait()
				waitFor(time.Second / 2) // the lease is given back
				n := touched.Load()
				waitFor(10 * time.Second)
				if more := touched.Load() - n; n == 0 || more != 0 || returned {
					t.Errorf("the lease was asked for %d times, and then renewed %d times, for nobody; Get has returned: %t", n, more, returned)
				}
			})
		})
	}
}

type touchyCodec struct{ at func(string) }

func (touchyCodec) Name() string { return "touchy" }

func (c touchyCodec) Encode(dst []byte, v string) ([]byte, error) {
	c.at("Encode")
	return append(dst, v...), nil
}

func (c touchyCodec) Decode(data []byte) (string, error) {
	c.at("Decode")
	return string(data), nil
}

// What Redis answers is guessed; a wrong guess costs a round trip, and no lease is left behind.
func TestPilot_forecast(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		m := redistest.Memory(t)
		s := new(source)
		cfg := tiercache.Config[int, string]{Name: "c", TTL: time.Hour, Load: func(ctx context.Context, key int) (string, error) { return s.load(ctx, "") }}
		cfg.Redis = nodeOn(t, m)
		a := newCache(t, cfg)
		cfg.Redis = nodeOn(t, m)
		b := newCache(t, cfg)
		known := 0
		for range 200 {
			if rand.N(2) == 0 { // known to Redis already
				known++
				if _, err := a.Get(t.Context(), known); err != nil {
					t.Fatal(err)
				}
				e, err := b.GetEntry(t.Context(), known)
				if err != nil || e.Source != tiercache.FromRedis {
					t.Fatalf("%+v, %v; want it from Redis", e, err)
				}
			} else {
				e, err := b.GetEntry(t.Context(), -1-int(s.reads.Load()))
				if err != nil || e.Source != tiercache.FromSource {
					t.Fatalf("%+v, %v; want it from the source", e, err)
				}
			}
		}
		synctest.Wait()
		if leases := slices.DeleteFunc(m.Keys(), func(k string) bool { return !strings.HasSuffix(k, "}:lease") }); len(leases) > 0 {
			t.Errorf("leases are left: %q", leases)
		}
	})
}
