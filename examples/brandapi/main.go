// Command brandapi is a brand-diagnosis API that starts warm: five warmup loaders fill memory and
// Redis from the database before anyone asks.
//
//	go run ./examples/brandapi
//
// needs nothing but Go. It creates brandapi.db (SQLite) with demo data the first time, and runs an
// embedded Redis; DATABASE_URL and REDIS_URL select real ones. README.md lists the endpoints and
// the variables.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
	"github.com/warmcache/warmcache/warm/admin"
)

func main() {
	if code := arguments(os.Args[1:], os.Stdout, os.Stderr); code >= 0 {
		os.Exit(code)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	slog.SetDefault(log)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, log); err != nil && (ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
		fmt.Fprintf(os.Stderr, "brandapi: %v\n", err)
		os.Exit(1)
	}
}

// run is the service from its configuration to its end. What it opens it closes in the opposite
// order.
func run(ctx context.Context, log *slog.Logger) error {
	cfg, err := configFromEnv()
	if err != nil {
		return fmt.Errorf("bad configuration:\n%w", err)
	}
	cfg.warm.Logger, cfg.loaders.Logger = log, log

	// First, so that a taken address is found before a database is made for nothing.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.addr)
	if err != nil {
		return fmt.Errorf("ADDR=%q: %w", cfg.addr, err)
	}
	defer listener.Close() //nolint:errcheck // the server has closed it
	g := new(gate)
	g.total.Store(int64(cfg.reports))
	server, failed := begin(ctx, log, listener, g)
	defer server.Close() //nolint:errcheck // serve has shut it down where it came to that
	db, err := openDatabase(ctx, cfg.database, cfg.reports, log, func(done int) { g.filled.Store(int64(done)) })
	if err != nil {
		return fmt.Errorf("%s: %w", cfg.database, err)
	}
	defer closing(log, "database", db.Close)
	client, closeRedis, err := openRedis(ctx, cfg.redis, log)
	if err != nil {
		return err
	}
	defer closeRedis()
	tier, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: cfg.timeout, Logger: log})
	if err != nil {
		return err
	}
	defer closing(log, "redis tier", tier.Close)
	caches, err := loaders.Open(ctx, db, tier, cfg.loaders)
	if err != nil {
		return fmt.Errorf("%s: %w", cfg.database, err)
	}
	defer closing(log, "caches", caches.Close)

	cfg.warm.Redis = tier
	engine, err := warm.New(cfg.warm)
	if err != nil {
		return err
	}
	if err := engine.Add(caches.Targets()...); err != nil {
		return err
	}
	panel, err := admin.Handler(engine, admin.Config{Authorize: authorize(cfg.adminToken, listener.Addr()), Logger: log})
	if err != nil {
		return err
	}
	// Not ctx itself: a signal would cancel a running warm-up, which serve lets end where it can.
	if err := engine.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	g.open(routes(caches, panel))
	log.InfoContext(ctx, "listening", slog.String("url", "http://"+listener.Addr().String()))
	return serve(ctx, log, server, failed, engine)
}

// closing closes something at the end and logs where that fails.
func closing(log *slog.Logger, what string, closer func() error) {
	if err := closer(); err != nil {
		log.Warn("close", slog.String("what", what), slog.Any("error", err))
	}
}
