package tiercache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/warmcache/warmcache/internal/usercode"
	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
	"github.com/warmcache/warmcache/tiercache/internal/roundtrip"
)

// Config describes a cache. The zero value of every field but Name is a working default; a
// memory-only cache needs Name, Load and TTL. It is checked once, in New.
type Config[K comparable, V any] struct {
	// Name is the namespace: the Redis key prefix "name:", the metric label, the log attribute.
	// [A-Za-z0-9_.-]+, at most 128 bytes.
	Name string

	// Load reads one key from the source of truth. It returns ErrNotFound where the source has no
	// such key. It runs detached from the caller that caused it: with the caller's context values,
	// but bounded by LoadTimeout alone (less up to a 64th: loads share timers). What it leaves
	// running has until then too: its context does not end when it returns.
	Load func(ctx context.Context, key K) (V, error)
	// LoadMany reads many keys in one go; a key that is absent from its map is not found. With an
	// error, the map's entries are kept and nothing is concluded about the absent ones. Without
	// LoadMany, GetMany uses Load.
	LoadMany func(ctx context.Context, keys []K) (map[K]V, error)
	// Reload, where given, is called instead of Load when an older value is at hand; ErrNotModified
	// keeps old and renews it. It needs Load or LoadMany beside it.
	Reload func(ctx context.Context, key K, old V) (V, error)

	// TTL is how long a value is fresh, counted from the moment its source read began. Zero: values
	// don't expire (they leave by eviction or invalidation; in Redis they are kept for 30 days).
	TTL time.Duration
	// MemoryTTL is an upper bound on freshness in this process; default none but the value's own
	// TTL. It is not longer than TTL, unless Expiry says that values have longer TTLs of their own.
	MemoryTTL time.Duration
	// DegradedTTL is the same while invalidations of other nodes cannot be heard; default 1 s,
	// negative = bypass memory.
	DegradedTTL time.Duration
	// StaleFor is how long after TTL a value may still be served when the source fails or is slow;
	// 0 = never. It needs TTL or Expiry, as RefreshAt does.
	StaleFor time.Duration
	// NegativeTTL is how long ErrNotFound from the source is remembered; 0 = not at all.
	NegativeTTL time.Duration
	// Jitter shortens each TTL by a random share of up to this much, 0 to 1; nothing is ever
	// lengthened.
	Jitter float64
	// RefreshAt is the share of TTL, 0 to 1, after which a read triggers one background refresh per
	// fleet; 0 = off.
	RefreshAt float64
	// SoftTimeout: a stale value is served if the load takes longer; the load goes on behind. 0 =
	// wait for the load. It needs StaleFor, and is below LoadTimeout.
	SoftTimeout time.Duration
	// LoadTimeout is the hard bound on one load; default 30 s. A loader that outstays it is cut
	// off, and what it returns later goes nowhere.
	LoadTimeout time.Duration

	// Expiry is an optional TTL from the value itself. Zero means TTL. Below zero the value is over
	// already: it is returned, but not stored, and what stood there is ended.
	Expiry func(key K, value V) time.Duration
	// Staleness is an optional StaleFor from the value itself. Zero means StaleFor; below zero the
	// value is never served stale.
	Staleness func(key K, value V) time.Duration
	// Tags are optional tags from the value itself, for InvalidateTags.
	Tags func(key K, value V) []string

	// Capacity bounds memory in entries, or in cost units where Cost is set; default 100,000.
	Capacity int64
	// Cost of an entry in memory, at least 1.
	Cost func(key K, value V) int64

	// Clone, where given, copies a value on its way in and out; without it values are shared and
	// must not be changed by anyone.
	Clone func(V) V
	// Version of V's meaning; a record of another version is a miss, and so is one of a type of
	// another name.
	Version uint32

	// LearnHot is how many of the hottest keys to learn and to share through Redis, at most
	// 100,000; 0 = off. An engine of package warm replays them as the task "hot:NAME". A few
	// hundred are enough to be warm for most reads of a skewed traffic; some 700 bytes of memory
	// each.
	LearnHot int
	// HotHalfLife is how long a read takes to count half in what is hot; at least 1 s, default 10
	// min. All nodes of a fleet must have the same.
	HotHalfLife time.Duration

	// Redis is the shared remote tier; nil = memory only.
	Redis *Redis
	// Codec of values in Redis; default: []byte and string as they are, else JSON. With Redis, New
	// fails for a V of which JSON cannot bring back a part, such as interfaces and funcs, unless
	// Codec is set, if only to JSON. The first value that is encoded is decoded and compared once;
	// a difference is logged.
	Codec Codec[V]
	// Compression of values whose encoding has 2 KiB or more, where it makes them smaller; default
	// S2.
	Compression Compression
	// Keys is the text form of keys; default: strings, integers, encoding.TextMarshaler with
	// TextUnmarshaler on *K, unless the only one of several fields of a struct has them. With
	// Redis, New fails for any other K without one; without, only what needs a text fails (Explain,
	// HotTexts). A call with a key whose text does not lead back to it (a time.Time that is neither
	// UTC nor local, say) fails.
	Keys KeyCodec[K]

	// Logger hears of what happens in the background; default slog.Default().
	Logger *slog.Logger
	// Observer hears of events off the hit path; optional.
	Observer Observer
}

