package backplane

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

	// what the process's own clocks showed at the last heartbeat; 0: none yet
	wall, mono int64
	knows      bool          // Redis has been asked for the steps that others have seen
	asked      int64         // when; the beating goroutine's own
	met        chan struct{} // closed when that was for the first time
	meet       sync.Once
	failed     bool // the steps could not be kept in Redis, and that was said
}

// serverClock is one master's clock: what it shows less what the channel's clock does lies between
// low and high, in ns. A heartbeat narrows that down; drift does not move it.
type serverClock struct {
	Low, High int64
	at        int64 // when it was measured last
}

// clockStep is that a clock has gone back, at some time between from and at on the channel's clock.
type clockStep struct{ from, at, back int64 }

const (
	// ClockTolerance is by how much a clock may be off before that is a step.
	ClockTolerance = 50 * time.Millisecond
	// clockJump is the least step that is told to others: less may be drift, of this node alone.
	clockJump = 2 * ClockTolerance
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
	now := serverClock{Low: low, High: high, at: received}
	switch {
	case was == nil:
	case was.Low-high > int64(ClockTolerance):
		step := clockStep{from: was.at, at: received, back: was.High - low} // the most that it can be
		s.enter(master, step)
		back = time.Duration(step.back)
	case low-was.High > int64(ClockTolerance): // forward
	default:
		now.Low, now.High = was.Low, was.High
		if low, high = max(low, was.Low), min(high, was.High); low <= high {
			now.Low, now.High = low, high
		}
	}
	s.masters[master] = &now
	return back
}

// latest is the clock that shows the latest time, when it was asked; s.mu is held.
func (s *serverClocks) latest() (latest *serverClock) {
	for _, c := range s.masters {
		if latest == nil || c.Low > latest.Low {
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
	const same = int64(beatEvery + ClockTolerance)
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

// Age is how old a record on a master can be at most that, by PTTL, has the age that it seems to
// have. whole is how long it lives in all: what is older was gone before the clock went back.
func (s *serverClocks) Age(master string, seems, whole time.Duration, now int64) time.Duration {
	all := s.steps.Load()
	if all == nil {
		return seems
	}
	oldest, back := seems, time.Duration(0)
	for _, step := range slices.Backward((*all)[master]) {
		back += time.Duration(step.back)
		age := seems + back
		before := age+ClockTolerance > time.Duration(now-step.at)
		lived := age-time.Duration(now-step.from) <= whole+ClockTolerance
		if before && lived {
			oldest = age
		}
	}
	return oldest
}

// Of is what is known of a master's clock.
func (s *serverClocks) Of(master string) (shows serverClock, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.masters[master]
	if c == nil {
		return serverClock{}, false
	}
	return *c, true
}

// Any reports whether the clock of any master has gone back.
func (s *serverClocks) Any() bool { return s.steps.Load() != nil }

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
func (ch *Channel) unsuspended() {
	if ch.Clocks.suspended(time.Now().UnixNano(), ch.Clock.Now()) {
		ch.conn.Log.Info("tiercache: the machine was suspended: what is in memory is validated")
		ch.missed("the machine was suspended", 0)
	}
}

// watchClocks takes in what the masters' clocks showed. What was read while a jump had yet to be
// noticed may count as too young, so that an epoch begins.
func (ch *Channel) watchClocks(answers []beatAnswer) {
	clocks, stepped := ch.Clocks, false
	for _, a := range answers {
		if a.shows.IsZero() { // it may not be asked
			continue
		}
		if back := clocks.note(a.master, a.sent, a.received, a.shows); back > clockJump {
			stepped = true
			ch.conn.Log.Warn("tiercache: the server's clock has gone back: what was stored before is read as that much older",
				slog.String("master", a.master), slog.Duration("by", back))
			ch.missed("the server's clock has gone back", 0)
		}
	}
	clocks.share(ch.ctx, ch.conn, ch.prefix+"tiercache:clock", ch.Clock.Now(), stepped)
}

// sharedSteps is the steps of one master as they stand in Redis: all in ms, before the moment at
// which its clock showed Now.
type sharedSteps struct {
	Now   int64      `json:"now"`
	Steps [][3]int64 `json:"steps"` // from, at, back
}

// share brings what this node knows together with what stands in Redis. It is asked at the start,
// when a step was seen, and from time to time while there are any.
func (s *serverClocks) share(ctx context.Context, conn *redisconn.Conn, key string, now int64, stepped bool) { //nolint:revive // stepped is what happened
	// only this goroutine writes knows
	if s.knows && !stepped && (!s.Any() || now-s.asked < int64(clockEvery)) {
		return
	}
	_, err := redisconn.Do(ctx, conn, func(ctx context.Context) (struct{}, error) {
		get := conn.Client.Get
		if s.Any() { // and what is needed stays
			get = func(ctx context.Context, key string) *redis.StringCmd {
				return conn.Client.GetEx(ctx, key, redisconn.Forever)
			}
		}
		text, err := get(ctx, key).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return struct{}{}, err
		}
		if mine := s.merge(text, now); mine != "" {
			err = conn.Client.Set(ctx, key, mine, redisconn.Forever).Err()
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
			conn.Log.WarnContext(ctx, "tiercache: steps of the server's clock are not kept for nodes that start later",
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
		since := now + c.Low - shared.Now*int64(time.Millisecond)
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
		shared := sharedSteps{Now: (now + c.Low) / int64(time.Millisecond)}
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
