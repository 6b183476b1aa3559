package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/dsn"
	"github.com/warmcache/warmcache/tiercache"
)

// tier is a Redis that was looked at.
type tier struct {
	*tiercache.Redis

	name   string
	client *redis.Client
}

func (t *tier) close() error { return errors.Join(t.Close(), t.client.Close()) }

// openRedis connects to what REDIS_URL names and looks at it: that it answers, its version, and
// that its user may do what a cache must. No error shows the text, which go-redis would: there may
// be a password in it.
func openRedis(ctx context.Context, text string, hide redaction) (*tier, error) {
	redis.SetLogger(silent{}) // it prints each failed dial; the findings say what matters
	options, err := dsn.ParseRedis(text)
	if err != nil {
		return nil, err
	}
	options.ContextTimeoutEnabled, options.DialTimeout, options.DialerRetries = true, 5*time.Second, 1
	client := redis.NewClient(options)
	name := "Redis on " + options.Addr
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("REDIS_URL: %s does not answer: %w", name, hide.error(err)), client.Close())
	}
	version := serverVersion(ctx, client)
	if version != "" {
		name += ", version " + version
	}
	if tooOld(version) {
		return nil, errors.Join(fmt.Errorf("REDIS_URL: %s: want 6.2 or newer", name), client.Close())
	}
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: 5 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("REDIS_URL: %s: %w", name, hide.error(err)), client.Close())
	}
	return &tier{r, name, client}, nil
}

// serverVersion is what INFO says; "" where this user may not ask.
func serverVersion(ctx context.Context, client *redis.Client) string {
	info, _ := client.Info(ctx, "server").Result() // a user without INFO is no finding
	for line := range strings.Lines(info) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "redis_version:"); ok {
			return version
		}
	}
	return ""
}

func tooOld(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (major < 6 || major == 6 && minor < 2)
}

// silent is a go-redis logger that says nothing.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}
