package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/dgraph-io/ristretto/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"github.com/warmcache/warmcache/bench/internal/source"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// node is a process of the fleet.
type node interface {
	get(ctx context.Context, key int) error
	prime(ctx context.Context, keys int) error // brings the most read keys into both tiers, without the source
	ready() <-chan struct{}                    // closed once requests may come
	close(ctx context.Context) error
}

// arm is one way to cache.
type arm struct {
	name  string
	start func(ctx context.Context, b *backend) (node, error)
}

// shortLoads is none with a LoadTimeout of a request's deadline. By default a load goes on when all
// who asked for it have given up, which is what a source that drowns can least use.
const shortLoads = "short loads"

func arms() []arm {
	return []arm{
		{"plain", func(_ context.Context, b *backend) (node, error) { return newPlain(b, nil) }},
		{"singleflight", func(_ context.Context, b *backend) (node, error) { return newPlain(b, new(singleflight.Group)) }},
		{"none", func(_ context.Context, b *backend) (node, error) { return newOurs(b, 0) }},
		{shortLoads, func(_ context.Context, b *backend) (node, error) { return newOurs(b, b.cfg.Deadline) }},
		{"warming", func(ctx context.Context, b *backend) (node, error) {
			n, err := newOurs(b, 0)
			if err == nil {
				err = n.warm(ctx, b)
			}
			return n, err
		}},
	}
}

// backend is what the processes of one arm share.
type backend struct {
	cfg    config
	source *source.Source
	dial   func() *redis.Client // to the arm's Redis
}

func newBackend(cfg config, dial func() *redis.Client) *backend {
	return &backend{cfg, source.New(instant{}, source.Config{Seed: cfg.Seed}), dial}
}

// ttl is longer than a run: what is measured is the event, not expiry.
const ttl = time.Hour

var value = strings.Repeat("v", 300)

func keyOf(key int) string { return "key-" + strconv.Itoa(key) }

// query asks the source for some rows.
func (b *backend) query(ctx context.Context, rows int) error {
	list := make([]int, 0, rows)
	return b.source.SelectContext(ctx, &list, "SELECT")
}

// instant is a database without a delay of its own: the source adds it.
type instant struct{}

func (instant) ExecContext(context.Context, string, ...any) (sql.Result, error)  { return nil, nil } //nolint:nilnil // nobody calls it
func (instant) SelectContext(_ context.Context, _ any, _ string, _ ...any) error { return nil }
func (instant) Rebind(query string) string                                       { return query }

// plain is memory, then Redis, then the source, as it is written by hand: the request's context
// goes to the source.
type plain struct {
	b      *backend
	memory *ristretto.Cache[string, string]
	client *redis.Client
	one    *singleflight.Group // nil: each miss asks for itself
}

func newPlain(b *backend, one *singleflight.Group) (*plain, error) {
	memory, err := ristretto.NewCache(&ristretto.Config[string, string]{
		NumCounters: 10 * b.cfg.Capacity, MaxCost: b.cfg.Capacity, BufferItems: 64, IgnoreInternalCost: true,
	})
	return &plain{b, memory, b.dial(), one}, err
}

func (p *plain) get(ctx context.Context, key int) error {
	name := keyOf(key)
	if _, ok := p.memory.Get(name); ok {
		return nil
	}
	if p.one == nil {
		return p.load(ctx, name)
	}
	_, err, _ := p.one.Do(name, func() (any, error) { return nil, p.load(ctx, name) })
	return err
}

func (p *plain) load(ctx context.Context, name string) error {
	found, err := p.client.Get(ctx, name).Result()
	if errors.Is(err, redis.Nil) {
		if err := p.b.query(ctx, 1); err != nil {
			return err
		}
		found = value
		err = p.client.Set(ctx, name, found, ttl).Err()
	}
	if err == nil {
		p.memory.SetWithTTL(name, found, 1, ttl)
	}
	return err
}

func (p *plain) prime(ctx context.Context, keys int) error {
	pipe := p.client.Pipeline()
	for key := range keys {
		pipe.Set(ctx, keyOf(key), value, ttl)
		p.memory.SetWithTTL(keyOf(key), value, 1, ttl)
		if key%64 == 0 {
			p.memory.Wait()
		}
	}
	_, err := pipe.Exec(ctx)
	return err
}

// ready is at once: it listens, so it gets requests.
func (p *plain) ready() <-chan struct{} {
	ready := make(chan struct{})
	close(ready)
	return ready
}

func (p *plain) close(context.Context) error {
	p.memory.Close()
	return p.client.Close()
}

// ours is warmcache, with an engine or without.
type ours struct {
	client *redis.Client
	redis  *tiercache.Redis
	cache  *tiercache.Cache[string, string]
	engine *warm.Engine // nil: no warming
}

// newOurs returns a node without an engine; a loadTimeout of zero is the default.
func newOurs(b *backend, loadTimeout time.Duration) (*ours, error) {
	n := &ours{client: b.dial()}
	var err error
	if n.redis, err = tiercache.NewRedis(n.client, tiercache.RedisConfig{Timeout: time.Second, Logger: quiet()}); err != nil {
		return nil, errors.Join(err, n.client.Close())
	}
	n.cache, err = tiercache.New(tiercache.Config[string, string]{
		Name: "deploy", TTL: ttl, LoadTimeout: loadTimeout, Capacity: b.cfg.Capacity, Redis: n.redis, Logger: quiet(),
		Load: func(ctx context.Context, _ string) (string, error) { return value, b.query(ctx, 1) },
	})
	if err != nil {
		return nil, errors.Join(err, n.redis.Close(), n.client.Close())
	}
	return n, nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// page is how many rows of the list one query brings.
const page = 100

// pace bounds what a warm-up asks of the source, a second: a third of what that can serve.
const pace = 60

func (n *ours) warm(ctx context.Context, b *backend) (err error) {
	err = n.cache.RegisterLoader(tiercache.Loader[string, string]{
		Name: "popular", Required: true,
		Load: func(ctx context.Context, emit func(string, string) error) error {
			for key := range b.cfg.Warmed {
				if key%page == 0 {
					if err := warm.SourceCall(ctx); err != nil {
						return err
					}
					if err := b.query(ctx, page); err != nil {
						return err
					}
				}
				if err := emit(keyOf(key), value); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	n.engine, err = warm.New(warm.Config{
		Redis: n.redis, SkipSchedule: true, SourceCallsPerSecond: pace, Priority: []string{}, LockLife: 3 * time.Second, Logger: quiet(),
	})
	if err == nil {
		err = n.engine.Add(n.cache)
	}
	if err == nil {
		err = n.engine.Start(ctx)
	}
	return err
}

func (n *ours) get(ctx context.Context, key int) error {
	_, err := n.cache.Get(ctx, keyOf(key))
	return err
}

func (n *ours) prime(ctx context.Context, keys int) error {
	values := make(map[string]string, page)
	for key := range keys {
		if values[keyOf(key)] = value; len(values) < page && key+1 < keys {
			continue
		}
		if err := n.cache.SetMany(ctx, values); err != nil {
			return err
		}
		clear(values)
	}
	return nil
}

func (n *ours) ready() <-chan struct{} {
	if n.engine != nil {
		return n.engine.Ready()
	}
	return (*plain)(nil).ready()
}

func (n *ours) close(ctx context.Context) (err error) {
	if n.engine != nil {
		err = n.engine.Stop(ctx)
	}
	return errors.Join(err, n.cache.Close(), n.redis.Close(), n.client.Close())
}
