package tiercache

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// remote is one cache's part of Redis: records by the text of their keys. It knows nothing of K and V, and counts nothing.
type remote struct {
	r      *Redis
	ns     namespace
	format *format
}

// found is what stands under a key. Without a record, corrupt says why, where bytes were there that are none.
type found struct {
	ok      bool
	record  record
	left    time.Duration // of the record's life
	corrupt *corruptError
	err     error  // why it is not known: its shard did not say; beside a record, why there is no lease
	backOff string // in the lease's place: the load of the node that it begins with failed a moment ago
}

// age is how long ago the source was read. A record that was ended by Expire was given a new lifetime then, and holds its age of then.
func (f *found) age() time.Duration {
	if f.record.expired {
		return f.record.age + max(0, min(f.record.life(), f.record.stale)-f.left)
	}
	return f.record.fresh + f.record.stale - f.left
}

// fresh is how long the record still is.
func (f *found) fresh() time.Duration {
	if f.record.expired {
		return 0
	}
	return max(0, f.left-f.record.stale)
}

const (
	// batchKeys bounds the keys of one pipeline, and batchBytes its size: longer ones make other clients of the server wait.
	batchKeys  = 256
	batchBytes = 256 << 10
)

// read looks up many keys, in one round trip a shard. What is not known says so itself; the error is of a read that brought nothing.
func (m *remote) read(ctx context.Context, texts []string) ([]found, error) {
	all := doEach(ctx, m.r, keyed[found]{len(texts), m.valueOf(texts), m.r.cfg.Timeout, notFound}, func(ctx context.Context, at []int) ([]found, error) {
		looks := make([]look, len(at))
		_ = exec(ctx, m.r.client, func(pipe redis.Pipeliner) {
			for j, i := range at {
				looks[j] = m.look(ctx, pipe, texts[i])
			}
		})
		return m.judge(looks)
	})
	return all, noneFound(all)
}

func (m *remote) valueOf(texts []string) func(int) string {
	return func(i int) string { return m.ns.value(texts[i]) }
}

func notFound(err error) found { return found{err: err} }

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

// look is one key's commands in a pipeline. PTTL goes first: in the other order a value that is replaced in between would pass its
// lifetime on to the one before.
type look struct {
	text string
	pttl *redis.DurationCmd
	get  *redis.StringCmd
}

func (m *remote) look(ctx context.Context, pipe redis.Pipeliner, text string) look {
	key := m.ns.value(text)
	l := look{text: text, pttl: redis.NewDurationCmd(ctx, time.Millisecond, "pttl", key)}
	_ = pipe.Process(ctx, oncePTTL{l.pttl})
	l.get = pipe.Get(ctx, key)
	return l
}

// judge turns the replies into what was found. Its error is the worst that was said of any key.
func (m *remote) judge(looks []look) ([]found, error) {
	all := make([]found, len(looks))
	var failed []error
	for i := range looks {
		l := &looks[i]
		data, err := l.get.Bytes()
		switch {
		case errors.Is(err, redis.Nil):
			continue
		case isWrongType(err):
			all[i].corrupt = &corruptError{cause: causeType, detail: "not a string"}
			continue
		case err == nil:
			err = l.pttl.Err()
		}
		if err != nil {
			all[i].err = err
			failed = append(failed, err)
			continue
		}
		all[i] = m.parse(data, l.text, l.pttl.Val())
	}
	return all, worst(failed)
}

func (m *remote) parse(data []byte, text string, pttl time.Duration) found {
	if bytes.HasPrefix(data, []byte(holdRecord)) {
		return found{}
	}
	rec, err := m.format.parse(data, text)
	var bad *corruptError
	switch {
	case errors.As(err, &bad):
		return found{corrupt: bad}
	case pttl == -2: // came between the two commands; the next look finds it
		return found{}
	case pttl < 0: // go-redis passes -1 and -2 on as they are
		return found{corrupt: &corruptError{cause: causeLifetime, detail: "it never expires"}}
	}
	if rec.expired { // it lives on as a hold
		pttl = max(0, pttl-m.r.cfg.HoldLife)
	}
	return found{ok: true, record: rec, left: min(pttl, rec.life())}
}

