package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/bench/internal/dataset"
	"github.com/warmcache/warmcache/bench/internal/source"
	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// warmRun is one run of the five tasks into empty tiers.
type warmRun struct {
	Source  string        `json:"source"`
	Took    time.Duration `json:"took_ns"`
	Items   int           `json:"items"`
	Success float64       `json:"success_rate"`
	Queries int           `json:"queries"` // 0 where they are not counted
	Rows    int           `json:"rows"`
}

const (
	plain = "plain SQLite"
	slow  = "slowed SQLite"
)

// warmOnce warms everything from a database file into the Redis on addr, through a slowed source
// where slowed describes one.
func warmOnce(ctx context.Context, path, addr string, slowed *source.Config) (w warmRun, err error) {
	log := slog.New(slog.DiscardHandler)
	db, err := dataset.Open(path)
	if err != nil {
		return w, err
	}
	defer db.Close() //nolint:errcheck // nothing was written
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	defer client.Close() //nolint:errcheck // nothing is left to lose
	// A late Redis shows in the figure; with the default of 100 ms it would spoil the success rate
	// on a busy machine.
	tier, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: 5 * time.Second, Logger: log})
	if err != nil {
		return w, err
	}
	defer tier.Close() //nolint:errcheck // nothing is left to lose
	w.Source = plain
	var from loaders.DB = db
	var counted *source.Source
	if slowed != nil {
		counted = source.New(db, *slowed)
		w.Source, from = slow, counted
	}
	caches, err := loaders.Open(ctx, from, tier, loaders.Config{Logger: log})
	if err != nil {
		return w, err
	}
	defer caches.Close() //nolint:errcheck // nothing is left to lose
	engine, err := warm.New(warm.Config{Redis: tier, Logger: log})
	if err != nil {
		return w, err
	}
	defer engine.Stop(ctx) //nolint:errcheck // the run is over
	if err := engine.Add(caches.Targets()...); err != nil {
		return w, err
	}
	before := source.Log{}
	if counted != nil {
		before = counted.Log() // loaders.Open has looked at the schema
	}
	run, err := engine.Run(ctx, warm.Request{})
	if err != nil {
		return w, err
	}
	w.Took, w.Items, w.Success = run.Duration(), run.Items(), run.SuccessRate()
	if counted != nil {
		w.Queries, w.Rows = counted.Log().Queries-before.Queries, counted.Log().Rows-before.Rows
	}
	if err := run.Err(); err != nil {
		return w, fmt.Errorf("success rate %.1f %%: %w", w.Success, err)
	}
	return w, nil
}
