package tiercache

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// remote is one cache's part of Redis: records by the text of their keys. It knows nothing of K and
// V, and counts nothing.
type remote struct {
	r      *Redis
	ns     namespace
	format *record.Format
	sizes  sizes
	own    ownReads
}

// found is what stands under a key. Without a record, corrupt says why, where bytes were there that
// are none.
type found struct {
	ok      bool
	record  record.Record
	left    time.Duration // of the record's life
	corrupt *record.CorruptError
	err     error  // why it is not known: its shard did not say; beside a record, why there is no lease
	held    bool   // the lease that was asked for is ours
	holder  string // what stands in the lease's place, where it was asked for and is not ours: another's token, or a backOffMark
	own     bool   // this node has stored it, and knows when its source was read
	read    int64
	buried  int64 // no record but a hold: what was read before then was invalidated
}

// age is how long ago the source was read. A record that was ended by Expire was given a new
// lifetime then, and holds its age of then.
func (f *found) age() time.Duration {
	if f.record.Expired {
		return f.record.Age + max(0, min(f.record.Life(), f.record.Stale)-f.left)
	}
	return f.record.Fresh + f.record.Stale - f.left
}

// fresh is how long the record still is.
func (f *found) fresh() time.Duration {
	if f.record.Expired {
		return 0
	}
	return max(0, f.left-f.record.Stale)
}

// disbelieve takes the record out. What was said of the lease stands.
func (f *found) disbelieve() { *f = found{err: f.err, held: f.held, holder: f.holder} }

const (
	// batchKeys bounds the keys of one pipeline, and batchBytes its size: longer ones make other
	// clients of the server wait.
	batchKeys  = 256
	batchBytes = 256 << 10
)

// read looks up many keys, in one round trip a shard, or several where the values are large. What
// is not known says so itself; the error is of a read that brought nothing.
func (m *remote) read(ctx context.Context, texts []string) ([]found, error) {
	all := redisconn.DoEach(ctx, m.r.conn, m.reading(texts), func(ctx context.Context, at []int, c *redisconn.Cargo) ([]found, error) {
		looks := make([]look, len(at))
		m.r.conn.ExecReads(ctx, 2*len(at), func(cmds []redis.Cmder) []redis.Cmder {
			for j, i := range at {
				cmds = looks[j].ask(ctx, texts[i], m.ns.value(texts[i]), cmds)
			}
			return cmds
		})
		var came haul
		for j := range looks {
			came.add(&looks[j])
		}
		m.sizes.note(came, c)
		return m.judge(looks)
	})
	return all, noneFound(all)
}

// reading is an operation that brings the keys' values.
func (m *remote) reading(texts []string) redisconn.Keyed[found] {
	return redisconn.Keyed[found]{
		N: len(texts), Key: func(i int) string { return m.ns.value(texts[i]) }, Bound: m.r.cfg.Timeout,
		Failed: func(err error) found { return found{err: err} }, Most: m.sizes.most,
	}
}

// noneFound is an error where nothing is known of any key.
func noneFound(all []found) error {
	for i := range all {
		if all[i].err == nil || all[i].ok {
			return nil
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[0].err
}

// look is one key's commands in a pipeline. PTTL goes first: in the other order a value that is
// replaced in between would pass its lifetime on to the one before.
type look struct {
	text string
	args [4]any // of both commands
	pttl redis.DurationCmd
	get  redis.StringCmd
}

// ask prepares the look-up of a key by the text, whose name in Redis is name. It must stay where it
// is.
func (l *look) ask(ctx context.Context, text string, name any, cmds []redis.Cmder) []redis.Cmder {
	l.text, l.args = text, [...]any{"pttl", name, "get", name}
	l.pttl = *redis.NewDurationCmd(ctx, time.Millisecond, l.args[:2]...)
	l.get = *redis.NewStringCmd(ctx, l.args[2:]...)
	return append(cmds, redisconn.OncePTTL{DurationCmd: &l.pttl}, &l.get)
}

// judge turns the replies into what was found. Its error is the worst that was said of any key.
func (m *remote) judge(looks []look) ([]found, error) {
	all := make([]found, len(looks))
	for i := range looks {
		m.found(&all[i], &looks[i])
	}
	return all, worstFound(all)
}

// worstFound is what the errors of one shard's keys say about the shard.
func worstFound(all []found) error {
	var failed []error
	for i := range all {
		if all[i].err != nil {
			failed = append(failed, all[i].err)
		}
	}
	return worst(failed)
}

// found is what the replies to one look-up say.
func (m *remote) found(f *found, l *look) {
	data, err := l.get.Bytes()
	switch {
	case err == nil:
		if f.err = l.pttl.Err(); f.err == nil {
			m.parse(f, data, l.text, l.pttl.Val())
		}
	case errors.Is(err, redis.Nil):
	case isWrongType(err):
		f.corrupt = &record.CorruptError{Cause: record.CauseType, Detail: "not a string"}
	default:
		f.err = err
	}
}

func (m *remote) parse(f *found, data []byte, text string, pttl time.Duration) {
	if bytes.HasPrefix(data, []byte(holdRecord)) {
		if len(data) == len(holdRecord) { // else it is about one record
			f.buried = m.r.channel.Clock.Now() - int64(max(0, m.r.cfg.HoldLife-pttl))
		}
		return
	}
	rec, err := m.format.Parse(data, text)
	switch {
	case err != nil:
		f.corrupt = record.Unreadable(err)
	case pttl == -2: // came between the two commands; the next look finds it
	case pttl < 0: // go-redis passes -1 and -2 on as they are
		f.corrupt = &record.CorruptError{Cause: record.CauseLifetime, Detail: "it never expires"}
	default:
		m.date(f, rec, text, pttl)
	}
}

// date says how much is left of a record's life. What seems to have more than it was given is no
// answer: the server's clock has gone back, nobody knows when.
func (m *remote) date(f *found, rec record.Record, text string, pttl time.Duration) {
	whole := rec.Fresh + rec.Stale
	if rec.Expired { // it lives on as a hold
		whole, pttl = min(rec.Life(), rec.Stale), max(0, pttl-m.r.cfg.HoldLife)
	}
	left := whole - m.aged(m.ns.value(text), whole-pttl, whole)
	if f.read, f.own = m.own.read(rec.ID); f.own && !rec.Expired {
		left = min(pttl, whole-time.Duration(m.r.channel.Clock.Now()-f.read))
	}
	if !rec.Expired && left > rec.Life()+lifeTolerance {
		f.corrupt = &record.CorruptError{Cause: record.CauseLifetime, Detail: "it has more time left than it was given: the server's clock has gone back"}
		return
	}
	f.ok, f.record, f.left = true, rec, min(left, rec.Life())
}

// lifeTolerance is by how much PTTL may exceed a record's own life: both are rounded.
const lifeTolerance = 5 * time.Millisecond

// aged is how old a record is, by what PTTL says of the name.
func (m *remote) aged(name string, seems, whole time.Duration) time.Duration {
	ch := m.r.channel
	if !ch.Clocks.Any() {
		return seems
	}
	return ch.Clocks.Age(ch.Holder(name), seems, whole, ch.Clock.Now())
}

func isWrongType(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE") }
