package main

import (
	"context"
	"log/slog"
	"math"

	"github.com/warmcache/warmcache/tiercache"
)

// node replays reads through one process with memory and, where there is one, Redis, in the time of
// the trace.
//
// Which keys stay in memory is decided by the real cache: a tiercache.Cache whose entries never
// expire by themselves, as its clock is the machine's. Their age is judged here, by the clock of
// the trace, and what has expired is taken out of the cache soon after, as the cache does itself.
// Redis is a table without a limit. Loads and warm runs take no time.
type node struct {
	arm arm
	cfg settings
	ttl int64
	counts

	memory   *tiercache.Cache[uint64, stored]
	redis    map[uint64]stored // nil: there is none
	expiring *calendar
	hot      *popular
	list     *popular

	now         int64
	started     bool
	nextRestart int64
	nextRun     int64 // of hot keys and the loader
	nextAgain   int64 // of the loader, late in its TTL
	listed      int64 // when the loader's last run began
	after       int   // reads since the restart
	idle        int   // things done on time since the last read
}

// stored is a value: when its source was read, and its size.
type stored struct {
	at   int64
	size int32
}

// leastReads of a key are needed until it is called hot, as in the cache; the last of them may have
// faded a little.
const leastReads = 2.5

// never is later than every read.
const never = math.MaxInt64

func newNode(a arm, cfg settings, ttl int64) (*node, error) {
	n := &node{arm: a, cfg: cfg, ttl: ttl, nextRestart: never, nextRun: never, nextAgain: never}
	if cfg.Redis {
		n.redis = make(map[uint64]stored)
	}
	n.expiring = newCalendar(n.dead())
	n.hot = newPopular(cfg.Hot, float64(cfg.HalfLife))
	n.list = newPopular(cfg.Top, float64(listHalfLife))
	return n, n.start()
}

// start begins with an empty memory.
func (n *node) start() (err error) {
	cfg := tiercache.Config[uint64, stored]{Name: "replay", Capacity: n.cfg.Capacity, Logger: slog.New(slog.DiscardHandler)}
	if n.cfg.Bytes {
		cfg.Cost = func(_ uint64, v stored) int64 { return max(1, int64(v.size)) }
	}
	n.memory, err = tiercache.New(cfg)
	return err
}

func (n *node) close() error { return n.memory.Close() }

// dead is how long after its load an entry is of no more use.
func (n *node) dead() int64 { return n.ttl + n.staleFor() }

func (n *node) staleFor() int64 {
	switch {
	case !n.arm.stale:
		return 0
	case n.cfg.StaleFor > 0:
		return int64(n.cfg.StaleFor)
	}
	return n.ttl
}

// read replays one read.
func (n *node) read(ctx context.Context, r read) error {
	if err := n.advance(ctx, r.at); err != nil {
		return err
	}
	n.Reads++
	had, inMemory, err := n.get(ctx, r.key)
	if err != nil {
		return err
	}
	fresh := inMemory && n.now-had.at < n.ttl
	first := n.Restarts > 0 && n.after < firstReads
	if first {
		n.after++
		n.AfterReads++
	}
	if fresh {
		n.Memory++
		if first {
			n.AfterFresh++
		}
	} else {
		if !inMemory {
			had.at = math.MinInt64
		}
		if had, fresh, err = n.fromRedis(ctx, r.key, had); err != nil {
			return err
		}
	}
	switch {
	case fresh && n.arm.refresh && float64(n.now-had.at) >= n.cfg.RefreshAt*float64(n.ttl):
		err = n.load(ctx, r)
	case fresh:
	case had.at > math.MinInt64 && n.now-had.at < n.dead():
		n.Stale++
		err = n.load(ctx, r)
	default:
		n.Misses++
		if first {
			n.AfterMiss++
		}
		err = n.load(ctx, r)
	}
	n.learn(r.key)
	return err
}

// fromRedis looks the key up where memory has nothing fresh; had is the youngest of what there is.
func (n *node) fromRedis(ctx context.Context, key uint64, had stored) (_ stored, fresh bool, err error) {
	far, ok := n.redis[key]
	if !ok || far.at < had.at {
		return had, false, nil
	}
	if n.now-far.at >= n.ttl {
		return far, false, nil
	}
	n.Redis++
	return far, true, n.memory.Set(ctx, key, far)
}

