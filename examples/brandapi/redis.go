package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/dsn"
)

// lookFor bounds the first look at Redis, which only decides what is logged.
const lookFor = 300 * time.Millisecond

// parseRedis reads REDIS_URL; empty is nil, the embedded Redis.
func parseRedis(text string) (*redis.Options, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no options are the embedded Redis
	}
	options, err := dsn.ParseRedis(text)
	if err != nil {
		return nil, err
	}
	return prompt(options), nil
}

// prompt sets what keeps an outage cheap, as far as REDIS_URL does not say otherwise.
func prompt(options *redis.Options) *redis.Options {
	options.ContextTimeoutEnabled = true
	options.DialTimeout = cmp.Or(options.DialTimeout, time.Second)
	options.DialerRetries = cmp.Or(options.DialerRetries, 1)
	return options
}

// openRedis connects to Redis, or runs one in this process. One that does not answer yet is no
// error: the service starts without it. One that answers and refuses the password is.
func openRedis(ctx context.Context, options *redis.Options, log *slog.Logger) (*redis.Client, func(), error) {
	redis.SetLogger(quiet{}) // it prints each failed dial; the breaker says what matters
	if options == nil {
		return embeddedRedis(ctx, log)
	}
	client := redis.NewClient(options)
	closeClient := func() { closing(log, "redis client", client.Close) }
	look, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	err := client.Ping(look).Err()
	switch {
	case err == nil:
		log.InfoContext(ctx, "connected to Redis", slog.String("addr", options.Addr))
	case refuses(err):
		closeClient()
		return nil, nil, fmt.Errorf("REDIS_URL: Redis on %s refuses its user or password: %w", options.Addr, dsn.RedisReply(err))
	default:
		log.WarnContext(ctx, "Redis does not answer; memory and the database serve until it does", slog.String("addr", options.Addr), slog.Any("error", err))
	}
	return client, closeClient, nil
}

// refuses reports whether an answer is about the user and the password: Redis refuses them, or
// knows neither AUTH nor HELLO, and repeats both in saying so.
func refuses(err error) bool {
	text := strings.ToUpper(err.Error())
	return redis.IsAuthError(err) || strings.Contains(text, "COMMAND 'AUTH'") || strings.Contains(text, "COMMAND 'HELLO'")
}

func embeddedRedis(ctx context.Context, log *slog.Logger) (*redis.Client, func(), error) {
	server := miniredis.NewMiniRedis()
	server.ClockTTL(true)
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	log.InfoContext(ctx, "running an embedded Redis (miniredis) for the demo; it is gone with the process, set REDIS_URL for a real one",
		slog.String("addr", server.Addr()))
	client := redis.NewClient(prompt(&redis.Options{Addr: server.Addr()}))
	return client, func() {
		closing(log, "redis client", client.Close)
		server.Close()
	}, nil
}

// quiet is a go-redis logger that says nothing.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}
