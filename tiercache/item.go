package tiercache

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// newItem is a version of a value whose source read began at read. It takes the value over. A ttl
// of zero is Expiry's, or the cache's; with one below zero it is dead: nothing stores it.
func (c *values[K, V]) newItem(key K, value V, read int64, ttl time.Duration) *memory.Item[V] {
	if ttl == 0 && c.cfg.Expiry != nil {
		ttl = c.cfg.Expiry(key, value)
	}
	if ttl == 0 {
		ttl = c.cfg.TTL
	}
	tags := c.tagsOf(key, value, nil)
	if slices.Contains(tags, "") {
		c.log.Error("Tags returned an empty tag: the value is not stored", slog.Any("key", key), slog.Any("error", errEmptyTag))
		c.counters.Add(c.memory.Hash(key), stat.Refused, 1)
		ttl = -1 // it has no life
	}
	ttl = max(c.jitter(min(ttl, record.MaxLife)), -1)
	it := &memory.Item[V]{Value: value, ID: rand.Uint64(), Read: read, TTL: int64(ttl), Tags: memory.TaggedBy(tags)}
	now := c.memory.Clock.Now()
	it.Filled = now
	it.Fresh = min(read+int64(ttl), now+int64(c.cfg.MemoryTTL))
	it.Dead = it.Fresh
	if ttl >= 0 {
		it.Late = int64(c.staleFor(key, value))
	}
	if it.Late > 0 {
		it.Dead = read + int64(ttl) + it.Late
	}
	if c.cfg.RefreshAt > 0 {
		it.Due.Store(read + int64(float64(ttl)*c.cfg.RefreshAt))
	}
	return it
}

// newAbsence remembers that the source had no such key. It is dead at once without NegativeTTL.
func (c *values[K, V]) newAbsence(read int64) *memory.Item[V] {
	ttl := int64(c.jitter(c.cfg.NegativeTTL))
	now := c.memory.Clock.Now()
	until := min(read+ttl, now+int64(c.cfg.MemoryTTL))
	return &memory.Item[V]{Absent: true, ID: rand.Uint64(), Read: read, TTL: ttl, Fresh: until, Dead: until, Filled: now}
}

func (c *values[K, V]) jitter(ttl time.Duration) time.Duration {
	if c.cfg.Jitter == 0 {
		return ttl
	}
	return ttl - time.Duration(rand.Float64()*c.cfg.Jitter*float64(ttl)) //nolint:gosec // spread, not secrecy
}

// fromRecord is the item that a record holds, nil where there is none or where it cannot be read.
// now is a moment before the look-up, and seen the sight behind which it was done.
func (c *values[K, V]) fromRecord(got *redistier.Found, now int64, seen memory.Snapshot) *memory.Item[V] {
	it, bad := c.interpret(got, now, seen)
	if bad != nil {
		c.noteCorrupt(bad)
	}
	return it
}

func (c *values[K, V]) noteCorrupt(bad *record.CorruptError) {
	const _ = uint(stat.NumCorrupt - record.NumCauses) // each cause has a counter
	c.counters.Unreadable(uint8(bad.Cause))
	c.observe(Event{Kind: EventCorrupt, Keys: 1, Err: bad})
}

// interpret is fromRecord that counts nothing, and says why a record cannot be read.
func (c *values[K, V]) interpret(got *redistier.Found, now int64, seen memory.Snapshot) (*memory.Item[V], *record.CorruptError) {
	rec := &got.Record
	var value V
	switch {
	case got.Corrupt != nil:
		return nil, got.Corrupt
	case !got.Ok:
		return nil, nil
	case rec.Kind == record.KindValue && rec.Codec != c.format.Codec:
		return nil, &record.CorruptError{Cause: record.CauseCodec, Detail: fmt.Sprintf("codec %q, not %q", strings.TrimSpace(rec.Codec), strings.TrimSpace(c.format.Codec))}
	case rec.Version != c.version:
		return nil, &record.CorruptError{Cause: record.CauseVersion, Detail: fmt.Sprintf("of another Config.Version than %d, or of another type than %v", c.cfg.Version, reflect.TypeFor[V]())}
	case rec.Kind == record.KindValue:
		var bad *record.CorruptError
		if value, bad = c.decode(rec); bad != nil {
			return nil, bad
		}
	}
	it := &memory.Item[V]{Value: value, Absent: rec.Kind == record.KindAbsent, ID: rec.ID, Read: now - int64(got.Age()), TTL: int64(rec.Fresh)}
	it.Tags = memory.TaggedBy(got.Tags())
	it.Stamp(seen)
	it.Filled = now
	it.Fresh = now + int64(min(got.Fresh(), c.cfg.MemoryTTL))
	it.Dead = it.Fresh
	if it.Late = c.lateOf(rec); it.Late > 0 {
		it.Dead = now + int64(min(got.Left, got.Fresh()+time.Duration(it.Late)))
	}
	if c.cfg.RefreshAt > 0 && !it.Absent {
		it.Due.Store(it.Read + int64(float64(it.TTL)*c.cfg.RefreshAt))
	}
	return it, nil
}