const (
	defaultCapacity    = 100_000
	defaultLoadTimeout = 30 * time.Second
	defaultDegradedTTL = time.Second
)

// withDefaults returns cfg with every zero field filled in, or one error that names every bad
// field.
func (cfg Config[K, V]) withDefaults() (Config[K, V], error) {
	if err := cfg.check(); err != nil {
		return cfg, fmt.Errorf("tiercache: cache %q: %w", cfg.Name, err)
	}
	if cfg.TTL == 0 {
		cfg.TTL = redisconn.Forever
	}
	if cfg.MemoryTTL == 0 {
		cfg.MemoryTTL = record.MaxLife
	}
	if cfg.LoadTimeout == 0 {
		cfg.LoadTimeout = defaultLoadTimeout
	}
	if cfg.DegradedTTL == 0 {
		cfg.DegradedTTL = defaultDegradedTTL
	}
	if cfg.Capacity == 0 {
		cfg.Capacity = defaultCapacity
	}
	if cfg.HotHalfLife == 0 {
		cfg.HotHalfLife = defaultHotHalf
	}
	cfg.Logger = usercode.Logger(cfg.Logger)
	if cfg.Keys == nil {
		var err error
		if cfg.Keys, err = defaultKeys[K](); err != nil { // check has seen that none is needed
			cfg.Keys = noKeys[K]{err}
		}
	}
	if cfg.Codec == nil {
		cfg.Codec = defaultCodec[V]()
	}
	return cfg, nil
}

func (cfg Config[K, V]) check() error { //nolint:gocognit // a list of checks
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if cfg.Name == "" || len(cfg.Name) > backplane.MaxNameBytes || strings.ContainsFunc(cfg.Name, func(r rune) bool { return !isNameRune(r) }) {
		bad("Name %q must be 1 to %d of A-Z a-z 0-9 _ . -", cfg.Name, backplane.MaxNameBytes)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"TTL", cfg.TTL},
		{"DegradedTTL", max(0, cfg.DegradedTTL)}, // negative is bypass
		{"MemoryTTL", cfg.MemoryTTL},
		{"StaleFor", cfg.StaleFor},
		{"NegativeTTL", cfg.NegativeTTL},
		{"SoftTimeout", cfg.SoftTimeout},
		{"LoadTimeout", cfg.LoadTimeout},
	} {
		if d.value < 0 {
			bad("%s %v is negative", d.field, d.value)
		}
		if d.value > record.MaxLife {
			bad("%s %v is longer than %v", d.field, d.value, record.MaxLife)
		}
	}
	if !(cfg.Jitter >= 0 && cfg.Jitter < 1) {
		bad("Jitter %v must be at least 0 and below 1", cfg.Jitter)
	}
	if !(cfg.RefreshAt >= 0 && cfg.RefreshAt < 1) {
		bad("RefreshAt %v must be at least 0 and below 1", cfg.RefreshAt)
	}
	if cfg.Capacity < 0 {
		bad("Capacity %d is negative", cfg.Capacity)
	}
	if cfg.Keys == nil && cfg.Redis != nil {
		if _, err := defaultKeys[K](); err != nil {
			errs = append(errs, err)
		}
	}
	if cfg.Codec == nil && cfg.Redis != nil && isJSON(defaultCodec[V]()) {
		errs = append(errs, roundtrip.Check(reflect.TypeFor[V]()))
	}
	if cfg.Codec != nil && !validCodecName(cfg.Codec.Name()) {
		bad("Codec's name %.20q must be 1 to %d of a-z 0-9 -", cfg.Codec.Name(), codecBytes)
	}
	if cfg.Compression > Uncompressed {
		bad("Compression %d must be S2, Zstd or Uncompressed", cfg.Compression)
	}
	if cfg.LearnHot < 0 || cfg.LearnHot > mostHot {
		bad("LearnHot %d must be from 0 to %d", cfg.LearnHot, mostHot)
	}
	if cfg.HotHalfLife != 0 && (cfg.HotHalfLife < shortestHotHalf || cfg.HotHalfLife > record.MaxLife) {
		bad("HotHalfLife %v must be from %v to %v", cfg.HotHalfLife, shortestHotHalf, record.MaxLife)
	}
	return errors.Join(append(errs, cfg.contradictions())...)
}
