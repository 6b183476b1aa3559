package tiercache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/clock"
	"github.com/warmcache/warmcache/tiercache/internal/deadline"
	"github.com/warmcache/warmcache/tiercache/internal/journal"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// Cache answers from this process's memory, from Redis where it has one, and else from the source.
// It is safe for concurrent use.
type Cache[K comparable, V any] struct{ warmup[K, V] }

// A cache is five structs, each in the next one, so that a method can use its own and those before:
// what a key and a value are, what both tiers hold of them, which keys are hot, how they are
// loaded, and how they are warmed. They are embedded by value: a hit follows no pointer for it.

// values makes items of values, and texts and records of both, and back.
type values[K comparable, V any] struct {
	name     string
	cfg      Config[K, V]
	format   record.Format
	version  uint32      // as it stands in records: Config.Version, and the name of V
	compared atomic.Bool // a value was compared with what comes back of it
	lossless bool        // every text form is known to lead back to its key
	oddKeys  bool        // K has interfaces in it, and what those hold may have no hash
	log      *slog.Logger
	memory   *memory.Tier[K, V]
	counters stat.Counters
	watcher  watcher
}

// store is both tiers and what ends entries in them: writes, and what is heard of other nodes'.
type store[K comparable, V any] struct {
	values[K, V]

	redis  *Redis          // nil: memory only
	remote *redistier.Tier // nil: memory only

	epoch     atomic.Uint64 // entries of an earlier one must be validated; from 1
	began     func()        // is called when one has begun, without locks held
	keepAt    atomic.Int64  // when Redis is told next that tokens are in use
	floor     atomic.Uint64 // entries of this one and before were ended by Clear
	tokens    tokens
	journal   *journal.Journal // nil: memory only
	replaying atomic.Bool
	oddNotice atomic.Int64 // when a notice about an unreadable key was last logged

	unconfirmedMu sync.Mutex
	unconfirmed   []unconfirmed

	closed  atomic.Bool
	stopped context.Context //nolint:containedctx // ends with the cache: what it does in the background is bounded by it
	stop    context.CancelFunc
	tasks   tasks
}

// hotKeys learns which keys are hot.
type hotKeys[K comparable, V any] struct {
	store[K, V]

	hot *hot[K] // nil: LearnHot is 0
}

// loads asks Redis and the source for what memory does not have.
type loads[K comparable, V any] struct {
	hotKeys[K, V]

	sourced bool // Config has a loader
	endless bool // Config.TTL is not set

	flights   flights[K, V]
	renewals  renewals
	forecast  forecast
	backOffs  backOffs
	loadTimes deadline.Shared // of loaders
}

// warmup fills both tiers by loaders, and memory from Redis.
type warmup[K comparable, V any] struct {
	loads[K, V]

	loadersMu    sync.Mutex
	loaders      []*loaderState[K, V]
	tallies      stat.Tallies
	revalidating atomic.Int32 // how often it was asked for since it last found nothing to do
}

// closeWait is how long Close waits for loads that do not heed their context.
const closeWait = 3 * time.Second

// New returns a cache with the tiers that cfg names: memory always, Redis where cfg.Redis is set.
// The caller closes it, before its Redis. The error names every bad field.
func New[K comparable, V any](cfg Config[K, V]) (*Cache[K, V], error) {
	endless := cfg.TTL == 0
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := new(Cache[K, V])
	c.name, c.cfg, c.redis, c.endless = cfg.Name, cfg, cfg.Redis, endless
	c.log = cfg.Logger.With(slog.String("cache", cfg.Name))
	c.began = c.revalidate
	c.sourced = cfg.Load != nil || cfg.LoadMany != nil || cfg.Reload != nil
	c.oddKeys = hasInterface(reflect.TypeFor[K]())
	c.format.Codec = fmt.Sprintf("%-8s", cfg.Codec.Name())
	c.version = cfg.Version ^ typePrint(cfg.Codec)
	c.watcher.observer, c.watcher.cache, c.watcher.log = cfg.Observer, c.name, c.log
	c.lossless = isLossless(cfg.Keys)
	c.epoch.Store(1)
	started := clock.Since(time.Now())
	if c.redis != nil {
		started = c.redis.channel.Clock
		c.remote = redistier.New(redistier.Config{
			Conn: c.redis.conn, Channel: c.redis.channel, Timeout: c.redis.cfg.Timeout, LeaseLife: c.redis.cfg.LeaseLife, HoldLife: c.redis.cfg.HoldLife,
			Prefix: c.redis.cfg.Prefix + c.name + ":", Format: &c.format,
		})
		c.format.Limit, c.format.Compression = c.redis.cfg.MaxValueBytes, record.Compression(cfg.Compression)
		c.format.Signer = record.NewSigner(secretBytes(c.redis.cfg.Secrets), c.remote.Keys.Prefix)
		c.journal = c.redis.inherit(c.name)
	}
	memoryConfig := memory.Config[K, V]{Capacity: cfg.Capacity, Weighed: cfg.Cost != nil, Clock: started, Counters: &c.counters, Ended: c.ended}
	if cfg.Observer != nil { // keys are collected only where somebody listens
		memoryConfig.OnLeave = c.observeLeft
	}
	c.memory = memory.New(memoryConfig)
	c.stopped, c.stop = context.WithCancel(context.Background()) //nolint:forbidigo // the cache's own lifetime has no other parent
	c.loadTimes.Parent, c.loadTimes.Bound, c.loadTimes.Share = c.stopped, cfg.LoadTimeout, cfg.LoadTimeout/64
	if c.redis != nil {
		if err := c.redis.register(c.name, subscriber[K, V]{&c.store}); err != nil {
			c.stop()
			c.memory.Close()
			c.redis.bequeath(c.name, c.journal)
			return nil, fmt.Errorf("tiercache: cache %q: %w", c.name, err)
		}
	}
	stat.InProcess.Open(&c.counters)
	c.startHot()
	return c, nil
}