func isWrongType(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE") }

// acquire asks for the leases of many keys and looks the keys up again behind that: what a leader committed before its lease went is seen.
func (m *remote) acquire(ctx context.Context, texts []string, token string) (held []bool, all []found, err error) {
	return m.lease(ctx, texts, token, bid{mode: "NX", who: true})
}

// claim is acquire that does not ask who holds a lease that it doesn't get.
func (m *remote) claim(ctx context.Context, texts []string, token string) (held []bool, all []found, err error) {
	return m.lease(ctx, texts, token, bid{mode: "NX"})
}

// seize is acquire that takes leases which others hold, too; their commits are refused.
func (m *remote) seize(ctx context.Context, texts []string, token string) (held []bool, all []found, err error) {
	return m.lease(ctx, texts, token, bid{who: true})
}

// bid is a way to ask for leases.
type bid struct {
	mode string // of SET
	who  bool   // ask who holds them, too
}

// bidden is what became of one key's bid, beside what stands under the key.
type bidden struct {
	held bool
	found
}

func (m *remote) lease(ctx context.Context, texts []string, token string, how bid) (held []bool, all []found, err error) {
	failed := func(err error) bidden { return bidden{found: notFound(err)} }
	res := doEach(ctx, m.r, keyed[bidden]{len(texts), m.valueOf(texts), m.r.cfg.Timeout, failed}, func(ctx context.Context, at []int) ([]bidden, error) {
		sets := make([]*redis.StatusCmd, len(at))
		holders := make([]*redis.StringCmd, len(at))
		looks := make([]look, len(at))
		_ = exec(ctx, m.r.client, func(pipe redis.Pipeliner) {
			for j, i := range at {
				key := lease(m.ns.value(texts[i]))
				sets[j] = pipe.SetArgs(ctx, key, token, redis.SetArgs{TTL: m.r.cfg.LeaseLife, Mode: how.mode})
				if how.who {
					holders[j] = pipe.Get(ctx, key)
				}
				looks[j] = m.look(ctx, pipe, texts[i])
			}
		})
		all, err := m.judge(looks)
		errs := make([]error, len(at))
		out := make([]bidden, len(at))
		for j, f := range all {
			if err := sets[j].Err(); f.err == nil && err != nil && !errors.Is(err, redis.Nil) {
				f.err, errs[j] = err, err
			}
			out[j] = bidden{held: f.err == nil && sets[j].Err() == nil, found: f}
			if how.who && out[j].askWho(holders[j], token) {
				m.r.client.Del(ctx, lease(m.ns.value(texts[at[j]]))) // no lease of ours, and it need not ever end
			}
		}
		if err == nil {
			err = worst(errs)
		}
		return out, err
	})
	held, all = make([]bool, len(texts)), make([]found, len(texts))
	for i := range res {
		held[i], all[i] = res[i].held, res[i].found
	}
	return held, all, noneFound(all)
}

// askWho notes who holds the lease. It says whether what stands there is none.
func (b *bidden) askWho(cmd *redis.StringCmd, token string) (alien bool) {
	holder, err := cmd.Result()
	if holder == token && b.err == nil { // the pipeline may have been sent twice: then the lease is taken, by us
		b.held = true
	}
	if mark, ok := strings.CutPrefix(holder, backOffMark); ok {
		b.backOff = mark
		return false
	}
	return isWrongType(err) || err == nil && len(holder) != len(token)
}

// write is one record on its way to Redis.
type write struct {
	text   string
	id     uint64
	record []byte
	over   uint64 // the id of what it may replace whatever its age; 0 is none
	err    error  // why there is no record

	encoded time.Time     // then
	life    time.Duration // it had this long to live; 0: delete what stands there
	age     time.Duration // and its source had been read this long ago
}

// lifeNow is the write's life in ms from now on: what waited for its batch has aged meanwhile. 0: delete what stands there.
func (w *write) lifeNow() int64 { return max(0, (w.life - time.Since(w.encoded)).Milliseconds()) }

// whole is the write's life in ms from the moment at which the source was read.
func (w *write) whole() int64 { return (w.life + w.age).Milliseconds() }

// batchLen is how many of the writes go into one pipeline.
func batchLen(writes []write) int {
	size := 0
	for i, w := range writes {
		if size += len(w.record); i > 0 && (i >= batchKeys || size > batchBytes) {
			return i
		}
	}
	return len(writes)
}

// errStandsYounger is a warm write's answer where something younger stands.
var errStandsYounger = errors.New("something younger stands there")

// errFull is the answer of a Set to a Redis that had no room: the others have been told.
var errFull = errors.New("redis is full: what stood there was deleted")

// errRefused is a warm write's answer where an invalidation stands.
var errRefused = errors.New("it was invalidated")

// errLeaseLost is a commit's answer when the key was invalidated, or led by another, since the lease was acquired.
var errLeaseLost = errors.New("the lease is lost")

// commit stores what loads under the token brought, and gives the leases back. The error of each write stands at its index.
func (m *remote) commit(ctx context.Context, token string, writes []write) ([]error, error) {
	return m.run(ctx, commitScript, len(writes), func(i int) (string, []any) {
		w := writes[i]
		return w.text, []any{token, w.record, w.lifeNow(), string(appendHex(nil, w.id, 16))}
	}, errLeaseLost)
}

// release gives leases back without a value.
func (m *remote) release(ctx context.Context, token string, texts []string) error {
	_, err := m.run(ctx, releaseScript, len(texts), func(i int) (string, []any) { return texts[i], []any{token} }, nil)
	return err
}

// backOffMark begins what stands in the place of a lease whose load failed.
const backOffMark = "!"

// backOff puts, in the place of leases, marks that tell others not to load at once too.
func (m *remote) backOff(ctx context.Context, token string, texts []string, life time.Duration) error {
	_, err := m.run(ctx, backOffScript, len(texts), func(i int) (string, []any) {
		return texts[i], []any{token, backOffMark + m.r.channel.node, life.Milliseconds()}
	}, nil)
	return err
}

// renew keeps leases while their load runs.
func (m *remote) renew(ctx context.Context, token string, texts []string) error {
	_, err := m.run(ctx, renewScript, len(texts), func(i int) (string, []any) {
		return texts[i], []any{token, m.r.cfg.LeaseLife.Milliseconds()}
	}, nil)
	return err
}

// store writes whatever stands there, ends the loads under way, and tells the others.
func (m *remote) store(ctx context.Context, writes []write, notices []notice) ([]error, error) {
	return m.run(ctx, storeScript, len(writes), func(i int) (string, []any) {
		w := writes[i] // it is as old as it was when it was encoded: Redis decides the order of two Sets, by when it takes them
		return w.text, []any{m.r.channel.shared(), notices[i].String(), w.record, max(0, w.life.Milliseconds())}
	}, nil)
}

// invalidate does what notices of one kind say: it ends keys, expires them, or ends tokens.
func (m *remote) invalidate(ctx context.Context, notices []notice) ([]error, error) {
	shared, hold := m.r.channel.shared(), m.r.cfg.HoldLife.Milliseconds()
	switch notices[0].kind {
	case noticeClear, noticeTag:
		return m.runKeys(ctx, endScript, len(notices), func(i int) (keys, args []any) {
			keys = []any{m.ns.token(clearToken)}
			if n := notices[i]; n.kind == noticeTag {
				keys = []any{m.ns.token(markToken), m.ns.token(tagToken(n.rest))}
			}
			return keys, []any{shared, notices[i].String()}
		}, nil)
	case noticeExpire:
		return m.run(ctx, expireScript, len(notices), func(i int) (string, []any) {
			return notices[i].rest, []any{shared, notices[i].String(), holdRecord, hold}
		}, nil)
	default:
		return m.run(ctx, invalidateScript, len(notices), func(i int) (string, []any) {
			return notices[i].rest, []any{shared, notices[i].String(), holdRecord, hold}
		}, nil)
	}
}

// restarted ends all entries of the cache, unless another node has done so for this restart.
func (m *remote) restarted(ctx context.Context, n notice, runID string) error {
	errs, err := m.runKeys(ctx, restartScript, 1, func(int) (keys, args []any) {
		return []any{m.ns.token(restartToken), m.ns.token(clearToken)}, []any{m.r.channel.shared(), n.String(), runID}
	}, nil)
	if err != nil {
		return err
	}
	return errs[0]
}

// warmPatience is how many times RedisConfig.Timeout a batch of warm writes may take: it is large, and nobody waits for it.
const warmPatience = 10

// fillAbsent is a warm write: it stores under keys that are absent, and over what is older.
func (m *remote) fillAbsent(ctx context.Context, since *serverTime, writes []write) ([]error, error) {
	began := make([]int64, len(writes)) // 0: its master is another one than when the run began
	names := make([]string, len(writes))
	for i := range writes {
		names[i] = m.ns.value(writes[i].text)
		began[i], _ = since.of(ctx, m.r.client, names[i])
	}
	key := func(i int) string { return names[i] }
	failed := func(err error) error { return err }
	errs := doEach(ctx, m.r, keyed[error]{len(writes), key, warmPatience * m.r.cfg.Timeout, failed}, func(ctx context.Context, at []int) ([]error, error) {
		pipe := m.r.client.Pipeline()
		sets := make([]*redis.StatusCmd, len(at))
		for j, i := range at {
			sets[j] = redis.NewStatusCmd(ctx, "set", key(i), writes[i].record, "nx", "pxat", began[i]+writes[i].whole())
			if began[i] != 0 {
				_ = pipe.Process(ctx, sets[j])
			}
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
		errs := make([]error, len(at))
		for j, i := range at {
			if errs[j] = sets[j].Err(); began[i] == 0 {
				errs[j] = errTakeover
			}
		}
		return errs, worst(errs)
	})
	var standing []int
	for i, err := range errs {
		if errors.Is(err, redis.Nil) {
			standing = append(standing, i)
		}
	}
	if len(standing) == 0 {
		return errs, allFailed(errs)
	}
	again, _ := m.run(ctx, replaceScript, len(standing), func(j int) (string, []any) {
		i := standing[j]
		w := writes[i]
		return w.text, []any{w.record, began[i] + w.whole(), began[i], string(appendHex(nil, w.over, 16))}
	}, errStandsYounger)
	for j, i := range standing {
		errs[i] = again[j]
	}
	return errs, allFailed(errs)
}
