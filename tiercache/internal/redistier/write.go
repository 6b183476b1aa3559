package redistier

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// Write is one record on its way to Redis.
type Write struct {
	Text   string
	ID     uint64
	Record []byte
	Over   uint64 // the id of what it may replace whatever its age; 0 is none
	Err    error  // why there is no record

	Read    int64         // when its source was
	Encoded time.Time     // then
	Life    time.Duration // it had this long to live; 0: delete what stands there
	Age     time.Duration // and its source had been read this long ago
}

// lifeNow is the write's life in ms from now on: what waited for its batch has aged meanwhile. 0:
// delete what stands there.
func (w *Write) lifeNow() int64 { return max(0, (w.Life - time.Since(w.Encoded)).Milliseconds()) }

// whole is the write's life in ms from the moment at which the source was read.
func (w *Write) whole() int64 { return (w.Life + w.Age).Milliseconds() }

// BatchLen is how many of the writes go into one pipeline.
func BatchLen(writes []Write) int {
	size := 0
	for i, w := range writes {
		if size += len(w.Record); i > 0 && (i >= BatchKeys || size > BatchBytes) {
			return i
		}
	}
	return len(writes)
}

// ErrStandsYounger is a warm write's answer where something younger stands.
var ErrStandsYounger = errors.New("something younger stands there")

// ErrFull is the answer of a Set to a Redis that had no room: the others have been told.
var ErrFull = errors.New("redis is full: what stood there was deleted")

// ErrLate is the answer of a Set that Redis came to too late: it did nothing.
var ErrLate = errors.New("redis came to it too late, and did nothing")

// ErrRefused is a warm write's answer where an invalidation stands.
var ErrRefused = errors.New("it was invalidated")

// ErrLeaseLost is a commit's answer when the key was invalidated, or led by another, since the
// lease was acquired.
var ErrLeaseLost = errors.New("the lease is lost")