// knownAs keeps in it what is known of an item that was validated: it is no younger than this
// process knew, and no fresher.
func knownAs[V any](it, old *memory.Item[V]) {
	if it.Read = min(it.Read, old.Read); old.Read-it.Read < int64(backplane.ClockTolerance) {
		it.Read = old.Read // Redis's answer is rounded
	}
	over := it.Read + it.TTL
	it.Fresh, it.Dead = min(it.Fresh, over), min(it.Dead, over+it.Late)
	it.Warmed = old.Warmed
	it.Useful.Store(old.Useful.Load())
}

func (c *values[K, V]) decode(rec *record.Record) (value V, bad *record.CorruptError) {
	payload, err := c.format.Payload(rec)
	if err != nil {
		return value, record.Unreadable(err)
	}
	if value, err = c.decodePayload(payload); err != nil {
		return value, &record.CorruptError{Cause: record.CauseDecode, Detail: err.Error()}
	}
	return value, nil
}

func (c *values[K, V]) decodePayload(payload []byte) (value V, err error) {
	defer c.recovered(&err)
	value, err = c.cfg.Codec.Decode(payload)
	return value, failure.FromUser(err)
}

// encode is the item as a record on its way to Redis. What cannot be stored there is a write of no
// life, which deletes what stands there: it is out of date.
func (c *values[K, V]) encode(text string, it *memory.Item[V], tokens string) redistier.Write {
	return c.encodeInto(nil, text, it, tokens)
}

// encodeInto is encode that appends the record to dst, where there is one.
func (c *values[K, V]) encodeInto(dst []byte, text string, it *memory.Item[V], tokens string) redistier.Write {
	rec := record.Record{
		Kind: record.KindValue, Codec: c.format.Codec, ID: it.ID, Version: c.version, Tokens: tokens, Key: text,
		Fresh: time.Duration(it.TTL), Stale: time.Duration(it.Late), Age: time.Duration(c.memory.Clock.Now() - it.Read),
	}
	if it.Absent {
		rec.Kind, rec.Stale = record.KindAbsent, 0
	}
	w := redistier.Write{Text: text, ID: it.ID, Read: it.Read, Age: rec.Age, Life: rec.Life(), Encoded: time.Now()}
	if w.Life < time.Millisecond || it.TTL < 0 {
		w.Life = 0
		return w
	}
	data, err := c.format.Make(dst, &rec, func(dst []byte) ([]byte, error) {
		data, err := c.cfg.Codec.Encode(dst, it.Value)
		if err == nil && len(data) >= len(dst) {
			c.compareFirst(it.Value, data[len(dst):])
		}
		return data, failure.FromUser(err)
	})
	switch {
	case errors.Is(err, record.ErrTooLarge):
		w.Life, w.Err = 0, err
		c.counters.Add(it.ID, stat.Oversized, 1)
	case err != nil:
		w.Life, w.Err = 0, fmt.Errorf("codec %s: %w", strings.TrimSpace(c.format.Codec), err)
	default:
		w.Record = data
	}
	if w.Err != nil {
		c.log.Warn("value is not stored in Redis", slog.String("key", text), slog.Any("error", w.Err))
	}
	return w
}

// clone is what goes in and out: the value itself, or a copy where the cache was told how to make
// one.
func (c *values[K, V]) clone(value V) V {
	if c.cfg.Clone == nil {
		return value
	}
	return c.cfg.Clone(value)
}

// cost of a value in memory. Where Cost panics the value is too dear to keep.
func (c *values[K, V]) cost(key K, it *memory.Item[V]) (cost int64) {
	if c.cfg.Cost == nil || it.Absent {
		return 1
	}
	defer func() {
		if v := recover(); v != nil {
			c.log.Error("Cost panicked: the value is not kept in memory", slog.Any("panic", v))
			cost = math.MaxInt64
		}
	}()
	return max(1, c.cfg.Cost(key, it.Value))
}
