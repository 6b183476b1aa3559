package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// node is a process of the fleet.
type node struct {
	client *redis.Client
	redis  *tiercache.Redis
	cache  *tiercache.Cache[string, string]
	engine *warm.Engine
	asked  *atomic.Int64 // how often the source was, by its fleet
}

// newNode makes a node whose engine is not started. The loader emits all keys, the most read ones
// first.
func newNode(addr, name string, cfg config, capacity int64, asked *atomic.Int64) (*node, error) {
	n := &node{client: redis.NewClient(&redis.Options{Addr: addr}), asked: asked}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if n.redis, err = tiercache.NewRedis(n.client, tiercache.RedisConfig{Logger: quiet}); err != nil {
		return nil, errors.Join(err, n.client.Close())
	}
	value := strings.Repeat("v", 300)
	n.cache, err = tiercache.New(tiercache.Config[string, string]{
		Name: name, TTL: time.Hour, Capacity: capacity, Redis: n.redis, Logger: quiet,
		Load: func(context.Context, string) (string, error) {
			asked.Add(1)
			return value, nil
		},
	})
	if err != nil {
		return nil, errors.Join(err, n.redis.Close(), n.client.Close())
	}
	err = n.cache.RegisterLoader(tiercache.Loader[string, string]{
		Name: name + "-popular", Required: true,
		Load: func(_ context.Context, emit func(string, string) error) error {
			asked.Add(1)
			for rank := range cfg.Keys {
				if err := emit(keyOf(rank), value); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err == nil {
		if n.engine, err = warm.New(warm.Config{Redis: n.redis, SkipSchedule: true, Logger: quiet}); err == nil {
			err = n.engine.Add(n.cache)
		}
	}
	return n, err
}

// warm starts the node's engine and waits until it is ready.
func (n *node) warm(ctx context.Context) (took time.Duration, role warm.Role, err error) {
	began := time.Now()
	if err := n.engine.Start(ctx); err != nil {
		return 0, "", err
	}
	select {
	case <-n.engine.Ready():
	case <-ctx.Done():
		return 0, "", ctx.Err()
	}
	took = time.Since(began)
	s := n.engine.Status().Warmup
	if s.Ready.TimedOut || s.Tasks[0].LastRun == nil {
		return took, "", fmt.Errorf("the node was not warmed: %+v", s.Ready)
	}
	return took, s.Tasks[0].LastRun.Role, nil
}

func (n *node) close(ctx context.Context) error {
	return errors.Join(n.engine.Stop(ctx), n.cache.Close(), n.redis.Close(), n.client.Close())
}

func keyOf(rank int) string { return fmt.Sprintf("key-%06d", rank) }

// zipf draws ranks with probabilities that fall with rank to the power of alpha; math/rand knows
// only alphas above 1.
type zipf struct {
	sums []float64
	rand *rand.Rand
}

func newZipf(keys int, alpha float64, seed uint64) *zipf {
	z := &zipf{sums: make([]float64, keys), rand: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // reads, not secrets
	sum := 0.0
	for rank := range z.sums {
		sum += math.Pow(float64(rank+1), -alpha)
		z.sums[rank] = sum
	}
	return z
}

func (z *zipf) next() int {
	rank, _ := slices.BinarySearch(z.sums, z.rand.Float64()*z.sums[len(z.sums)-1])
	return min(rank, len(z.sums)-1)
}
