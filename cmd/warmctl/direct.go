package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// here is what a service of the loaders would have, in this process: for commands with -direct,
// where no service runs or none can be reached. Its memory is its own, and empty; its Redis is the
// fleet's.
type here struct {
	redis  *tier // nil: REDIS_URL is not set
	db     *sqlx.DB
	caches *loaders.Caches
	engine *warm.Engine
}

const directUsage = "work in this process, on REDIS_URL and DATABASE_URL, instead of asking a service"

// openHere builds it from the environment. The database is opened for reading alone.
func openHere(ctx context.Context, t terminal) (h *here, err error) {
	h = &here{}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close(ctx))
			h = nil
		}
	}()
	warmCfg, warmErr := loaders.WarmConfigFromEnv()
	loaderCfg, loaderErr := loaders.ConfigFromEnv()
	if err = errors.Join(warmErr, loaderErr); err != nil {
		return h, err
	}
	if text := t.env("REDIS_URL"); text != "" {
		if h.redis, err = openRedis(ctx, text, t.hide); err != nil {
			return h, err
		}
	}
	if h.db, _, err = openDatabase(ctx, t.env("DATABASE_URL"), t.hide); err != nil {
		return h, err
	}
	quiet := slog.New(slog.DiscardHandler)
	loaderCfg.Logger, warmCfg.Logger = quiet, quiet
	var shared *tiercache.Redis
	if h.redis != nil {
		shared = h.redis.Redis
	}
	warmCfg.Redis = shared // its ledger makes this process a node of the fleet: it leads or follows
	if h.caches, err = loaders.Open(ctx, h.db, shared, loaderCfg); err != nil {
		return h, t.hide.error(err)
	}
	if h.engine, err = warm.New(warmCfg); err != nil {
		return h, err
	}
	return h, h.engine.Add(h.caches.Targets()...)
}

func (h *here) close(ctx context.Context) (err error) {
	if h.engine != nil {
		err = h.engine.Stop(context.WithoutCancel(ctx))
	}
	if h.caches != nil {
		err = errors.Join(err, h.caches.Close())
	}
	if h.db != nil {
		err = errors.Join(err, h.db.Close())
	}
	if h.redis != nil {
		err = errors.Join(err, h.redis.close())
	}
	return err
}

// explain says what a node that has just started would do.
func (h *here) explain(ctx context.Context, cache, key string) (tiercache.Explanation, error) {
	var names []string
	for _, target := range h.caches.Targets() {
		if c, ok := target.(warm.Inspector); ok && target.Name() == cache {
			return c.ExplainText(ctx, key)
		}
		names = append(names, target.Name())
	}
	slices.Sort(names)
	return tiercache.Explanation{}, fmt.Errorf("unknown cache %q; known: %s", cache, strings.Join(names, ", "))
}

// plan says what a run here would do.
func (h *here) plan(ctx context.Context, o order) (warm.Plan, error) {
	return h.engine.Plan(ctx, warm.Request{Tasks: o.Tasks, Sequential: o.Sequential})
}

// follow runs tasks here and hands their steps to show.
func (h *here) follow(ctx context.Context, o order, show func(step)) (warm.RunStatus, error) {
	if h.redis == nil {
		return warm.RunStatus{}, usageError{"-direct: REDIS_URL is not set: what is warmed would end with this process"}
	}
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	events := h.engine.Watch(watching)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for e := range events {
			show(step{
				Type: e.Kind, Run: e.Run, Task: e.Task, Status: e.Status, Items: e.Items, DurationSeconds: e.Duration.Seconds(), Reason: e.Reason, Total: e.Total,
			})
			if e.Kind == warm.EventRunEnded {
				return
			}
		}
	}()
	run, err := h.engine.Run(ctx, warm.Request{Tasks: o.Tasks, Sequential: o.Sequential})
	if err != nil {
		return warm.RunStatus{}, err
	}
	<-shown
	for _, r := range h.engine.Status().Warmup.RecentRuns {
		if r.ID == run.ID {
			return r, nil
		}
	}
	return warm.RunStatus{}, fmt.Errorf("run %s left no record", run.ID)
}
