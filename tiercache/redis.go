package tiercache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/usercode"
	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/journal"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// RedisConfig sets what all caches on one Redis share. The zero value is usable.
type RedisConfig struct {
	// Prefix stands before every key and channel, so that applications can share a Redis. No
	// braces, blanks or control characters; end it with a colon.
	Prefix string
	// Timeout bounds one operation, whatever the client's own settings; default 100 ms. One that
	// takes more than half of it counts as a failure to the breaker, even if it succeeds.
	Timeout time.Duration
	// MaxValueBytes is the largest encoded value that is stored, and the largest that is read;
	// larger ones are returned but not stored; default 8 MiB.
	MaxValueBytes int
	// LeaseLife is how long a load keeps its key to itself without a sign of life; default 3 s,
	// renewed each third while a load runs.
	LeaseLife time.Duration
	// HoldLife is how long an invalidation is remembered against warm writes; default 2 min.
	HoldLife time.Duration
	// Secrets, where given, protect the caches from whoever else can write to Redis: records are
	// signed with the first, and one that none of them signed is a miss. To change the secret of a
	// fleet, add the new one behind the old one everywhere, then put it first, then drop the old
	// one. At least 16 random bytes each, at most 8.
	Secrets []Secret
	// TrustSnapshots keeps what a restarted Redis loaded from disk.
	TrustSnapshots bool
	// Logger hears of what happens in the background; default slog.Default().
	Logger *slog.Logger
}

// Health is the state of a Redis as its caches see it.
type Health struct {
	Breaker  BreakerState // of a Cluster's masters, the worst
	Coherent bool         // invalidations of other nodes are heard
	Pending  int          // keys that are yet to be invalidated there, those that closed caches left included
	Epoch    uint64       // grows whenever notices may have been missed
	Missing  string       // commands that the server, or a proxy before it, refuses; without INFO failovers go unnoticed, without others a cache does not work
}

// BreakerState reports whether operations are let through to Redis.
type BreakerState string

// The states of a breaker.
const (
	BreakerClosed   = BreakerState(redisconn.Closed)   // all go through
	BreakerOpen     = BreakerState(redisconn.Open)     // none does
	BreakerHalfOpen = BreakerState(redisconn.HalfOpen) // one does, to see whether Redis is back
)

// Redis is the remote tier that any number of caches share. It is safe for concurrent use.
type Redis struct {
	conn    *redisconn.Conn
	cfg     RedisConfig
	channel *backplane.Channel

	mu     sync.Mutex
	closed bool
	names  map[string]bool             // of the caches
	left   map[string]*journal.Journal // what closed caches had yet to say, by their names
}

// NewRedis wraps one client (single node, Sentinel or Cluster) for any number of caches. It never
// closes the client. It succeeds while Redis is down. It refuses clients that read from replicas,
// which may be behind, or from a cache of their own, and a Ring, whose servers know nothing of each
// other; and a Redis that answers that this user may not do what a cache must.
func NewRedis(client redis.UniversalClient, cfg RedisConfig) (*Redis, error) {
	if client == nil || reflect.ValueOf(client).Kind() == reflect.Pointer && reflect.ValueOf(client).IsNil() {
		return nil, errors.New("tiercache: NewRedis: client is nil")
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(cfg.Prefix) > backplane.MaxNameBytes || !utf8.ValidString(cfg.Prefix) || strings.ContainsFunc(cfg.Prefix, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '{' || r == '}' || r == '\\' }) {
		bad("Prefix %.200q must be at most %d bytes of UTF-8 without blanks, braces, backslashes and control characters", cfg.Prefix, backplane.MaxNameBytes)
	}
	for _, d := range []struct {
		field    string
		value    *time.Duration
		standard time.Duration
	}{
		{"Timeout", &cfg.Timeout, 100 * time.Millisecond},
		{"LeaseLife", &cfg.LeaseLife, 3 * time.Second},
		{"HoldLife", &cfg.HoldLife, 2 * time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.standard
		}
		if *d.value < time.Millisecond || *d.value > 24*time.Hour {
			bad("%s %v must be from 1ms to 24h", d.field, *d.value)
		}
	}
	if cfg.MaxValueBytes == 0 {
		cfg.MaxValueBytes = 8 << 20
	}
	if cfg.MaxValueBytes < 0 || cfg.MaxValueBytes > 512<<20 {
		bad("MaxValueBytes %d must be from 1 to 512 MiB, Redis's own limit", cfg.MaxValueBytes)
	}
	if err := checkSecrets(cfg.Secrets); err != nil {
		errs = append(errs, err)
	}
	if err := redisconn.Usable(client); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("tiercache: NewRedis: %w", err)
	}
	cfg.Logger = usercode.Logger(cfg.Logger)
	if costs := redisconn.Costly(client, cfg.Timeout); len(costs) > 0 {
		cfg.Logger.Warn("tiercache: the options of the Redis client make an outage cost more than it need", slog.Any("options", costs))
	}
	r := &Redis{conn: redisconn.New(client, cfg.Timeout, cfg.Logger), cfg: cfg, names: make(map[string]bool)}
	r.channel = backplane.New(r.conn, cfg.Prefix)
	if err := r.channel.Start(); err != nil {
		return nil, fmt.Errorf("tiercache: NewRedis: %w", err)
	}
	return r, nil
}

