package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// fleet is what a number of nodes cost. All but Nodes is a node's share, a second.
type fleet struct {
	Nodes   int     `json:"nodes"`
	Virtual bool    `json:"virtual"`           // in virtual time, with a Redis in memory: no time of CPU means anything
	Start   float64 `json:"commands_to_start"` // of a node, the ledger's included; not a second
	Sources int     `json:"source_calls"`      // of the whole fleet at its start
	First   traffic `json:"first_second"`      // after all were ready
	Rest    traffic `json:"at_rest"`
	Write   traffic `json:"while_it_writes"`
}

// traffic is what a node's part of Redis's work is.
type traffic struct {
	Commands  float64            `json:"commands"`
	By        map[string]float64 `json:"by_command"`
	In        float64            `json:"bytes_to_redis"`
	Out       float64            `json:"bytes_from_redis"`
	ClientCPU float64            `json:"cpu_of_a_node"` // seconds of CPU a second
	RedisCPU  float64            `json:"cpu_of_redis"`  // for all nodes

	// Of the whole fleet. Each digest and each notice goes to every node, a heartbeat to its own.
	Beats    float64 `json:"heartbeats"`
	Digests  float64 `json:"digests"`
	Notices  float64 `json:"notices"`
	Writes   float64 `json:"writes"`
	Coherent float64 `json:"coherent"` // the share of nodes that hear the others at the end
}

// member is a node.
type member struct {
	client *redis.Client
	redis  *tiercache.Redis
	cache  *tiercache.Cache[string, string]
	engine *warm.Engine
}

func newMember(ctx context.Context, on meter, asked func()) (m *member, err error) {
	quiet := slog.New(slog.DiscardHandler)
	m = &member{client: on.client()}
	if m.redis, err = tiercache.NewRedis(m.client, tiercache.RedisConfig{Timeout: 5 * time.Second, Logger: quiet}); err != nil {
		return m, err
	}
	if m.cache, err = tiercache.New(tiercache.Config[string, string]{Name: "scale", TTL: time.Hour, Capacity: 1000, Redis: m.redis, Logger: quiet}); err != nil {
		return m, err
	}
	err = m.cache.RegisterLoader(tiercache.Loader[string, string]{
		Name: "ten", Required: true,
		Load: func(_ context.Context, emit func(string, string) error) error {
			asked()
			for i := range 10 {
				if err := emit(nameOf(i), "value"); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		return m, err
	}
	m.engine, err = warm.New(warm.Config{Redis: m.redis, SkipSchedule: true, Priority: []string{}, Logger: quiet})
	if err == nil {
		err = m.engine.Add(m.cache)
	}
	if err == nil {
		err = m.engine.Start(ctx)
	}
	return m, err
}

func (m *member) close(ctx context.Context) (err error) {
	if m.engine != nil {
		err = m.engine.Stop(ctx)
	}
	if m.cache != nil {
		err = errors.Join(err, m.cache.Close())
	}
	if m.redis != nil {
		err = errors.Join(err, m.redis.Close())
	}
	return errors.Join(err, m.client.Close())
}

// growFleets measures fleets of several sizes, one after the other.
func growFleets(ctx context.Context, cfg config, sizes []int, on meter) (all []fleet, err error) {
	for _, n := range sizes {
		on.empty()
		f, err := growTo(ctx, cfg, on, n)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
		all = append(all, f)
	}
	return all, nil
}

func growTo(ctx context.Context, cfg config, on meter, n int) (f fleet, err error) {
	f.Nodes = n
	var mu sync.Mutex
	asked := func() {
		mu.Lock()
		defer mu.Unlock()
		f.Sources++
	}
	members := make([]*member, n)
	defer func() {
		var group errgroup.Group
		group.SetLimit(50)
		for _, m := range members {
			if m != nil {
				group.Go(func() error { return m.close(context.WithoutCancel(ctx)) })
			}
		}
		err = errors.Join(err, group.Wait())
	}()
	on.reset()
	var group errgroup.Group
	group.SetLimit(20)
	for i := range members {
		group.Go(func() (err error) {
			if members[i], err = newMember(ctx, on, asked); err == nil {
				<-members[i].engine.Ready()
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return f, err
	}
	f.Start = total(on.read().commands) / float64(n)
	w := &watcher{meter: on, members: members}
	for _, phase := range []struct {
		to     *traffic
		lasts  time.Duration
		writes int
	}{{&f.First, time.Second, 0}, {&f.Rest, cfg.Watched, 0}, {&f.Write, cfg.Watched, cfg.Writes}} {
		if *phase.to, err = w.watch(ctx, phase.lasts, phase.writes); err != nil {
			return f, err
		}
	}
	return f, nil
}

// watcher looks at a fleet.
type watcher struct {
	meter

	members []*member
}

// watch looks at a fleet that invalidates so many keys a second.
func (w *watcher) watch(ctx context.Context, lasts time.Duration, writes int) (t traffic, err error) {
	heard, stop := w.listen(ctx)
	defer stop()
	w.reset()
	began, own, before := time.Now(), cpu(), w.read()
	written, err := w.write(ctx, lasts, writes)
	if err != nil {
		return t, err
	}
	seconds, n, after := time.Since(began).Seconds(), float64(len(w.members)), w.read()
	digests, notices := heard()
	t = traffic{
		By: make(map[string]float64), Writes: float64(written) / seconds,
		Commands: total(after.commands) / seconds / n, Beats: after.commands["time"] / seconds, // one each
		In: (after.in - before.in) / seconds / n, Out: (after.out - before.out) / seconds / n,
		Digests: digests / seconds, Notices: notices / seconds,
		ClientCPU: (cpu() - own) / seconds / n, RedisCPU: (after.cpu - before.cpu) / seconds,
	}
	for name, c := range after.commands {
		if share := c / seconds / n; share >= 0.01 {
			t.By[name] = share
		}
	}
	for _, m := range w.members {
		if m.redis.Health().Coherent {
			t.Coherent += 1 / n
		}
	}
	return t, nil
}

// write deletes so many keys a second, by one node after the other.
func (w *watcher) write(ctx context.Context, lasts time.Duration, writes int) (written int, err error) {
	var tick <-chan time.Time
	if writes > 0 {
		ticker := time.NewTicker(time.Second / time.Duration(writes))
		defer ticker.Stop()
		tick = ticker.C
	}
	for end := time.After(lasts); ; {
		select {
		case <-end:
			return written, nil
		case <-tick:
			if err := w.members[written%len(w.members)].cache.Delete(ctx, nameOf(written)); err != nil {
				return written, err
			}
			written++
		case <-ctx.Done():
			return written, ctx.Err()
		}
	}
}

// listen counts what is said to all nodes, from now on.
func (w *watcher) listen(ctx context.Context) (heard func() (digests, notices float64), stop func()) {
	client := w.client()
	said := client.Subscribe(ctx, "tiercache:notices")
	_, _ = said.Receive(ctx) // it listens; where it does not, nothing is counted
	var digests, notices atomic.Int64
	over := make(chan struct{})
	go func() {
		defer close(over)
		for m := range said.Channel(redis.WithChannelSize(1 << 16)) {
			if strings.HasPrefix(m.Payload, "W1 D ") {
				digests.Add(1)
			} else {
				notices.Add(1)
			}
		}
	}()
	return func() (float64, float64) { return float64(digests.Load()), float64(notices.Load()) }, func() {
		_, _ = said.Close(), client.Close() // they were read
		<-over
	}
}

func total(calls map[string]float64) (sum float64) {
	for _, n := range calls {
		sum += n
	}
	return sum
}
