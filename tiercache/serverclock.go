package tiercache

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// serverClocks is what this process knows of the wall clocks of the masters. Redis keeps an expiry
// as a moment on its own wall clock, so a clock that goes back makes all that stands there younger.
// Each heartbeat asks for TIME. What that says, less this process's monotonic clock, is the same
// each time unless one of the two has moved; a change by which records look younger is a step, and
// what was written before it is as old as PTTL says and the step besides. The server of a Sentinel
// group that takes the place of another is compared with the one before it, as is a master that
// joins a Cluster with those that are there.
//
// The steps are kept in Redis too, for nodes that start later. A clock that goes forward makes
// records older, which needs no correction.
type serverClocks struct {
	mu      sync.Mutex
	masters map[string]*serverClock
	steps   atomic.Pointer[map[string][]clockStep] // by master; nil: none, as nearly always

	wall, mono int64         // what the process's own clocks showed at the last heartbeat; 0: none yet
	knows      bool          // Redis has been asked for the steps that others have seen
	asked      int64         // when; the beating goroutine's own
	met        chan struct{} // closed when that was for the first time
	meet       sync.Once
	failed     bool // the steps could not be kept in Redis, and that was said
}

// serverClock is one master's clock: what it shows less what the channel's clock does lies between
// low and high, in ns. A heartbeat narrows that down; drift does not move it.
type serverClock struct {
	low, high int64
	at        int64 // when it was measured last
}

// clockStep is that a clock has gone back, at some time between from and at on the channel's clock.
type clockStep struct{ from, at, back int64 }

const (
	// clockTolerance is by how much a clock may be off before that is a step.
	clockTolerance = 50 * time.Millisecond
	// clockJump is the least step that is told to others: less may be drift, of this node alone.
	clockJump = 2 * clockTolerance
	// lifeTolerance is by how much PTTL may exceed a record's own life: both are rounded.
	lifeTolerance = 5 * time.Millisecond
	// mostSteps bounds the steps that are remembered of one clock; beyond, the oldest two are one.
	mostSteps = 64
	// clockEvery is how often steps that are known are looked for in Redis, should they be lost
	// there.
	clockEvery = 10 * time.Second
	// suspendedFor is how much more the wall clock may show between two heartbeats than the
	// monotonic one, which stands still while the machine is suspended.
	suspendedFor = 500 * time.Millisecond
)

func newServerClocks() *serverClocks {
	return &serverClocks{masters: make(map[string]*serverClock), met: make(chan struct{})}
}

// note takes in what a master's clock showed at some time between sent and received. It reports
// whether the clock has gone back since it was asked before.
func (s *serverClocks) note(master string, sent, received int64, shows time.Time) (back time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	low, high := shows.UnixNano()-received, shows.UnixNano()-sent
	was := s.masters[master]
	if was == nil && s.knows { // it has joined, or was promoted
		was = s.latest()
	}
	now := serverClock{low: low, high: high, at: received}
	switch {
	case was == nil:
	case was.low-high > int64(clockTolerance):
		step := clockStep{from: was.at, at: received, back: was.high - low} // the most that it can be
		s.enter(master, step)
		back = time.Duration(step.back)
	case low-was.high > int64(clockTolerance): // forward
	default:
		now.low, now.high = was.low, was.high
		if low, high = max(low, was.low), min(high, was.high); low <= high {
			now.low, now.high = low, high
		}
	}
	s.masters[master] = &now
	return back
}

// latest is the clock that shows the latest time, when it was asked; s.mu is held.
func (s *serverClocks) latest() (latest *serverClock) {
	for _, c := range s.masters {
		if latest == nil || c.low > latest.low {
			latest = c
		}
	}
	return latest
}

// enter adds a step to those of a master; s.mu is held. What overlaps one that is known is that
// one.
func (s *serverClocks) enter(master string, step clockStep) {
	all := make(map[string][]clockStep)
	if known := s.steps.Load(); known != nil {
		maps.Copy(all, *known)
	}
	const same = int64(beatEvery + clockTolerance)
	if slices.ContainsFunc(all[master], func(k clockStep) bool { return step.from <= k.at+same && k.from <= step.at+same }) {
		return
	}
	steps := append(slices.Clone(all[master]), step)
	slices.SortFunc(steps, func(a, b clockStep) int { return int(min(max(a.at-b.at, -1), 1)) })
	if len(steps) > mostSteps {
		steps[1] = clockStep{from: steps[0].from, at: steps[1].at, back: steps[0].back + steps[1].back}
		steps = steps[1:]
	}
	all[master] = steps
	s.steps.Store(&all)
}

// age is how old a record on a master can be at most that, by PTTL, has the age that it seems to
// have. whole is how long it lives in all: what is older was gone before the clock went back.
func (s *serverClocks) age(master string, seems, whole time.Duration, now int64) time.Duration {
	all := s.steps.Load()
	if all == nil {
		return seems
	}
	oldest, back := seems, time.Duration(0)
	for _, step := range slices.Backward((*all)[master]) {
		back += time.Duration(step.back)
		age := seems + back
		before := age+clockTolerance > time.Duration(now-step.at)
		lived := age-time.Duration(now-step.from) <= whole+clockTolerance
		if before && lived {
			oldest = age
		}
	}
	return oldest
}

// of is what is known of a master's clock.
func (s *serverClocks) of(master string) (shows serverClock, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.masters[master]
	if c == nil {
		return serverClock{}, false
	}
	return *c, true
}

// any reports whether the clock of any master has gone back.
func (s *serverClocks) any() bool { return s.steps.Load() != nil }