// Close ends what the Redis does in the background. Close its caches first; the client stays open.
// Closing twice is nothing.
func (r *Redis) Close() error {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if !closed {
		r.conn.Close()
		r.channel.Close(closeWait)
	}
	return nil
}

// Health reports the state of the breaker and of coherence.
func (r *Redis) Health() Health {
	h := Health{Breaker: BreakerState(r.conn.Masters.State()), Coherent: r.channel.Coherent(), Epoch: r.channel.Epoch.Load(), Missing: r.channel.Missing.All()}
	for _, c := range r.channel.All() {
		h.Pending += c.Pending()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.left {
		h.Pending += l.Waiting()
	}
	return h
}

// Do runs fn with the client, under the deadline of RedisConfig.Timeout and under the breaker. When
// the deadline passes Do returns, even where fn, with a client that ignores contexts, does not: fn
// must not write to what its caller reads after an error.
func (r *Redis) Do(ctx context.Context, fn func(context.Context, redis.UniversalClient) error) error {
	_, err := redisconn.DoApart(ctx, r.conn, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, failure.FromUser(fn(ctx, r.conn.Client))
	})
	return err
}

// DoFor is Do for an operation on one key, or on several of one hash slot: in a Cluster it is under
// the breaker of the master that has them.
func (r *Redis) DoFor(ctx context.Context, key string, fn func(context.Context, redis.UniversalClient) error) error {
	_, err := redisconn.DoFor(ctx, r.conn, key, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, failure.FromUser(fn(ctx, r.conn.Client))
	})
	return err
}

// Prefix is RedisConfig.Prefix, for those who have keys of their own there.
func (r *Redis) Prefix() string { return r.cfg.Prefix }

// register takes a cache's name, which no other cache on this Redis may have.
func (r *Redis) register(name string, c backplane.Subscriber) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	if r.names[name] {
		return errors.New("another cache of that name is on this Redis")
	}
	r.names[name] = true
	r.channel.Register(name, c)
	return nil
}

// bequeath keeps what a cache that is closed has yet to tell Redis, for the next one of its name.
// It reports whether there is anything.
func (r *Redis) bequeath(name string, j *journal.Journal) bool {
	if j.Waiting() == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == nil {
		r.left = make(map[string]*journal.Journal)
	}
	r.left[name] = j
	return true
}

// inherit is what the last cache of the name has left, or a new journal.
func (r *Redis) inherit(name string) *journal.Journal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if j := r.left[name]; j != nil && !r.names[name] {
		delete(r.left, name)
		return j
	}
	return journal.New(name, r.cfg.HoldLife, &r.channel.Progress, r.channel.Next)
}

func (r *Redis) unregister(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.names, name)
	r.channel.Unregister(name)
}
