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
	"sync/atomic"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// item is one version of a key's value. It never changes once it is in a slot, save for the marks
// of reading.
//
// The order of the fields is what a hit costs once the entries don't fit into the processor's
// cache: what every hit looks at comes first, in one cache line where the value is a word or two.
type item[V any] struct {
	value  V
	fresh  int64        // not fresh from here on, be it for MemoryTTL's sake
	epoch  uint64       // the cache's, before it was looked for
	due    atomic.Int64 // above 0: a read from then on triggers a background refresh; below 0: see backOff
	absent bool         // the source said ErrNotFound
	useful atomic.Bool  // it has been counted at warmed, as read or as gone unread
	tags   *tagged      // nil: it has none

	warmed *stat.Tally // of the task whose run brought this; else nil
	filled int64       // when Redis was asked for it, or the source had said it: trust counts from there
	dead   int64       // not even stale from here on

	id   uint64 // of the record, the same in both tiers
	read int64  // when the source read began, on the memory's clock
	ttl  int64  // how long it is fresh by its own right, from then on
	late int64  // how long it may be served stale after that
	rank uint32 // among what its warm-up brought, from 0: the lower, the more it is wanted
}

// tagged is the tags of an item.
type tagged struct {
	names []string      // canonical
	count atomic.Uint64 // of ends of tags: none of these was ended up to then since the item was looked for
}

func taggedBy(names []string) *tagged {
	if len(names) == 0 {
		return nil
	}
	return &tagged{names: names}
}

// tagNames is the item's tags.
func (it *item[V]) tagNames() []string {
	if it.tags == nil {
		return nil
	}
	return it.tags.names
}

// backOff keeps everybody from trying to replace the item until then: a load of it has just failed.
func (it *item[V]) backOff(until int64) { it.due.Store(-until) }

// backedOff is until when nobody tries to replace the item; 0: somebody may.
func (it *item[V]) backedOff() int64 { return max(0, -it.due.Load()) }

// newItem is a version of a value whose source read began at read. It takes the value over. A ttl
// of zero is Expiry's, or the cache's; with one below zero it is dead: nothing stores it.
func (c *Cache[K, V]) newItem(key K, value V, read int64, ttl time.Duration) *item[V] {
	if ttl == 0 && c.cfg.Expiry != nil {
		ttl = c.cfg.Expiry(key, value)
	}
	if ttl == 0 {
		ttl = c.cfg.TTL
	}
	tags := c.tagsOf(key, value, nil)
	if slices.Contains(tags, "") {
		c.log.Error("Tags returned an empty tag: the value is not stored", slog.Any("key", key), slog.Any("error", errEmptyTag))
		c.counters.Add(c.memory.hash(key), stat.Refused, 1)
		ttl = -1 // it has no life
	}
	ttl = max(c.jitter(min(ttl, record.MaxLife)), -1)
	it := &item[V]{value: value, id: rand.Uint64(), read: read, ttl: int64(ttl), tags: taggedBy(tags)}
	now := c.memory.clock.Now()
	it.filled = now
	it.fresh = min(read+int64(ttl), now+int64(c.cfg.MemoryTTL))
	it.dead = it.fresh
	if ttl >= 0 {
		it.late = int64(c.staleFor(key, value))
	}
	if it.late > 0 {
		it.dead = read + int64(ttl) + it.late
	}
	if c.cfg.RefreshAt > 0 {
		it.due.Store(read + int64(float64(ttl)*c.cfg.RefreshAt))
	}
	return it
}

// newAbsence remembers that the source had no such key. It is dead at once without NegativeTTL.
func (c *Cache[K, V]) newAbsence(read int64) *item[V] {
	ttl := int64(c.jitter(c.cfg.NegativeTTL))
	now := c.memory.clock.Now()
	until := min(read+ttl, now+int64(c.cfg.MemoryTTL))
	return &item[V]{absent: true, id: rand.Uint64(), read: read, ttl: ttl, fresh: until, dead: until, filled: now}
}

func (c *Cache[K, V]) jitter(ttl time.Duration) time.Duration {
	if c.cfg.Jitter == 0 {
		return ttl
	}
	return ttl - time.Duration(rand.Float64()*c.cfg.Jitter*float64(ttl)) //nolint:gosec // spread, not secrecy
}

// fromRecord is the item that a record holds, nil where there is none or where it cannot be read.
// now is a moment before the look-up, and seen the sight behind which it was done.
func (c *Cache[K, V]) fromRecord(got *found, now int64, seen sight) *item[V] {
	it, bad := c.interpret(got, now, seen)
	if bad != nil {
		c.noteCorrupt(bad)
	}
	return it
}

func (c *Cache[K, V]) noteCorrupt(bad *record.CorruptError) {
	const _ = uint(stat.NumCorrupt - record.NumCauses) // each cause has a counter
	c.counters.Unreadable(uint8(bad.Cause))
	c.observe(Event{Kind: EventCorrupt, Keys: 1, Err: bad})
}