// Name is the cache's namespace.
func (c *Cache[K, V]) Name() string { return c.name }

// Resize changes Config.Capacity at run time: entries, or cost units where Cost is set. Where it
// shrinks, what has to leave has left when Resize returns, and is counted and told as evicted for
// want of room; the least is one entry in each of at most 64 shards, of which there is one for
// every 2,048 of the first capacity. Ristretto's frequency counters keep the size they were made
// with, so a cache that grows to many times its first capacity had better be made anew. It is safe
// beside everything else. The error says that capacity is not positive, or is ErrClosed.
func (c *Cache[K, V]) Resize(capacity int64) error {
	if capacity <= 0 {
		return fmt.Errorf("tiercache: cache %q: Capacity %d is not positive", c.name, capacity)
	}
	if c.closed.Load() {
		return ErrClosed
	}
	c.memory.Resize(capacity)
	return nil
}

// Close ends running loads, waits for them as far as they heed their context, and for the Observer,
// but at most 3 s, and releases the memory. What waits for a load gets ErrClosed, as every later
// call does. It does not close the Redis. Closing twice is nothing.
func (c *Cache[K, V]) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return nil
	}
	stat.InProcess.Close(&c.counters)
	c.stop()
	began := time.Now()
	c.tasks.close(closeWait)
	c.memory.Close()
	c.watcher.close(closeWait - time.Since(began))
	if c.redis == nil {
		return nil
	}
	pends := c.redis.bequeath(c.name, c.journal)
	c.redis.unregister(c.name)
	if pends {
		c.log.Warn("tiercache: closed with invalidations of which Redis has yet to hear: the next cache of that name on this Redis value says them; "+
			"until then others may serve what was invalidated, until its time is over", slog.Int("pending", c.pending()))
	}
	return nil
}

// untilClose is ctx, ended by Close too.
func (c *store[K, V]) untilClose(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.stopped, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// redisFailed counts an operation on Redis that failed for want of Redis.
func (c *store[K, V]) redisFailed(err error, keys int) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	c.counters.Add(0, stat.RedisErrors, 1)
	c.observe(Event{Kind: EventRedis, Keys: keys, Err: err})
}

// observeLeft tells the observer which entries left memory.
func (c *store[K, V]) observeLeft(why memory.Reason, keys []K) {
	kind := EventEvict
	if why == memory.Expired {
		kind = EventExpire
	}
	left := make([]any, len(keys))
	for i, key := range keys {
		left[i] = key
	}
	c.observe(Event{Kind: kind, Keys: len(keys), Left: left})
}

// observe tells the observer.
func (c *values[K, V]) observe(e Event) { c.watcher.tell(e) }

// loadError is what callers see of a loader's error.
func (c *values[K, V]) loadError(key K, err error) error {
	if errors.Is(err, ErrClosed) {
		return ErrClosed
	}
	return fmt.Errorf("tiercache: cache %q: load %q: %w", c.name, fmt.Sprint(key), err)
}

// texts is the text forms of the flights' keys. It is not to be changed.
func texts[K comparable, V any](fls []*flight[K, V]) []string {
	if len(fls) == 1 {
		return fls[0].texts[:]
	}
	all := make([]string, len(fls))
	for i, f := range fls {
		all[i] = f.text
	}
	return all
}
