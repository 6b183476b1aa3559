package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/tiercache/httpcache"
	"github.com/warmcache/warmcache/warm"
	"github.com/warmcache/warmcache/warm/admin"
)

// readHeaderTimeout is how long a client may take to send the header of a request.
const readHeaderTimeout = 5 * time.Second

// drainWithin is how long requests and warm-ups under way have from a signal on.
const drainWithin = 5 * time.Second

// run is the server from its options to its end. What it opens it closes in the opposite order.
// listening, where given, hears the address.
func run(ctx context.Context, o options, log *slog.Logger, listening func(net.Addr)) (err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.addr)
	if err != nil {
		return err
	}
	defer listener.Close() //nolint:errcheck // the server has closed it
	cfg := httpcache.Config{Logger: log}
	if o.token != "" {
		cfg.Purge = admin.Bearer(o.token)
	}
	if o.redis != nil {
		client := redis.NewClient(o.redis)
		defer func() { err = errors.Join(err, client.Close()) }()
		if cfg.Redis, err = tiercache.NewRedis(client, tiercache.RedisConfig{Logger: log}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cfg.Redis.Close()) }()
		cfg.LearnHot = 1000
	}
	transport := newTransport()
	defer transport.CloseIdleConnections()
	cache, handler, err := open(cfg, o, transport)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cache.Close()) }()
	var engine *warm.Engine
	if o.warm != "" {
		base := "http://" + listener.Addr().String()
		if o.base != nil {
			base = o.base.String()
		}
		if engine, err = warmUp(cache, o.warm, base, cfg.Redis, log); err != nil {
			return err
		}
		if err := engine.Start(context.WithoutCancel(ctx)); err != nil { // Stop ends it
			return err
		}
	}
	if listening != nil {
		listening(listener.Addr())
	}
	return serve(ctx, listener, handler, engine, log)
}

func open(cfg httpcache.Config, o options, transport *http.Transport) (*httpcache.Cache, http.Handler, error) {
	if o.proxy != nil {
		return newProxy(cfg, o.proxy, transport)
	}
	return newReport(cfg)
}

// serve answers until ctx ends; then it lets requests and warm-ups under way end, but not for long.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, engine *warm.Engine, log *slog.Logger) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.InfoContext(ctx, "listening", slog.String("url", "http://"+listener.Addr().String()))
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		log.InfoContext(ctx, "stopping")
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	if engine != nil {
		if err := engine.Stop(drain); err != nil {
			log.WarnContext(ctx, "the warm-up was cut short", slog.Any("error", err))
		}
	}
	if err := server.Shutdown(drain); err != nil {
		log.WarnContext(ctx, "requests were cut short", slog.Any("error", errors.Join(err, server.Close())))
	}
	return err
}
