package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// fleet is what a number of nodes cost. All but Nodes is a node's share, a second.
type fleet struct {
	Nodes   int     `json:"nodes"`
	Start   float64 `json:"commands_to_start"` // of a node, the ledger's included; not a second
	Sources int     `json:"source_calls"`      // of the whole fleet at its start
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
	Writes    float64            `json:"writes"`        // of the whole fleet
	Coherent  float64            `json:"coherent"`      // the share of nodes that hear the others at the end
}

// server is a redistest.Server, of which this is all that the parts need.
type server interface {
	Addr() string
	Do(args ...any) any
	Info(section, name string) string
}

// member is a node.
type member struct {
	client *redis.Client
	redis  *tiercache.Redis
	cache  *tiercache.Cache[string, string]
	engine *warm.Engine
}

func newMember(ctx context.Context, s server, asked func()) (m *member, err error) {
	quiet := slog.New(slog.DiscardHandler)
	m = &member{client: redis.NewClient(&redis.Options{Addr: s.Addr(), PoolSize: 4})}
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

func growNodes(ctx context.Context, cfg config, s server) (all []fleet, err error) {
	for _, n := range cfg.Nodes {
		s.Do("FLUSHALL")
		f, err := growTo(ctx, cfg, s, n)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
		all = append(all, f)
	}
	return all, nil
}

func growTo(ctx context.Context, cfg config, s server, n int) (f fleet, err error) {
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
	s.Do("CONFIG", "RESETSTAT")
	var group errgroup.Group
	group.SetLimit(20)
	for i := range members {
		group.Go(func() (err error) {
			if members[i], err = newMember(ctx, s, asked); err == nil {
				<-members[i].engine.Ready()
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return f, err
	}
	f.Start = (total(commands(s)) - commands(s)["info"]) / float64(n)
	if f.Rest, err = watch(ctx, cfg, s, members, 0); err != nil {
		return f, err
	}
	f.Write, err = watch(ctx, cfg, s, members, cfg.Writes)
	return f, err
}

// watch looks at a fleet that invalidates so many keys a second.
func watch(ctx context.Context, cfg config, s server, members []*member, writes int) (t traffic, err error) {
	s.Do("CONFIG", "RESETSTAT")
	began, own, theirs := time.Now(), cpu(), redisCPU(s)
	var tick <-chan time.Time
	if writes > 0 {
		ticker := time.NewTicker(time.Second / time.Duration(writes))
		defer ticker.Stop()
		tick = ticker.C
	}
	written := 0
	for end := time.After(cfg.Watched); end != nil; {
		select {
		case <-end:
			end = nil
		case <-tick:
			if err := members[written%len(members)].cache.Delete(ctx, nameOf(written)); err != nil {
				return t, err
			}
			written++
		case <-ctx.Done():
			return t, ctx.Err()
		}
	}
	seconds, n := time.Since(began).Seconds(), float64(len(members))
	t = traffic{By: make(map[string]float64), Writes: float64(written) / seconds, ClientCPU: (cpu() - own) / seconds / n, RedisCPU: (redisCPU(s) - theirs) / seconds}
	calls := commands(s)
	t.Commands = total(calls) / seconds / n
	for name, c := range calls {
		if share := c / seconds / n; share >= 0.01 {
			t.By[name] = share
		}
	}
	t.In, t.Out = number(s, "stats", "total_net_input_bytes")/seconds/n, number(s, "stats", "total_net_output_bytes")/seconds/n
	for _, m := range members {
		if m.redis.Health().Coherent {
			t.Coherent += 1 / n
		}
	}
	return t, nil
}

func number(s server, section, name string) float64 {
	n, _ := strconv.ParseFloat(s.Info(section, name), 64) // Redis says a number
	return n
}

func redisCPU(s server) float64 {
	return number(s, "cpu", "used_cpu_sys") + number(s, "cpu", "used_cpu_user")
}

// cpu is what this process has used, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// commands counts the calls of each command since the last RESETSTAT, without the program's own.
func commands(s server) map[string]float64 {
	calls := make(map[string]float64)
	text, _ := s.Do("INFO", "commandstats").(string)
	for line := range strings.Lines(text) {
		name, fields, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if !ok || strings.HasPrefix(name, "config") {
			continue
		}
		count, _, _ := strings.Cut(fields, ",")
		calls[name], _ = strconv.ParseFloat(count, 64) // Redis says a number
	}
	return calls
}

func total(calls map[string]float64) (sum float64) {
	for _, n := range calls {
		sum += n
	}
	return sum
}
