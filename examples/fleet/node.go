package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// What the loader's database holds, and how slow it is.
const (
	pages     = 20
	pageRows  = 100
	queryTime = 100 * time.Millisecond
)

// report is what a node says of itself, one line of JSON each.
type report struct {
	Node    string    `json:"node"`
	Role    warm.Role `json:"role"`
	State   string    `json:"state"` // pending, running, or how the task ended
	Memory  int       `json:"memory"`
	Queries int64     `json:"queries"`
	Ready   bool      `json:"ready"`
}

// serve is a node: a cache with a loader, an engine, and a report every tenth of a second until ctx
// or its parent ends.
func serve(ctx context.Context, number, address string) error {
	options, err := redis.ParseURL(address)
	if err != nil {
		return errors.New("the address of Redis is not understood")
	}
	options.ContextTimeoutEnabled = true
	client := redis.NewClient(options)
	defer client.Close() //nolint:errcheck // the process ends
	log := slog.New(slog.DiscardHandler)
	remote, err := tiercache.NewRedis(client, tiercache.RedisConfig{Logger: log, Timeout: time.Second})
	if err != nil {
		return err
	}
	defer remote.Close() //nolint:errcheck // the process ends
	brands, err := tiercache.New(tiercache.Config[string, string]{Name: "fleet_brands", TTL: time.Minute, Redis: remote, Logger: log})
	if err != nil {
		return err
	}
	defer brands.Close() //nolint:errcheck // the process ends
	var queries atomic.Int64
	err = brands.RegisterLoader(tiercache.Loader[string, string]{
		Name: "fleet_popular_brands", Required: true,
		Load: func(ctx context.Context, emit func(string, string) error) error { return query(ctx, &queries, emit) },
	})
	if err != nil {
		return err
	}
	engine, err := warm.New(warm.Config{Redis: remote, SkipSchedule: true, LockLife: 3 * time.Second, Logger: log})
	if err != nil {
		return err
	}
	if err := engine.Add(brands); err != nil {
		return err
	}
	if err := engine.Start(ctx); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := out.Encode(describe(number, engine, brands, queries.Load())); err != nil {
			return err // the parent is gone
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return engine.Stop(context.WithoutCancel(ctx))
		}
	}
}

// query stands for a database: it gives a page of rows for each query.
func query(ctx context.Context, queries *atomic.Int64, emit func(string, string) error) error {
	for page := range pages {
		queries.Add(1)
		select {
		case <-time.After(queryTime):
		case <-ctx.Done():
			return ctx.Err()
		}
		for row := range pageRows {
			if err := emit(fmt.Sprintf("brand-%d", page*pageRows+row), "its statistics"); err != nil {
				return err
			}
		}
	}
	return nil
}

func describe(number string, engine *warm.Engine, brands *tiercache.Cache[string, string], queries int64) report {
	s := engine.Status().Warmup
	r := report{Node: number, State: "pending", Memory: brands.Stats().Entries, Queries: queries, Ready: s.Ready.Ready && !s.Ready.TimedOut}
	switch {
	case s.CurrentRun != nil:
		r.Role, r.State = s.CurrentRun.Tasks[0].Role, string(s.CurrentRun.Tasks[0].Status)
	case s.Tasks[0].LastRun != nil:
		r.Role, r.State = s.Tasks[0].LastRun.Role, string(s.Tasks[0].LastRun.Status)
	}
	return r
}
