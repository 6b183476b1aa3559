package redisconn

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/deadline"
)

// Conn is one client, with what stands between it and whoever asks Redis.
type Conn struct {
	Client  redis.UniversalClient
	Timeout time.Duration // of one operation
	Log     *slog.Logger
	Masters *masters

	punctual  bool            // client keeps to the deadlines of contexts
	deadlines deadline.Shared // of operations
	closed    atomic.Bool
}

// New returns a Conn of a client, whose operations have that timeout.
func New(client redis.UniversalClient, timeout time.Duration, log *slog.Logger) *Conn {
	return &Conn{
		Client: client, Timeout: timeout, Log: log, Masters: newMasters(client), punctual: punctual(client),
		deadlines: deadline.Shared{Parent: context.Background(), Bound: timeout, Share: timeout / 16}, //nolint:forbidigo // operations end by themselves
	}
}

// Close refuses operations from now on. The client stays open.
func (c *Conn) Close() { c.closed.Store(true) }

// Forever is the lifetime in Redis of what has none, so that an abandoned namespace empties itself.
const Forever = 30 * 24 * time.Hour
