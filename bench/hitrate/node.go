package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/bench/internal/wire"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// node is a process of the service.
type node struct {
	client *redis.Client
	redis  *tiercache.Redis
	caches *loaders.Caches
	engine *warm.Engine
	own    *ownList
	stop   context.CancelFunc
	work   sync.WaitGroup
}

// host is what nodes are made of.
type host struct {
	cfg    config
	arm    arm
	db     loaders.DB
	server *redistest.InMemory
	traced *trace
	cat    *catalogue
	seed   uint64

	traffic wire.Traffic // to and from Redis
}

// logger tells of what should not happen in a simulation. A run that Stop cancels is no such thing.
func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// open starts a node, number which of its fleet. It is ready when it says so.
func (h *host) open(ctx context.Context, which int) (*node, error) {
	ctx, cancel := context.WithCancel(ctx)
	n := &node{stop: cancel}
	n.client = wire.Client(h.server, &h.traffic)
	if h.arm.apart {
		n.client.AddHook(ownLeases(which))
	}
	var err error
	if n.redis, err = tiercache.NewRedis(n.client, tiercache.RedisConfig{Logger: logger()}); err != nil {
		return nil, err
	}
	cfg := h.arm.caches(h.cfg)
	cfg.Logger = logger()
	if n.caches, err = loaders.Open(ctx, h.db, n.redis, cfg); err != nil {
		return nil, err
	}
	ecfg := h.arm.engine(h.cfg)
	ecfg.Logger = logger()
	if h.arm.fleet {
		ecfg.Redis = n.redis
	}
	if n.engine, err = warm.New(ecfg); err != nil {
		return nil, err
	}
	if h.arm.random && h.arm.nightly {
		if n.own, err = h.randomList(ctx, n.caches); err != nil {
			return nil, err
		}
	}
	if err := n.engine.Add(n.targets(h.arm)...); err != nil {
		return nil, err
	}
	if err := n.engine.Start(ctx); err != nil {
		return nil, err
	}
	if h.arm.learn {
		n.work.Go(func() { n.replay(ctx, h.cfg.virtual(replayEvery)) })
	}
	return n, nil
}

// targets leaves out the lists that an arm does not have: those of two responses cannot be empty.
func (n *node) targets(a arm) []warm.Target {
	all := n.caches.Targets()
	if a.lists() {
		return all
	}
	for i := range all {
		all[i] = without{all[i]}
	}
	return all
}

// without is a target that has no list of its own but what the simulation has given it.
type without struct{ warm.Target }

func (w without) Loaders() []tiercache.LoaderInfo {
	return slices.DeleteFunc(w.Target.Loaders(), func(l tiercache.LoaderInfo) bool {
		return !strings.HasPrefix(l.Name, "hot:") && !strings.HasPrefix(l.Name, randomTask)
	})
}

// replay runs the tasks of learned keys from time to time, as a service does with a job of its own.
func (n *node) replay(ctx context.Context, every time.Duration) {
	var names []string
	for _, t := range n.caches.Targets() {
		names = append(names, "hot:"+t.Name())
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := n.engine.Run(ctx, warm.Request{Tasks: names}); err != nil {
			return // stopped
		}
	}
}

// close ends the node as a deploy does.
func (n *node) close(ctx context.Context) error {
	err := n.engine.Stop(ctx)
	n.stop()
	n.work.Wait()
	if n.own != nil {
		err = errors.Join(err, n.own.close())
	}
	return errors.Join(err, n.caches.Close(), n.redis.Close(), n.client.Close())
}

// get reads a key as a request does.
func (n *node) get(ctx context.Context, cache int, key string) (answer, error) {
	switch cache {
	case brandCache:
		return answerOf(n.caches.Brands.GetEntry(ctx, key))
	case reportCache:
		return answerOf(n.caches.Reports.GetEntry(ctx, key))
	case questionCache:
		return answerOf(n.caches.Questions.GetEntry(ctx, key))
	case userCache:
		return answerOf(n.caches.Users.GetEntry(ctx, key))
	default:
		return answerOf(n.caches.Responses.GetEntry(ctx, key))
	}
}

// refresh loads a key anew.
func (n *node) refresh(ctx context.Context, cache int, key string) (err error) {
	switch cache {
	case brandCache:
		_, err = n.caches.Brands.Refresh(ctx, key)
	case reportCache:
		_, err = n.caches.Reports.Refresh(ctx, key)
	case questionCache:
		_, err = n.caches.Questions.Refresh(ctx, key)
	case userCache:
		_, err = n.caches.Users.Refresh(ctx, key)
	default:
		_, err = n.caches.Responses.Refresh(ctx, key)
	}
	return err
}

// answer is an entry without its value.
type answer struct {
	source tiercache.Source
	stale  bool
}

func answerOf[V any](e tiercache.Entry[V], err error) (answer, error) {
	return answer{e.Source, e.Stale}, err
}

// stats sums up what the five caches say.
func stats(c *loaders.Caches) (sum tiercache.Stats) {
	for _, s := range []tiercache.Stats{c.Brands.Stats(), c.Reports.Stats(), c.Questions.Stats(), c.Users.Stats(), c.Responses.Stats()} {
		sum.MemoryHits += s.MemoryHits
		sum.RedisHits += s.RedisHits
		sum.StaleHits += s.StaleHits
		sum.NegativeHits += s.NegativeHits
		sum.Misses += s.Misses
		sum.Joined += s.Joined
		sum.Entries += s.Entries
	}
	return sum
}
