package tiercache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// Loader is a warmup loader: it streams the entries that are worth having before anyone asks for
// them.
type Loader[K comparable, V any] struct {
	// Name is unique in its cache, and in an engine over all caches: [A-Za-z0-9_.:-]+.
	Name string
	// Load reads the source and hands each entry to emit, which blocks while the tiers catch up, is
	// safe for concurrent use, and returns an error once the run is cancelled, over MaxItems or
	// over: Load should return then. Of a key that is emitted twice the last value counts.
	Load func(ctx context.Context, emit func(key K, value V) error) error
	// TTL of the entries, counted from the start of Load. Zero is the cache's: Config.Expiry's
	// answer, or Config.TTL.
	TTL time.Duration
	// Priority orders loaders, higher first, in time and in room.
	Priority int
	// After names loaders that must have run before this one.
	After []string
	// Required loaders hold the readiness gate of an engine.
	Required bool
	// Timeout bounds one run; zero leaves it to the caller (an engine has a default).
	Timeout time.Duration
	// MaxItems bounds the distinct keys of one run; emit refuses more. Zero is no bound.
	MaxItems int
	// RefreshAt is the share of TTL after which an engine runs the loader again, 0 to 1; 0 leaves
	// it to the schedule.
	RefreshAt float64
}

// LoaderInfo describes a registered loader.
type LoaderInfo struct {
	Name      string
	TTL       time.Duration // as it applies: the cache's where the loader has none
	Priority  int
	After     []string
	Required  bool
	Timeout   time.Duration
	MaxItems  int
	RefreshAt float64

	// EveryNode marks what every node must run for itself, as it is about this process's memory and
	// asks the source for next to nothing: the replay of learned hot keys, "hot:NAME". Its entries
	// keep their own TTLs; TTL is 0.
	EveryNode bool

	// Format says which records of Redis this cache can read: those of its Version and its Codec.
	// Nodes share what they warm where it is the same. It is empty without Redis.
	Format string

	// Useful counts the warmed entries that were read from memory at least once since they were
	// warmed. It only grows, so that an engine can tell a loader whose entries nobody reads. It is
	// Value.Useful.
	Useful uint64
	Value  WarmStats
}

// WarmResult is what one run of one loader did. The counts are of distinct keys, except Emitted.
type WarmResult struct {
	Loader       string
	Emitted      int // calls of emit that were taken
	Memory       int // readable in memory when the run ended
	Redis        int // stored in Redis
	SkippedFresh int // already there and younger than the loader's would be
	SkippedRoom  int // in Redis only: no room in memory
	Refused      int // invalidated while the loader ran
	Failed       int // could not be stored anywhere: encoding, size, Redis
	Duration     time.Duration
	Err          error

	// TakenBack counts what the run wrote to Redis and ended there again before it was over, as it
	// is not known whether an invalidation has overtaken it, or as this process may no longer
	// write. What becomes known later is told to WarmOptions.TakenBack.
	TakenBack int
}

// Cached is the number of keys that the run left readable in at least one tier, whoever put them
// there.
func (r WarmResult) Cached() int { return max(r.Memory, r.Redis+r.SkippedFresh) }

// loaderState is a registered loader with what is counted over its runs.
type loaderState[K comparable, V any] struct {
	Loader[K, V]
	hot   bool          // it is the replay of hot keys, and has no Load
	own   time.Duration // its TTL where it has one of its own: that goes before Config.Expiry
	tally *stat.Tally
}

// RegisterLoader adds a warmup loader. It fails on a bad field, and on a name the cache has
// already. A loader may name loaders in After that are registered later, or in another cache of the
// same engine.
func (c *Cache[K, V]) RegisterLoader(l Loader[K, V]) error {
	if err := c.checkLoader(l); err != nil {
		return fmt.Errorf("tiercache: cache %q: register loader %q: %w", c.name, l.Name, err)
	}
	c.loadersMu.Lock()
	defer c.loadersMu.Unlock()
	if c.closed.Load() {
		return ErrClosed
	}
	for _, have := range c.loaders {
		if have.Name == l.Name {
			return fmt.Errorf("tiercache: cache %q: register loader %q: the cache has a loader of that name already", c.name, l.Name)
		}
	}
	own := l.TTL
	if own == 0 {
		l.TTL = c.cfg.TTL
	}
	l.After = slices.Clone(l.After)
	c.loaders = append(c.loaders, &loaderState[K, V]{Loader: l, own: own, tally: c.tallies.Of(l.Name)})
	return nil
}

func (c *warmup[K, V]) checkLoader(l Loader[K, V]) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !validLoaderName(l.Name) {
		bad("Name %q must be one or more of A-Z a-z 0-9 _ . : -", l.Name)
	}
	if l.Load == nil {
		bad("Load is nil")
	}
	if l.TTL < 0 || l.TTL > record.MaxLife {
		bad("TTL %v must be from 0 to %v", l.TTL, record.MaxLife)
	}
	if l.Timeout < 0 {
		bad("Timeout %v is negative", l.Timeout)
	}
	if c.redis != nil && l.Timeout > c.redis.cfg.HoldLife {
		bad("Timeout %v is longer than RedisConfig.HoldLife (%v), for which invalidations are remembered against warm writes", l.Timeout, c.redis.cfg.HoldLife)
	}
	if l.MaxItems < 0 {
		bad("MaxItems %d is negative", l.MaxItems)
	}
	if !(l.RefreshAt >= 0 && l.RefreshAt < 1) {
		bad("RefreshAt %v must be at least 0 and below 1", l.RefreshAt)
	}
	if l.RefreshAt > 0 && l.TTL == 0 && c.endless {
		bad("RefreshAt %v is a share of TTL, and neither the loader nor its cache has one: set TTL", l.RefreshAt)
	}
	if slices.Contains(l.After, l.Name) {
		bad("After names the loader itself")
	}
	return errors.Join(errs...)
}

// Loaders lists the registered loaders in the order of their registration.
func (c *Cache[K, V]) Loaders() []LoaderInfo {
	c.loadersMu.Lock()
	defer c.loadersMu.Unlock()
	infos := make([]LoaderInfo, len(c.loaders))
	for i, l := range c.loaders {
		value := WarmStats(l.tally.Snapshot())
		infos[i] = LoaderInfo{
			Name: l.Name, TTL: l.TTL, Priority: l.Priority, After: slices.Clone(l.After), Required: l.Required,
			Timeout: l.Timeout, MaxItems: l.MaxItems, RefreshAt: l.RefreshAt, EveryNode: l.hot, Format: c.recordFormat(), Useful: value.Useful, Value: value,
		}
	}
	return infos
}

// recordFormat is LoaderInfo.Format.
func (c *warmup[K, V]) recordFormat() string {
	if c.remote == nil {
		return ""
	}
	format := fmt.Sprintf("%d/%s", c.cfg.Version, strings.TrimSpace(c.format.Codec))
	if name := typePrint(c.cfg.Codec); name != 0 {
		format += fmt.Sprintf("/%08x", name)
	}
	return format
}

// loader finds a registered loader by name, nil where there is none.
func (c *warmup[K, V]) loader(name string) *loaderState[K, V] {
	c.loadersMu.Lock()
	defer c.loadersMu.Unlock()
	for _, l := range c.loaders {
		if l.Name == name {
			return l
		}
	}
	return nil
}

func validLoaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !isNameRune(r) && r != ':' })
}

// isNameRune reports whether r may stand in the name of a cache: [A-Za-z0-9_.-].
func isNameRune(r rune) bool {
	return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-'
}
