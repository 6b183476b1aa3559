package tiercache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/journal"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// Explain says why a read of the key would answer as it does at this moment, tier by tier. It
// changes nothing: it counts no hit, takes no lease, loads nothing, makes no token and keeps no
// entry young. It shows no value. A Redis that cannot be asked is part of the explanation; the
// error is ErrClosed, ctx's, or that the key has no text form.
func (c *Cache[K, V]) Explain(ctx context.Context, key K) (Explanation, error) {
	if c.closed.Load() {
		return Explanation{}, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return Explanation{}, c.waitError(key, err)
	}
	hash, err := c.hashOf(key)
	if err != nil {
		return Explanation{}, err
	}
	text, err := c.text(key)
	if err != nil {
		return Explanation{}, err
	}
	seen := c.snapshot()
	it := c.memory.Get(hash, key)
	e := Explanation{Cache: c.name, Key: text, Source: c.sourceState(c.newFlight(hash, key, nil))}
	e.Memory = c.memoryState(it, c.memory.Clock.Now())
	if c.remote != nil {
		e.Redis = c.redisState(ctx, text, seen)
		if err := ctx.Err(); err != nil {
			return Explanation{}, c.waitError(key, err)
		}
	}
	e.Verdict = sentence(&e)
	return e, nil
}

// ExplainText is Explain of the key with this text form, for programs that don't know K.
func (c *Cache[K, V]) ExplainText(ctx context.Context, text string) (Explanation, error) {
	key, err := c.decodeKey(text)
	if err != nil {
		return Explanation{}, fmt.Errorf("tiercache: cache %q: %.200q is no key: %w", c.name, text, err)
	}
	return c.Explain(ctx, key)
}

// Explanation is what Explain found. It marshals to JSON, durations in nanoseconds.
type Explanation struct {
	Cache   string      `json:"cache"`
	Key     string      `json:"key"`     // its text form
	Verdict string      `json:"verdict"` // what a read would do and why, in one sentence
	Memory  MemoryState `json:"memory"`
	Redis   *RedisState `json:"redis,omitempty"` // nil: the cache has no Redis
	Source  SourceState `json:"source"`
}

// MemoryState is what this process's memory holds of a key.
type MemoryState struct {
	Present     bool          `json:"present"`
	NotFound    bool          `json:"not_found"` // it remembers that the source has no such key
	Fresh       bool          `json:"fresh"`     // a read is answered with it: all of what follows allows that
	Servable    bool          `json:"servable"`  // else it may be served stale, where the load fails or is slow
	ID          string        `json:"id,omitempty"`
	Age         time.Duration `json:"age"`            // since the source was read
	FreshFor    time.Duration `json:"fresh_for"`      // by its TTL; 0 = past it
	StaleFor    time.Duration `json:"stale_for"`      // until it is not even stale
	EpochValid  bool          `json:"epoch_valid"`    // else notices may have been missed, or it was ended by Clear: it is validated first
	TagsValid   bool          `json:"tags_valid"`     // else one of its tags was invalidated
	Trusted     bool          `json:"trusted"`        // invalidations of other nodes are heard
	DegradedFor time.Duration `json:"degraded_for"`   // where they are not: how long it is served all the same
	BackOff     time.Duration `json:"back_off"`       // a load has just failed: until then nobody tries again while it is servable
	RefreshDue  bool          `json:"refresh_is_due"` // a read begins a refresh behind the caller's back
}

// RedisState is what Redis holds of a key.
type RedisState struct {
	Key      string        `json:"key"` // in Redis
	Breaker  BreakerState  `json:"breaker"`
	Error    string        `json:"error,omitempty"`   // why Redis could not be asked; nothing below is known then
	Pending  bool          `json:"pending"`           // it has yet to hear of an invalidation of ours, and is not asked about the key
	Record   string        `json:"record,omitempty"`  // value, not found, hold (an invalidation), unreadable; empty = nothing is there
	Corrupt  string        `json:"corrupt,omitempty"` // why it is unreadable, as Stats.CorruptBy counts it
	Codec    string        `json:"codec,omitempty"`
	Packed   string        `json:"compression,omitempty"`
	Signed   bool          `json:"signed"`
	ID       string        `json:"id,omitempty"`
	Size     int           `json:"size"`            // bytes of the record
	Age      time.Duration `json:"age"`             // since the source was read
	FreshFor time.Duration `json:"fresh_for"`       // 0 = past its TTL, or ended by Expire
	StaleFor time.Duration `json:"stale_for"`       // until it is not even stale
	Valid    bool          `json:"tokens_valid"`    // else it was ended by Clear or by a tag
	Outdated bool          `json:"outdated"`        // its source was read before this node's last invalidation of the key
	Fresh    bool          `json:"fresh"`           // a read is answered with it: all of the above allows that
	Servable bool          `json:"servable"`        // else it may be served stale
	Lease    string        `json:"lease,omitempty"` // held (a load is under way somewhere), back-off (one has just failed, here or elsewhere)
	LeaseFor time.Duration `json:"lease_for"`
	bound    bool
}

// SourceState is how the source would be asked for a key.
type SourceState struct {
	Loader  string `json:"loader,omitempty"` // Load or LoadMany; empty = a miss is ErrNotFound, but for GetOrLoad
	Loading bool   `json:"loading"`          // a look-up of the key is under way in this process, and would be joined
}