// interpret is fromRecord that counts nothing, and says why a record cannot be read.
func (c *Cache[K, V]) interpret(got *found, now int64, seen sight) (*item[V], *record.CorruptError) {
	rec := &got.record
	var value V
	switch {
	case got.corrupt != nil:
		return nil, got.corrupt
	case !got.ok:
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
	it := &item[V]{value: value, absent: rec.Kind == record.KindAbsent, id: rec.ID, read: now - int64(got.age()), ttl: int64(rec.Fresh)}
	it.tags = taggedBy(got.tags())
	it.stamp(seen)
	it.filled = now
	it.fresh = now + int64(min(got.fresh(), c.cfg.MemoryTTL))
	it.dead = it.fresh
	if it.late = c.lateOf(rec); it.late > 0 {
		it.dead = now + int64(min(got.left, got.fresh()+time.Duration(it.late)))
	}
	if c.cfg.RefreshAt > 0 && !it.absent {
		it.due.Store(it.read + int64(float64(it.ttl)*c.cfg.RefreshAt))
	}
	return it, nil
}

// knownAs keeps what is known of an item that was validated: it is no younger than this process
// knew, and no fresher.
func (it *item[V]) knownAs(old *item[V]) {
	if it.read = min(it.read, old.read); old.read-it.read < int64(backplane.ClockTolerance) {
		it.read = old.read // Redis's answer is rounded
	}
	over := it.read + it.ttl
	it.fresh, it.dead = min(it.fresh, over), min(it.dead, over+it.late)
	it.warmed = old.warmed
	it.useful.Store(old.useful.Load())
}

func (c *Cache[K, V]) decode(rec *record.Record) (value V, bad *record.CorruptError) {
	payload, err := c.format.Payload(rec)
	if err != nil {
		return value, record.Unreadable(err)
	}
	if value, err = c.decodePayload(payload); err != nil {
		return value, &record.CorruptError{Cause: record.CauseDecode, Detail: err.Error()}
	}
	return value, nil
}

func (c *Cache[K, V]) decodePayload(payload []byte) (value V, err error) {
	defer c.recovered(&err)
	value, err = c.cfg.Codec.Decode(payload)
	return value, failure.FromUser(err)
}

// encode is the item as a record on its way to Redis. What cannot be stored there is a write of no
// life, which deletes what stands there: it is out of date.
func (c *Cache[K, V]) encode(text string, it *item[V], tokens string) write {
	return c.encodeInto(nil, text, it, tokens)
}

// encodeInto is encode that appends the record to dst, where there is one.
func (c *Cache[K, V]) encodeInto(dst []byte, text string, it *item[V], tokens string) write {
	rec := record.Record{
		Kind: record.KindValue, Codec: c.format.Codec, ID: it.id, Version: c.version, Tokens: tokens, Key: text,
		Fresh: time.Duration(it.ttl), Stale: time.Duration(it.late), Age: time.Duration(c.memory.clock.Now() - it.read),
	}
	if it.absent {
		rec.Kind, rec.Stale = record.KindAbsent, 0
	}
	w := write{text: text, id: it.id, read: it.read, age: rec.Age, life: rec.Life(), encoded: time.Now()}
	if w.life < time.Millisecond || it.ttl < 0 {
		w.life = 0
		return w
	}
	data, err := c.format.Make(dst, &rec, func(dst []byte) ([]byte, error) {
		data, err := c.cfg.Codec.Encode(dst, it.value)
		if err == nil && len(data) >= len(dst) {
			c.compareFirst(it.value, data[len(dst):])
		}
		return data, failure.FromUser(err)
	})
	switch {
	case errors.Is(err, record.ErrTooLarge):
		w.life, w.err = 0, err
		c.counters.Add(it.id, stat.Oversized, 1)
	case err != nil:
		w.life, w.err = 0, fmt.Errorf("codec %s: %w", strings.TrimSpace(c.format.Codec), err)
	default:
		w.record = data
	}
	if w.err != nil {
		c.log.Warn("value is not stored in Redis", slog.String("key", text), slog.Any("error", w.err))
	}
	return w
}

// clone is what goes in and out: the value itself, or a copy where the cache was told how to make
// one.
func (c *Cache[K, V]) clone(value V) V {
	if c.cfg.Clone == nil {
		return value
	}
	return c.cfg.Clone(value)
}

// cost of a value in memory. Where Cost panics the value is too dear to keep.
func (c *Cache[K, V]) cost(key K, it *item[V]) (cost int64) {
	if c.cfg.Cost == nil || it.absent {
		return 1
	}
	defer func() {
		if v := recover(); v != nil {
			c.log.Error("Cost panicked: the value is not kept in memory", slog.Any("panic", v))
			cost = math.MaxInt64
		}
	}()
	return max(1, c.cfg.Cost(key, it.value))
}