// suspended reports whether this machine was suspended since the last call. The clocks of the
// masters are measured anew then: the monotonic one has missed what happened meanwhile.
func (s *serverClocks) suspended(wall, mono int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	missed := s.mono != 0 && wall-s.wall-(mono-s.mono) > int64(suspendedFor)
	s.wall, s.mono = wall, max(1, mono)
	if missed {
		clear(s.masters)
		s.knows = false
	}
	return missed
}

// unsuspended begins an epoch where this machine was suspended: trust in what memory holds runs by
// the monotonic clock.
func (ch *channel) unsuspended() {
	if ch.r.clocks.suspended(time.Now().UnixNano(), ch.clock.Now()) {
		ch.r.cfg.Logger.Info("tiercache: the machine was suspended: what is in memory is validated")
		ch.missed("the machine was suspended", 0)
	}
}

// watchClocks takes in what the masters' clocks showed. What was read while a jump had yet to be
// noticed may count as too young, so that an epoch begins.
func (ch *channel) watchClocks(answers []beatAnswer) {
	clocks, stepped := ch.r.clocks, false
	for _, a := range answers {
		if a.shows.IsZero() { // it may not be asked
			continue
		}
		if back := clocks.note(a.master, a.sent, a.received, a.shows); back > clockJump {
			stepped = true
			ch.r.cfg.Logger.Warn("tiercache: the server's clock has gone back: what was stored before is read as that much older",
				slog.String("master", a.master), slog.Duration("by", back))
			ch.missed("the server's clock has gone back", 0)
		}
	}
	clocks.share(ch.ctx, ch.r, ch.clock.Now(), stepped)
}

// aged is how old a record is, by what PTTL says of the name.
func (m *remote) aged(name string, seems, whole time.Duration) time.Duration {
	clocks, master := m.r.clocks, redisconn.AnyMaster
	if !clocks.any() {
		return seems
	}
	if cluster := m.r.conn.Masters.Cluster; cluster != nil {
		node, err := cluster.MasterForKey(m.r.channel.ctx, name) // from memory: it was just asked
		if err != nil {
			return seems
		}
		master = node.Options().Addr
	}
	return clocks.age(master, seems, whole, m.r.channel.clock.Now())
}

// sharedSteps is the steps of one master as they stand in Redis: all in ms, before the moment at
// which its clock showed Now.
type sharedSteps struct {
	Now   int64      `json:"now"`
	Steps [][3]int64 `json:"steps"` // from, at, back
}

// share brings what this node knows together with what stands in Redis. It is asked at the start,
// when a step was seen, and from time to time while there are any.
func (s *serverClocks) share(ctx context.Context, r *Redis, now int64, stepped bool) { //nolint:revive // stepped is what happened
	if s.knows && !stepped && (!s.any() || now-s.asked < int64(clockEvery)) { // only this goroutine writes knows
		return
	}
	key := r.cfg.Prefix + "tiercache:clock"
	_, err := redisconn.Do(ctx, r.conn, func(ctx context.Context) (struct{}, error) {
		get := r.conn.Client.Get
		if s.any() { // and what is needed stays
			get = func(ctx context.Context, key string) *redis.StringCmd { return r.conn.Client.GetEx(ctx, key, forever) }
		}
		text, err := get(ctx, key).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return struct{}{}, err
		}
		if mine := s.merge(text, now); mine != "" {
			err = r.conn.Client.Set(ctx, key, mine, forever).Err()
		} else {
			err = nil
		}
		return struct{}{}, err
	})
	switch {
	case err == nil, redisconn.IsReply(err):
		s.asked = now
		s.mu.Lock()
		s.knows = true
		s.mu.Unlock()
		s.meet.Do(func() { close(s.met) })
		if err != nil && !s.failed {
			s.failed = true
			r.cfg.Logger.WarnContext(ctx, "tiercache: steps of the server's clock are not kept for nodes that start later",
				slog.String("key", key), slog.Any("error", err))
		}
	default: // the next heartbeat asks
	}
}

// merge takes in the steps that stand in Redis, and returns the text that should, where they lack
// some.
func (s *serverClocks) merge(text string, now int64) string {
	theirs := make(map[string]sharedSteps)
	_ = json.Unmarshal([]byte(text), &theirs) // what is no text of ours is replaced
	s.mu.Lock()
	defer s.mu.Unlock()
	heard := 0
	for master, shared := range theirs {
		c := s.masters[master]
		if c == nil {
			continue
		}
		since := now + c.low - shared.Now*int64(time.Millisecond)
		for _, step := range shared.Steps {
			ago := func(ms int64) int64 { return now - since - ms*int64(time.Millisecond) }
			s.enter(master, clockStep{from: ago(step[0]), at: ago(step[1]), back: step[2] * int64(time.Millisecond)})
			heard++
		}
	}
	all := s.steps.Load()
	if all == nil {
		return ""
	}
	known, ours := 0, make(map[string]sharedSteps)
	for master, steps := range *all {
		c := s.masters[master]
		if c == nil { // it is none any more
			continue
		}
		shared := sharedSteps{Now: (now + c.low) / int64(time.Millisecond)}
		for _, step := range steps {
			if step.back <= int64(clockJump) {
				continue
			}
			ms := func(ns int64) int64 { return ns / int64(time.Millisecond) }
			shared.Steps = append(shared.Steps, [3]int64{ms(now - step.from), ms(now - step.at), ms(step.back) + 1})
			known++
		}
		ours[master] = shared
	}
	if known <= heard {
		return ""
	}
	out, _ := json.Marshal(ours) // maps of numbers do
	return string(out)
}
