// Package redistier is one cache's part of Redis: its records, leases, holds, tokens and the set of
// hot keys, by the text of their keys, and the scripts that change them.
//
// It knows what the keys are called, which commands are one step, how old a record is by the clocks
// of the servers, and how long an unanswered write may still take effect. What it does goes through
// a redisconn.Conn, under deadline and breaker; invalidations are published with the step that they
// are part of, on the backplane's channel.
//
// It must never know K and V, the memory tier, whether a record is still to be believed by what
// this node has invalidated, or counters and logs: it returns what came of each key.
package redistier

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// Tier is one cache's part of Redis: records by the text of their keys. It knows nothing of K and
// V, and counts nothing.
type Tier struct {
	conn      *redisconn.Conn
	channel   *backplane.Channel
	timeout   time.Duration // of an operation
	leaseLife time.Duration
	holdLife  time.Duration
	Keys      Namespace
	format    *record.Format
	sizes     sizes
	own       ownReads
}

// Config is what a Tier stands on.
type Config struct {
	Conn      *redisconn.Conn
	Channel   *backplane.Channel
	Timeout   time.Duration  // of an operation
	LeaseLife time.Duration  // how long a lease stands that nobody renews
	HoldLife  time.Duration  // how long an invalidation refuses warm writes that began before it
	Prefix    string         // of the cache's keys, as "app:brand_stats:"
	Format    *record.Format // of its records
}

// New is the tier of one cache.
func New(cfg Config) *Tier {
	return &Tier{
		conn: cfg.Conn, channel: cfg.Channel, timeout: cfg.Timeout, leaseLife: cfg.LeaseLife, holdLife: cfg.HoldLife,
		Keys: Namespace{Prefix: cfg.Prefix}, format: cfg.Format,
	}
}

// Found is what stands under a key. Without a record, corrupt says why, where bytes were there that
// are none.
type Found struct {
	Ok      bool
	Record  record.Record
	Left    time.Duration // of the record's life
	Corrupt *record.CorruptError
	Err     error  // why it is not known: its shard did not say; beside a record, why there is no lease
	Held    bool   // the lease that was asked for is ours
	Holder  string // what stands in the lease's place, where it was asked for and is not ours: another's token, or a BackOffMark
	Own     bool   // this node has stored it, and knows when its source was read
	Read    int64
	Buried  int64 // no record but a hold: what was read before then was invalidated
}

// Age is how long ago the source was read. A record that was ended by Expire was given a new
// lifetime then, and holds its age of then.
func (f *Found) Age() time.Duration {
	if f.Record.Expired {
		return f.Record.Age + max(0, min(f.Record.Life(), f.Record.Stale)-f.Left)
	}
	return f.Record.Fresh + f.Record.Stale - f.Left
}

// Fresh is how long the record still is.
func (f *Found) Fresh() time.Duration {
	if f.Record.Expired {
		return 0
	}
	return max(0, f.Left-f.Record.Stale)
}

// Disbelieve takes the record out. What was said of the lease stands.
func (f *Found) Disbelieve() { *f = Found{Err: f.Err, Held: f.Held, Holder: f.Holder} }

// Bounds of one pipeline.
const (
	// BatchKeys bounds the keys of one pipeline, and BatchBytes its size: longer ones make other
	// clients of the server wait.
	BatchKeys  = 256
	BatchBytes = 256 << 10
)

// Read looks up many keys, in one round trip a shard, or several where the values are large. What
// is not known says so itself; the error is of a read that brought nothing.
func (m *Tier) Read(ctx context.Context, texts []string) ([]Found, error) {
	all := redisconn.DoEach(ctx, m.conn, m.reading(texts), func(ctx context.Context, at []int, c *redisconn.Cargo) ([]Found, error) {
		looks := make([]Look, len(at))
		m.conn.ExecReads(ctx, 2*len(at), func(cmds []redis.Cmder) []redis.Cmder {
			for j, i := range at {
				cmds = looks[j].Ask(ctx, texts[i], m.Keys.Value(texts[i]), cmds)
			}
			return cmds
		})
		var came haul
		for j := range looks {
			came.add(&looks[j])
		}
		m.sizes.note(came, c)
		return m.Judge(looks)
	})
	return all, noneFound(all)
}

// reading is an operation that brings the keys' values.
func (m *Tier) reading(texts []string) redisconn.Keyed[Found] {
	return redisconn.Keyed[Found]{
		N: len(texts), Key: func(i int) string { return m.Keys.Value(texts[i]) }, Bound: m.timeout,
		Failed: func(err error) Found { return Found{Err: err} }, Most: m.sizes.most,
	}
}