func (c *Cache[K, V]) sourceState(f *flight[K, V]) SourceState {
	s := SourceState{Loading: c.flights.find(f) != nil}
	switch {
	case c.cfg.Load != nil:
		s.Loader = "Load"
	case c.cfg.LoadMany != nil:
		s.Loader = "LoadMany"
	}
	return s
}

func (c *Cache[K, V]) memoryState(it *memory.Item[V], now int64) MemoryState {
	m := MemoryState{Trusted: c.redis == nil || c.redis.channel.Coherent()}
	if it == nil {
		return m
	}
	left := func(until int64) time.Duration { return time.Duration(max(0, until-now)) }
	m.Present, m.NotFound, m.ID, m.Age = true, it.Absent, record.IDText(it.ID), time.Duration(max(0, now-it.Read))
	m.FreshFor, m.StaleFor, m.BackOff = left(it.Fresh), left(it.Dead), left(it.BackedOff())
	m.EpochValid, m.TagsValid = it.Epoch == c.epoch.Load(), c.tokens.stand(it.Tags)
	if !m.Trusted {
		m.DegradedFor = left(it.Filled + int64(c.cfg.DegradedTTL))
	}
	m.Fresh, m.Servable = c.fresh(it, now), c.servable(it, now)
	if at := it.Due.Load(); m.Fresh && at > 0 {
		m.RefreshDue = now >= at
	}
	return m
}

func (c *Cache[K, V]) redisState(ctx context.Context, text string, seen memory.Snapshot) *RedisState {
	s := &RedisState{Key: c.remote.Keys.Value(text), Breaker: c.redis.Health().Breaker, Pending: c.journal.Bypass(text)}
	now := c.memory.Clock.Now()
	at, err := c.peekRedis(ctx, text)
	if err != nil {
		s.Error = err.Error()
		return s
	}
	s.LeaseFor = max(0, at.leaseLeft)
	switch {
	case strings.HasPrefix(at.lease, redistier.BackOffMark):
		s.Lease, s.bound = "back-off", c.backOffs.binding(text, now) != nil
	case at.lease != "":
		s.Lease = "held"
	}
	if s.Size = at.size; at.hold {
		s.Record = "hold"
		return s
	}
	f := &at.found
	it, bad := c.interpret(f, now, seen)
	if bad != nil {
		s.Record, s.Corrupt = "unreadable", bad.Cause.String()
		return s
	}
	if it == nil {
		return s
	}
	s.Record = "value"
	if it.Absent {
		s.Record = "not found"
	}
	s.Codec, s.Signed, s.ID = strings.TrimSpace(f.Record.Codec), f.Record.Signed, record.IDText(it.ID)
	s.Packed = map[byte]string{record.PackedS2: S2.String(), record.PackedZstd: Zstd.String()}[f.Record.Packed]
	s.Age, s.FreshFor, s.StaleFor = f.Age(), f.Fresh(), max(0, time.Duration(it.Dead-now))
	s.Valid = c.current(f, at.tokens)
	s.Outdated = c.journal.Check(text, it.TagNames(), it.Read) == journal.Outdated
	s.Fresh = s.FreshFor > 0 && s.Valid && !s.Outdated
	s.Servable = s.Valid && !s.Outdated && c.servable(it, now)
	return s
}

// peeked is what stands in Redis about one key.
type peeked struct {
	found     redistier.Found
	hold      bool
	size      int
	lease     string
	leaseLeft time.Duration
	tokens    map[string]string
}

// peekRedis reads without a trace: other than in a read, tokens that are missing stay so, and none
// lives longer for it.
func (c *Cache[K, V]) peekRedis(ctx context.Context, text string) (at peeked, err error) {
	got := make(chan peeked, 1) // what comes too late is nobody's
	err = c.redis.Do(ctx, func(ctx context.Context, client redis.UniversalClient) error {
		var p peeked
		pipe := client.Pipeline()
		looks := make([]redistier.Look, 1)
		l := &looks[0]
		name := c.remote.Keys.Value(text)
		_ = pipe.BatchProcess(ctx, l.Ask(ctx, text, name, nil)...)
		key := redistier.Lease(name)
		holder, left := pipe.Get(ctx, key), pipe.PTTL(ctx, key)
		_, _ = pipe.Exec(ctx) // each command has its own error
		all, err := c.remote.Judge(looks)
		if err != nil {
			return err
		}
		p.found, p.size = all[0], len(l.Get.Val())
		p.hold = strings.HasPrefix(l.Get.Val(), redistier.HoldRecord)
		if p.lease, p.leaseLeft = holder.Val(), left.Val(); redistier.IsWrongType(holder.Err()) {
			p.lease = ""
		}
		p.tokens, err = c.peekTokens(ctx, client, &p.found)
		got <- p
		return err
	})
	if err != nil {
		return at, err
	}
	return <-got, nil
}

func (c *Cache[K, V]) peekTokens(ctx context.Context, client redis.UniversalClient, f *redistier.Found) (map[string]string, error) {
	if !f.Ok {
		return nil, nil
	}
	pipe := client.Pipeline()
	own, hash := pipe.Get(ctx, c.remote.Keys.Token(redistier.ClearToken)), (*redis.SliceCmd)(nil)
	fields := append([]string{redistier.MarkField}, f.Tags()...)
	if len(fields) > 1 {
		hash = pipe.HMGet(ctx, c.remote.Keys.Token(redistier.MarkToken), fields...)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	tokens, err := redistier.ReadTokens(own, hash, fields)
	if errors.Is(err, redis.Nil) || redisconn.IsReply(err) { // where there are none, none is the record's
		return nil, nil
	}
	return tokens, err
}
