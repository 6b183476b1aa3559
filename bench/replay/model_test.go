package main

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warmcache/warmcache/internal/racetest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// traceOf is reads by Zipf, some ten a second, of a popularity that drifts.
func traceOf(reads int) []read {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible
	zipf := rand.NewZipf(rng, 1.05, 1, 5000)
	all := make([]read, reads)
	at := int64(0)
	for i := range all {
		at += int64(time.Millisecond) + int64(rng.ExpFloat64()*float64(100*time.Millisecond))
		all[i] = read{at: at, key: mix(zipf.Uint64() + uint64(i/200))}
	}
	return all
}

// TestModel replays a trace through the whole cache, Redis and engine in virtual time, and through
// the model: they must agree.
func TestModel(t *testing.T) {
	if racetest.Enabled {
		t.Skip("the simulation takes minutes under the race detector; `make test` runs it without")
	}
	t.Parallel()
	const ttl, half = 5 * time.Minute, time.Minute
	cfg := settings{
		Capacity: 1000, Redis: true, RefreshAt: 0.8, Hot: 100, HalfLife: half, Top: 100, Interval: 10 * time.Minute, Restart: 8 * time.Minute,
	}
	reads := traceOf(15_000)
	for _, a := range cfg.arms() {
		if a.oracle || a.list { // the list is the user's own query: here is none to compare with
			continue
		}
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			p, err := newPlayer(a, cfg, ttl)
			if err == nil {
				err = p.play(t.Context(), reads)
			}
			if err != nil {
				t.Fatal(err)
			}
			model, err := p.end()
			if err != nil {
				t.Fatal(err)
			}
			var whole counts
			synctest.Test(t, func(t *testing.T) { whole = replayWhole(t, a, cfg, ttl, reads) })
			t.Logf("model: %+v", model.counts)
			t.Logf("whole: %+v", whole)
			for _, c := range []struct {
				what         string
				model, whole int
			}{
				{"fresh from memory", model.Memory, whole.Memory},
				{"fresh from Redis", model.Redis, whole.Redis},
				{"stale", model.Stale, whole.Stale},
				{"misses", model.Misses, whole.Misses},
				{"rows", model.Rows, whole.Rows},
			} {
				if off := math.Abs(float64(c.model-c.whole)) / float64(len(reads)); off > 0.01 {
					t.Errorf("%s: the model has %d, the whole cache %d: %.1f points apart, want at most 1", c.what, c.model, c.whole, 100*off)
				}
			}
			if model.Restarts != whole.Restarts {
				t.Errorf("%d restarts, want %d", model.Restarts, whole.Restarts)
			}
		})
	}
}

// whole is a process with everything in it.
type whole struct {
	a      arm
	cfg    settings
	ttl    time.Duration
	server *redistest.InMemory
	counts

	redis  *tiercache.Redis
	cache  *tiercache.Cache[uint64, string]
	engine *warm.Engine
}

func replayWhole(t *testing.T, a arm, cfg settings, ttl time.Duration, reads []read) counts {
	t.Helper()
	w := &whole{a: a, cfg: cfg, ttl: ttl, server: redistest.Memory(t)}
	w.start(t)
	began := time.Now()
	restart := reads[0].at + int64(cfg.Restart)
	for _, r := range reads {
		if r.at >= restart {
			time.Sleep(time.Until(began.Add(time.Duration(restart - reads[0].at))))
			w.stop(t)
			w.start(t)
			w.Restarts++
			restart += int64(cfg.Restart)
		}
		time.Sleep(time.Until(began.Add(time.Duration(r.at - reads[0].at))))
		if _, err := w.cache.Get(t.Context(), r.key); err != nil {
			t.Fatal(err)
		}
		w.Reads++
	}
	w.stop(t)
	return w.counts
}

// start is a process that starts, and waits until it is ready.
func (w *whole) start(t *testing.T) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if w.redis, err = tiercache.NewRedis(w.server.Client(), tiercache.RedisConfig{Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	cfg := tiercache.Config[uint64, string]{Name: "whole", TTL: w.ttl, Capacity: w.cfg.Capacity, Redis: w.redis, Logger: quiet}
	cfg.Load = func(context.Context, uint64) (string, error) {
		if w.a.stale {
			time.Sleep(100 * time.Microsecond) // longer than SoftTimeout, and shorter than the time between two reads
		}
		return "value", nil
	}
	if w.a.refresh {
		cfg.RefreshAt = w.cfg.RefreshAt
	}
	if w.a.stale {
		cfg.StaleFor, cfg.SoftTimeout = w.ttl, time.Nanosecond
	}
	if w.a.hot {
		cfg.LearnHot, cfg.HotHalfLife = w.cfg.Hot, w.cfg.HalfLife
	}
	if w.cache, err = tiercache.New(cfg); err != nil {
		t.Fatal(err)
	}
	w.engine, err = warm.New(warm.Config{
		Redis: w.redis, Interval: w.cfg.Interval, Schedule: "0 0 29 2 *", SkipStartup: !w.a.hydrate, Priority: []string{}, Logger: quiet,
	})
	if err == nil {
		err = w.engine.Add(w.cache)
	}
	if err == nil {
		err = w.engine.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	<-w.engine.Ready()
}

func (w *whole) stop(t *testing.T) {
	t.Helper()
	if err := w.engine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := w.cache.Stats()
	w.Memory += int(s.MemoryHits)
	w.Redis += int(s.RedisHits)
	w.Stale += int(s.StaleHits)
	w.Misses += int(s.Misses)
	w.Rows += int(s.Loads)
	if err := w.cache.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.redis.Close(); err != nil {
		t.Fatal(err)
	}
}