// Commit stores what loads under the token brought, and gives the leases back. The error of each
// write stands at its index.
func (m *Tier) Commit(ctx context.Context, token string, writes []Write) ([]error, error) {
	store := func(writes []Write) ([]error, error) {
		return m.run(ctx, calls{commitScript, len(writes), func(i int) string { return writes[i].Text }, func(i int, args []any) []any {
			w := &writes[i]
			m.own.note(w, m.channel.Clock.Now(), m.holdLife)
			return append(args, token, w.Record, w.lifeNow(), record.IDText(w.ID))
		}, ErrLeaseLost})
	}
	errs, err := store(writes)
	var open []Write
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
func (m *Tier) commitOpen(ctx context.Context, token string, writes []Write, store func([]Write) ([]error, error)) []error {
	text := func(i int) string { return writes[i].Text }
	_, _ = m.run(ctx, calls{placeScript, len(writes), text, func(_ int, args []any) []any {
		return append(args, HoldRecord, m.leaseLife.Milliseconds())
	}, nil})
	errs, _ := store(writes)
	if !slices.ContainsFunc(errs, isOpenSlot) {
		return errs
	}
	back, _ := m.run(ctx, calls{releaseScript, len(writes), text, func(_ int, args []any) []any { return append(args, token) }, ErrLeaseLost})
	for i := range errs {
		if isOpenSlot(errs[i]) {
			errs[i] = cmp.Or(back[i], errOpenSlot)
		}
	}
	return errs
}

// Store writes whatever stands there, ends the loads under way, and tells the others.
func (m *Tier) Store(ctx context.Context, writes []Write, notices []backplane.Notice) ([]error, error) {
	shared, now := m.channel.Shared(), m.channel.Clock.Now()
	return m.run(ctx, calls{storeScript, len(writes), func(i int) string { return writes[i].Text }, func(i int, args []any) []any {
		w := &writes[i]
		m.own.note(w, m.channel.Clock.Now(), m.holdLife)
		return append(args, shared, notices[i].String(), w.Record, w.lifeNow(), m.lateAfter(m.Keys.Value(w.Text), now))
	}, nil})
}

// Invalidate does what notices of one kind say: it ends keys, expires them, takes records back, or
// ends tokens.
func (m *Tier) Invalidate(ctx context.Context, notices []backplane.Notice) ([]error, error) {
	shared, hold := m.channel.Shared(), m.holdLife.Milliseconds()
	s := invalidateScript
	switch first := &notices[0]; {
	case first.Kind == backplane.KindClear:
		return m.runKeys(ctx, clearScript, len(notices), func(i int, cmd []any) (keys int, _ []any) {
			return 1, append(cmd, m.Keys.Token(ClearToken), shared, notices[i].String())
		}, nil)
	case first.Kind == backplane.KindTag:
		return m.runKeys(ctx, endTagScript, len(notices), func(i int, cmd []any) (keys int, _ []any) {
			fresh := record.NewToken()
			return 1, append(cmd, m.Keys.Token(MarkToken), shared, notices[i].String(), notices[i].Rest, fresh[:16], fresh[16:24], mostTags, redisconn.Forever.Milliseconds())
		}, nil)
	case first.Kind == backplane.KindExpire:
		s = expireScript
	case first.Own != 0:
		s = takeBackScript
	default:
	}
	return m.run(ctx, calls{s, len(notices), func(i int) string { return notices[i].Rest }, func(i int, args []any) []any {
		n := &notices[i]
		if args = append(args, shared, n.String(), HoldRecord, hold); n.Own != 0 {
			args = append(args, record.IDText(n.Own))
		}
		return args
	}, nil})
}

// Restarted ends all entries of the cache, unless another node has done so for this restart.
func (m *Tier) Restarted(ctx context.Context, n backplane.Notice, runID string) error {
	errs, err := m.runKeys(ctx, restartScript, 1, func(_ int, cmd []any) (keys int, _ []any) {
		return 2, append(cmd, m.Keys.Token(restartToken), m.Keys.Token(ClearToken), m.channel.Shared(), n.String(), runID)
	}, nil)
	if err != nil {
		return err
	}
	return errs[0]
}

// warmPatience is how many times RedisConfig.Timeout a batch of warm writes may take: it is large,
// and nobody waits for it.
const warmPatience = 10

// FillAbsent is a warm write: it stores under keys that are absent, and over what is older.
func (m *Tier) FillAbsent(ctx context.Context, since *ServerTime, writes []Write) ([]error, error) {
	began := make([]int64, len(writes)) // 0: its master is another one than when the run began
	names := make([]string, len(writes))
	for i := range writes {
		names[i] = m.Keys.Value(writes[i].Text)
		began[i], _ = since.of(ctx, m.conn.Client, names[i])
	}
	key := func(i int) string { return names[i] }
	failed := func(err error) error { return err }
	errs := redisconn.DoEach(ctx, m.conn, redisconn.Keyed[error]{N: len(writes), Key: key, Bound: warmPatience * m.timeout, Failed: failed}, func(ctx context.Context, at []int, c *redisconn.Cargo) ([]error, error) {
		cmds := make([]redis.Cmder, 0, len(at))
		sets := make([]*redis.StatusCmd, len(at))
		for j, i := range at {
			sets[j] = redis.NewStatusCmd(ctx, "set", key(i), writes[i].Record, "nx", "pxat", began[i]+writes[i].whole())
			c.Add(int64(len(writes[i].Record)))
			if began[i] != 0 && writes[i].Err == nil {
				cmds = append(cmds, sets[j])
			}
		}
		if len(cmds) > 0 {
			_ = m.conn.Exec(ctx, cmds)
		}
		errs := make([]error, len(at))
		for j, i := range at {
			if errs[j] = cmp.Or(writes[i].Err, sets[j].Err()); began[i] == 0 {
				errs[j] = ErrTakeover
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
	again, _ := m.run(ctx, calls{replaceScript, len(standing), func(j int) string { return writes[standing[j]].Text }, func(j int, args []any) []any {
		i := standing[j]
		w := &writes[i]
		return append(args, w.Record, began[i]+w.whole(), began[i], record.IDText(w.Over), m.holdLife.Milliseconds())
	}, ErrStandsYounger})
	for j, i := range standing {
		errs[i] = again[j]
	}
	return errs, allFailed(errs)
}