// noneFound is an error where nothing is known of any key.
func noneFound(all []Found) error {
	for i := range all {
		if all[i].Err == nil || all[i].Ok {
			return nil
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[0].Err
}

// Look is one key's commands in a pipeline. PTTL goes first: in the other order a value that is
// replaced in between would pass its lifetime on to the one before.
type Look struct {
	text string
	args [4]any // of both commands
	pttl redis.DurationCmd
	Get  redis.StringCmd
}

// Ask prepares the look-up of a key by the text, whose name in Redis is name. It must stay where it
// is.
func (l *Look) Ask(ctx context.Context, text string, name any, cmds []redis.Cmder) []redis.Cmder {
	l.text, l.args = text, [...]any{"pttl", name, "get", name}
	l.pttl = *redis.NewDurationCmd(ctx, time.Millisecond, l.args[:2]...)
	l.Get = *redis.NewStringCmd(ctx, l.args[2:]...)
	return append(cmds, redisconn.OncePTTL{DurationCmd: &l.pttl}, &l.Get)
}

// Judge turns the replies into what was found. Its error is the worst that was said of any key.
func (m *Tier) Judge(looks []Look) ([]Found, error) {
	all := make([]Found, len(looks))
	for i := range looks {
		m.found(&all[i], &looks[i])
	}
	return all, worstFound(all)
}

// worstFound is what the errors of one shard's keys say about the shard.
func worstFound(all []Found) error {
	var failed []error
	for i := range all {
		if all[i].Err != nil {
			failed = append(failed, all[i].Err)
		}
	}
	return worst(failed)
}

// found is what the replies to one look-up say.
func (m *Tier) found(f *Found, l *Look) {
	data, err := l.Get.Bytes()
	switch {
	case err == nil:
		if f.Err = l.pttl.Err(); f.Err == nil {
			m.parse(f, data, l.text, l.pttl.Val())
		}
	case errors.Is(err, redis.Nil):
	case IsWrongType(err):
		f.Corrupt = &record.CorruptError{Cause: record.CauseType, Detail: "not a string"}
	default:
		f.Err = err
	}
}

func (m *Tier) parse(f *Found, data []byte, text string, pttl time.Duration) {
	if bytes.HasPrefix(data, []byte(HoldRecord)) {
		if len(data) == len(HoldRecord) { // else it is about one record
			f.Buried = m.channel.Clock.Now() - int64(max(0, m.holdLife-pttl))
		}
		return
	}
	rec, err := m.format.Parse(data, text)
	switch {
	case err != nil:
		f.Corrupt = record.Unreadable(err)
	case pttl == -2: // came between the two commands; the next look finds it
	case pttl < 0: // go-redis passes -1 and -2 on as they are
		f.Corrupt = &record.CorruptError{Cause: record.CauseLifetime, Detail: "it never expires"}
	default:
		m.date(f, rec, text, pttl)
	}
}

// date says how much is left of a record's life. What seems to have more than it was given is no
// answer: the server's clock has gone back, nobody knows when.
func (m *Tier) date(f *Found, rec record.Record, text string, pttl time.Duration) {
	whole := rec.Fresh + rec.Stale
	if rec.Expired { // it lives on as a hold
		whole, pttl = min(rec.Life(), rec.Stale), max(0, pttl-m.holdLife)
	}
	left := whole - m.aged(m.Keys.Value(text), whole-pttl, whole)
	if f.Read, f.Own = m.own.read(rec.ID); f.Own && !rec.Expired {
		left = min(pttl, whole-time.Duration(m.channel.Clock.Now()-f.Read))
	}
	if !rec.Expired && left > rec.Life()+lifeTolerance {
		f.Corrupt = &record.CorruptError{Cause: record.CauseLifetime, Detail: "it has more time left than it was given: the server's clock has gone back"}
		return
	}
	f.Ok, f.Record, f.Left = true, rec, min(left, rec.Life())
}

// lifeTolerance is by how much PTTL may exceed a record's own life: both are rounded.
const lifeTolerance = 5 * time.Millisecond

// aged is how old a record is, by what PTTL says of the name.
func (m *Tier) aged(name string, seems, whole time.Duration) time.Duration {
	ch := m.channel
	if !ch.Clocks.Any() {
		return seems
	}
	return ch.Clocks.Age(ch.Holder(name), seems, whole, ch.Clock.Now())
}

// IsWrongType reports whether what stands under a key of ours is no string.
func IsWrongType(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE") }

// Tags of a record, as they stand in it.
func (f *Found) Tags() (tags []string) {
	_, others, _ := strings.Cut(f.Record.Tokens, "\n") // the first is the cache's own
	if others == "" {
		return nil // as nearly always
	}
	for _, tag := range EachToken(others) {
		tags = append(tags, tag)
	}
	return tags
}