func (n *node) learn(key uint64) {
	if n.arm.hot {
		n.hot.add(key, n.now)
	}
	if n.arm.list {
		n.list.add(key, n.now)
	}
}

// get reads from the real cache, so that it counts the read; the age is the caller's to judge.
func (n *node) get(ctx context.Context, key uint64) (stored, bool, error) {
	v, err := n.memory.Get(ctx, key)
	if err != nil { // without a source and without Redis a miss is ErrNotFound
		return stored{}, false, ignoreNotFound(err)
	}
	return v, true, nil
}

// load asks the source for one key and stores it in both tiers.
func (n *node) load(ctx context.Context, r read) error {
	n.Queries++
	n.Rows++
	return n.store(ctx, r.key, stored{n.now, r.size})
}

func (n *node) store(ctx context.Context, key uint64, v stored) error {
	n.keepFar(key, v)
	return n.memory.Set(ctx, key, v)
}

// keepFar stores in Redis, and notes the day on which the value ends in both tiers.
func (n *node) keepFar(key uint64, v stored) {
	if n.redis != nil {
		n.redis[key] = v
	}
	n.expiring.add(key, v.at+n.dead())
}

// advance does what was due before that time.
func (n *node) advance(ctx context.Context, at int64) error {
	if !n.started {
		n.started, n.now = true, at
		n.schedule()
		if n.cfg.Restart > 0 {
			n.nextRestart = at + int64(n.cfg.Restart)
		}
	}
	for {
		next := min(n.nextRestart, n.nextRun, n.nextAgain)
		if next > at {
			break
		}
		if n.idle++; n.idle > mostIdle {
			n.skip(at)
			break
		}
		n.now = next
		if err := n.due(ctx); err != nil {
			return err
		}
	}
	n.now, n.idle = at, 0
	return n.expire(ctx)
}

// mostIdle bounds what is done on time while nobody reads: a trace may have a gap of years, or a
// time that is wrong.
const mostIdle = 1000

// skip passes over what was due until then.
func (n *node) skip(at int64) {
	for _, next := range []*int64{&n.nextRestart, &n.nextRun, &n.nextAgain} {
		if *next <= at {
			*next = at + 1
		}
	}
}

// schedule begins the intervals anew, as an engine does when it starts.
func (n *node) schedule() {
	if n.arm.hot || n.arm.list {
		n.nextRun = n.now + int64(n.cfg.Interval)
	}
	if n.arm.again {
		n.nextAgain = n.now + n.listAge()
	}
}

// listAge is after how long a loader's run is due again, or of no use to a process that starts.
func (n *node) listAge() int64 { return max(1, int64(n.cfg.RefreshAt*float64(n.ttl))) }

// due does the earliest thing that is due by now.
func (n *node) due(ctx context.Context) error {
	if err := n.expire(ctx); err != nil {
		return err
	}
	switch n.now {
	case n.nextRestart:
		n.nextRestart += int64(n.cfg.Restart)
		return n.restart(ctx)
	case n.nextAgain:
		if n.idle > 1 { // an engine stops once nobody reads what it warms
			n.nextAgain = n.now + n.listAge()
			return nil
		}
		return n.runList(ctx)
	}
	n.nextRun += int64(n.cfg.Interval)
	if n.arm.hot {
		if err := n.replayHot(ctx); err != nil {
			return err
		}
	}
	if n.arm.list {
		return n.runList(ctx)
	}
	return nil
}

// restart empties memory and warms it as the arm does at start.
func (n *node) restart(ctx context.Context) error {
	if err := n.memory.Close(); err != nil {
		return err
	}
	if err := n.start(); err != nil {
		return err
	}
	n.Restarts++
	n.after = 0
	if n.redis == nil { // what was learned went with the process; what the source knows is still there
		n.hot = newPopular(n.cfg.Hot, float64(n.cfg.HalfLife))
	}
	n.schedule()
	if n.arm.hydrate {
		if err := n.replayHot(ctx); err != nil {
			return err
		}
	}
	if n.arm.list {
		return n.startList(ctx)
	}
	return nil
}
