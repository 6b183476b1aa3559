package tiercache

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// remote is one cache's part of Redis: records by the text of their keys. It knows nothing of K and
// V, and counts nothing.
type remote struct {
	r      *Redis
	ns     namespace
	format *format
	sizes  sizes
	own    ownReads
}

// found is what stands under a key. Without a record, corrupt says why, where bytes were there that
// are none.
type found struct {
	ok      bool
	record  record
	left    time.Duration // of the record's life
	corrupt *corruptError
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
	all := doEach(ctx, m.r, m.reading(texts), func(ctx context.Context, at []int, c *cargo) ([]found, error) {
		looks := make([]look, len(at))
		m.r.execReads(ctx, 2*len(at), func(cmds []redis.Cmder) []redis.Cmder {
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
func (m *remote) reading(texts []string) keyed[found] {
	return keyed[found]{
		n: len(texts), key: func(i int) string { return m.ns.value(texts[i]) }, bound: m.r.cfg.Timeout,
		failed: func(err error) found { return found{err: err} }, most: m.sizes.most,
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
	return append(cmds, oncePTTL{&l.pttl}, &l.get)
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
		f.corrupt = &corruptError{cause: causeType, detail: "not a string"}
	default:
		f.err = err
	}
}

func (m *remote) parse(f *found, data []byte, text string, pttl time.Duration) {
	if bytes.HasPrefix(data, []byte(holdRecord)) {
		if len(data) == len(holdRecord) { // else it is about one record
			f.buried = m.r.channel.clock.Now() - int64(max(0, m.r.cfg.HoldLife-pttl))
		}
		return
	}
	rec, err := m.format.parse(data, text)
	switch {
	case err != nil:
		f.corrupt = unreadable(err)
	case pttl == -2: // came between the two commands; the next look finds it
	case pttl < 0: // go-redis passes -1 and -2 on as they are
		f.corrupt = &corruptError{cause: causeLifetime, detail: "it never expires"}
	default:
		m.date(f, rec, text, pttl)
	}
}

// date says how much is left of a record's life. What seems to have more than it was given is no
// answer: the server's clock has gone back, nobody knows when.
func (m *remote) date(f *found, rec record, text string, pttl time.Duration) {
	whole := rec.fresh + rec.stale
	if rec.expired { // it lives on as a hold
		whole, pttl = min(rec.life(), rec.stale), max(0, pttl-m.r.cfg.HoldLife)
	}
	left := whole - m.aged(m.ns.value(text), whole-pttl, whole)
	if f.read, f.own = m.own.read(rec.id); f.own && !rec.expired {
		left = min(pttl, whole-time.Duration(m.r.channel.clock.Now()-f.read))
	}
	if !rec.expired && left > rec.life()+lifeTolerance {
		f.corrupt = &corruptError{cause: causeLifetime, detail: "it has more time left than it was given: the server's clock has gone back"}
		return
	}
	f.ok, f.record, f.left = true, rec, min(left, rec.life())
}

func isWrongType(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE") }

// acquire asks for the leases of many keys and looks the keys up again behind that: what a leader
// committed before its lease went is seen.
func (m *remote) acquire(ctx context.Context, texts []string, token string) ([]found, error) {
	return m.lease(ctx, texts, token, bidding{mode: "NX", who: true})
}

// claim is acquire that does not ask who holds a lease that it doesn't get.
func (m *remote) claim(ctx context.Context, texts []string, token string) ([]found, error) {
	return m.lease(ctx, texts, token, bidding{mode: "NX"})
}

// take takes leases from their holders, if these still are: marks of loads that failed, or loads
// whose commits are refused then.
func (m *remote) take(ctx context.Context, token string, texts, holders []string) ([]error, error) {
	life := m.r.cfg.LeaseLife.Milliseconds()
	return m.run(ctx, calls{takeScript, len(texts), func(i int) string { return texts[i] }, func(i int, args []any) []any {
		return append(args, holders[i], token, life)
	}, errLeaseLost})
}

// bidding is a way to ask for leases.
type bidding struct {
	mode  string // of SET
	who   bool   // ask who holds them, too
	token any    // a string
	life  any    // in ms
}

// bid is one key's commands in a pipeline that asks for leases.
type bid struct {
	look
	args   [6]any // of SET
	set    redis.StatusCmd
	holder *redis.StringCmd // nil: nobody asks
}

// make prepares the bid for a key by its text and the name of its value in Redis. It must stay
// where it is.
func (b *bid) make(ctx context.Context, text, name string, how *bidding, cmds []redis.Cmder) []redis.Cmder {
	b.args = [...]any{"set", lease(name), how.token, "px", how.life, how.mode}
	args := b.args[:]
	if how.mode == "" {
		args = args[:5]
	}
	b.set = *redis.NewStatusCmd(ctx, args...)
	cmds = append(cmds, &b.set)
	if how.who {
		b.holder = redis.NewStringCmd(ctx, "get", b.args[1])
		cmds = append(cmds, b.holder)
	}
	return b.ask(ctx, text, name, cmds)
}

func (m *remote) lease(ctx context.Context, texts []string, token string, how bidding) ([]found, error) {
	how.token, how.life = token, m.r.cfg.LeaseLife.Milliseconds()
	all := doEach(ctx, m.r, m.reading(texts), func(ctx context.Context, at []int, c *cargo) ([]found, error) {
		bids := make([]bid, len(at))
		m.r.execReads(ctx, 4*len(at), func(cmds []redis.Cmder) []redis.Cmder {
			for j, i := range at {
				cmds = bids[j].make(ctx, texts[i], m.ns.value(texts[i]), &how, cmds)
			}
			return cmds
		})
		all := make([]found, len(at))
		var came haul
		for j := range bids {
			came.add(&bids[j].look)
			if bids[j].judge(m, &all[j], token) {
				m.r.client.Del(ctx, lease(m.ns.value(bids[j].text))) // no lease of ours, and it need not ever end
			}
		}
		m.sizes.note(came, c)
		return all, worstFound(all)
	})
	return all, noneFound(all)
}

// judge is what the replies to one bid say. It reports whether what stands in the lease's place is
// none.
func (b *bid) judge(m *remote, f *found, token string) (alien bool) {
	m.found(f, &b.look)
	err := b.set.Err()
	if f.err == nil && err != nil && !errors.Is(err, redis.Nil) {
		f.err = err
	}
	f.held = f.err == nil && err == nil
	if b.holder == nil {
		return false
	}
	holder, err := b.holder.Result()
	if holder == token && f.err == nil { // the pipeline may have been sent twice: then the lease is taken, by us
		f.held = true
	}
	if !f.held {
		f.holder = holder
	}
	return isWrongType(err) || err == nil && len(holder) != len(token) && !strings.HasPrefix(holder, backOffMark)
}

// write is one record on its way to Redis.
type write struct {
	text   string
	id     uint64
	record []byte
	over   uint64 // the id of what it may replace whatever its age; 0 is none
	err    error  // why there is no record

	read    int64         // when its source was
	encoded time.Time     // then
	life    time.Duration // it had this long to live; 0: delete what stands there
	age     time.Duration // and its source had been read this long ago
}

// lifeNow is the write's life in ms from now on: what waited for its batch has aged meanwhile. 0:
// delete what stands there.
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

// errLate is the answer of a Set that Redis came to too late: it did nothing.
var errLate = errors.New("redis came to it too late, and did nothing")

// errRefused is a warm write's answer where an invalidation stands.
var errRefused = errors.New("it was invalidated")

// errLeaseLost is a commit's answer when the key was invalidated, or led by another, since the
// lease was acquired.
var errLeaseLost = errors.New("the lease is lost")

// commit stores what loads under the token brought, and gives the leases back. The error of each
// write stands at its index.
func (m *remote) commit(ctx context.Context, token string, writes []write) ([]error, error) {
	store := func(writes []write) ([]error, error) {
		return m.run(ctx, calls{commitScript, len(writes), func(i int) string { return writes[i].text }, func(i int, args []any) []any {
			w := &writes[i]
			m.own.note(w, m.r)
			return append(args, token, w.record, w.lifeNow(), idText(w.id))
		}, errLeaseLost})
	}
	errs, err := store(writes)
	var open []write
	var at []int
	for i := range errs {
		if isOpenSlot(errs[i]) {
			open, at = append(open, writes[i]), append(at, i)
		}
	}
	if len(open) == 0 {
		return errs, err
	}
	for k, one := range m.commitOpen(ctx, token, open, store) {
		errs[at[k]] = one
	}
	return errs, allFailed(errs)
}

// errOpenSlot is the answer of a commit that can't be made at once.
var errOpenSlot = errors.New("redis: the value and its lease are on two masters, as their slot is being moved")

// commitOpen is commit in a slot that is being moved. To look at the lease and then to store would
// be two steps, and an invalidation between the two would be undone. Most often the value is
// absent, and the lease where new keys go: with a hold in the value's place the two are on one
// master, which commits at once. Else nothing is stored, and the lease is given back.
func (m *remote) commitOpen(ctx context.Context, token string, writes []write, store func([]write) ([]error, error)) []error {
	text := func(i int) string { return writes[i].text }
	_, _ = m.run(ctx, calls{placeScript, len(writes), text, func(_ int, args []any) []any {
		return append(args, holdRecord, m.r.cfg.LeaseLife.Milliseconds())
	}, nil})
	errs, _ := store(writes)
	if !slices.ContainsFunc(errs, isOpenSlot) {
		return errs
	}
	back, _ := m.run(ctx, calls{releaseScript, len(writes), text, func(_ int, args []any) []any { return append(args, token) }, errLeaseLost})
	for i := range errs {
		if isOpenSlot(errs[i]) {
			errs[i] = cmp.Or(back[i], errOpenSlot)
		}
	}
	return errs
}

// onLeases runs a script for each lease, all with the same arguments.
func (m *remote) onLeases(ctx context.Context, s *script, texts []string, same ...any) error {
	_, err := m.run(ctx, calls{s, len(texts), func(i int) string { return texts[i] }, func(_ int, args []any) []any { return append(args, same...) }, nil})
	return err
}

// release gives leases back without a value.
func (m *remote) release(ctx context.Context, token string, texts []string) error {
	return m.onLeases(ctx, releaseScript, texts, token)
}

// backOffMark begins what stands in the place of a lease whose load failed.
const backOffMark = "!"

// backOff puts, in the place of leases, marks that tell others that the load failed, where, and
// how.
func (m *remote) backOff(ctx context.Context, token string, marks []mark, life time.Duration) error {
	_, err := m.run(ctx, calls{backOffScript, len(marks), func(i int) string { return marks[i].text }, func(i int, args []any) []any {
		return append(args, token, backOffMark+m.r.channel.node()+" "+marks[i].how, life.Milliseconds())
	}, nil})
	return err
}

// renew keeps leases while their load runs.
func (m *remote) renew(ctx context.Context, leases []claimed) error {
	life := m.r.cfg.LeaseLife.Milliseconds()
	_, err := m.run(ctx, calls{renewScript, len(leases), func(i int) string { return leases[i].text }, func(i int, args []any) []any {
		return append(args, leases[i].token, life)
	}, nil})
	return err
}

// store writes whatever stands there, ends the loads under way, and tells the others.
func (m *remote) store(ctx context.Context, writes []write, notices []notice) ([]error, error) {
	shared, now := m.r.channel.shared(), m.r.channel.clock.Now()
	return m.run(ctx, calls{storeScript, len(writes), func(i int) string { return writes[i].text }, func(i int, args []any) []any {
		w := &writes[i]
		m.own.note(w, m.r)
		return append(args, shared, notices[i].String(), w.record, w.lifeNow(), m.r.lateAfter(m.ns.value(w.text), now))
	}, nil})
}

// invalidate does what notices of one kind say: it ends keys, expires them, takes records back, or
// ends tokens.
func (m *remote) invalidate(ctx context.Context, notices []notice) ([]error, error) {
	shared, hold := m.r.channel.shared(), m.r.cfg.HoldLife.Milliseconds()
	s := invalidateScript
	switch first := &notices[0]; {
	case first.kind == noticeClear:
		return m.runKeys(ctx, clearScript, len(notices), func(i int, cmd []any) (keys int, _ []any) {
			return 1, append(cmd, m.ns.token(clearToken), shared, notices[i].String())
		}, nil)
	case first.kind == noticeTag:
		return m.runKeys(ctx, endTagScript, len(notices), func(i int, cmd []any) (keys int, _ []any) {
			fresh := newToken()
			return 1, append(cmd, m.ns.token(markToken), shared, notices[i].String(), notices[i].rest, fresh[:16], fresh[16:24], mostTags, forever.Milliseconds())
		}, nil)
	case first.kind == noticeExpire:
		s = expireScript
	case first.own != 0:
		s = takeBackScript
	default:
	}
	return m.run(ctx, calls{s, len(notices), func(i int) string { return notices[i].rest }, func(i int, args []any) []any {
		n := &notices[i]
		if args = append(args, shared, n.String(), holdRecord, hold); n.own != 0 {
			args = append(args, idText(n.own))
		}
		return args
	}, nil})
}

// restarted ends all entries of the cache, unless another node has done so for this restart.
func (m *remote) restarted(ctx context.Context, n notice, runID string) error {
	errs, err := m.runKeys(ctx, restartScript, 1, func(_ int, cmd []any) (keys int, _ []any) {
		return 2, append(cmd, m.ns.token(restartToken), m.ns.token(clearToken), m.r.channel.shared(), n.String(), runID)
	}, nil)
	if err != nil {
		return err
	}
	return errs[0]
}

// warmPatience is how many times RedisConfig.Timeout a batch of warm writes may take: it is large,
// and nobody waits for it.
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
	errs := doEach(ctx, m.r, keyed[error]{n: len(writes), key: key, bound: warmPatience * m.r.cfg.Timeout, failed: failed}, func(ctx context.Context, at []int, c *cargo) ([]error, error) {
		cmds := make([]redis.Cmder, 0, len(at))
		sets := make([]*redis.StatusCmd, len(at))
		for j, i := range at {
			sets[j] = redis.NewStatusCmd(ctx, "set", key(i), writes[i].record, "nx", "pxat", began[i]+writes[i].whole())
			c.Add(int64(len(writes[i].record)))
			if began[i] != 0 && writes[i].err == nil {
				cmds = append(cmds, sets[j])
			}
		}
		if len(cmds) > 0 {
			_ = m.r.exec(ctx, cmds)
		}
		errs := make([]error, len(at))
		for j, i := range at {
			if errs[j] = cmp.Or(writes[i].err, sets[j].Err()); began[i] == 0 {
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
	again, _ := m.run(ctx, calls{replaceScript, len(standing), func(j int) string { return writes[standing[j]].text }, func(j int, args []any) []any {
		i := standing[j]
		w := &writes[i]
		return append(args, w.record, began[i]+w.whole(), began[i], idText(w.over), m.r.cfg.HoldLife.Milliseconds())
	}, errStandsYounger})
	for j, i := range standing {
		errs[i] = again[j]
	}
	return errs, allFailed(errs)
}
