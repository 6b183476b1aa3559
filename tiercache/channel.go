package tiercache

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/clock"
	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// channel is how nodes hear of each other's invalidations, and how this one knows whether it does:
// one subscription a process for all its caches. It has two goroutines, one that listens and one
// that beats.
//
// Trust runs from the moment at which a heartbeat was sent, not at which it came: one that lay in a
// buffer while this process, or the server, was frozen proves nothing about now.
type channel struct {
	r     *Redis
	clock clock.Clock
	identity

	seq   atomic.Uint64 // the last number given to a notice of this node
	epoch atomic.Uint64 // grows whenever a notice may have been missed
	trust atomic.Int64  // until then, on clock, notices count as heard

	progress
	losses     atomic.Uint64 // how often notices were missed, or may have been and no number tells; see gap.go
	subscribed atomic.Int64  // when the present subscription began

	received, lostCount atomic.Uint64
	heardNodes          atomic.Int64 // how many others have been heard lately

	mu     sync.Mutex
	caches map[string]noticed
	beats  map[string]beatTimes // per master

	lineage   *lineage                        // the beating goroutine's own
	histories atomic.Pointer[map[string]bool] // that it knows

	pubsMu        sync.Mutex
	pubs          publishers
	listening     bool         // a subscription stands
	resumed       bool         // and is not the first
	unsure        bool         // nodes were heard for the first time soon after the subscription; see meeting
	candidate     int64        // digests of everybody alive are awaited since then; see settled
	candidateSent int64        // and prove then that what was sent before this has been heard
	settled       atomic.Int64 // what any living node sent before then has been heard

	ctx    context.Context //nolint:containedctx // of the channel's goroutines
	cancel context.CancelFunc
	done   sync.WaitGroup
	first  chan error // the outcome of the first attempt to be coherent

	evaluates atomic.Bool // the server has run a script
	missing   missing
}

// noticed is a cache that notices are for.
type noticed interface {
	onNotice(n notice)
	onEpoch()            // notices may have been missed
	onServer(t takeover) // another server answers in the place of one
	onBeat(now int64)    // Redis has just answered
	pending() int        // how many invalidations Redis has yet to hear of
}

const (
	beatEvery   = 400 * time.Millisecond
	trustFor    = 1200 * time.Millisecond
	digestEvery = time.Second
	// digestNodes is the size of fleet from which on digests thin out: all nodes together send a
	// hundred a second.
	digestNodes = 100
	silentFor   = 1500 * time.Millisecond
	firstWait   = 300 * time.Millisecond
)

func newChannel(r *Redis) *channel {
	ch := &channel{
		r: r, clock: clock.Since(time.Now()),
		caches: make(map[string]noticed), beats: make(map[string]beatTimes), lineage: newLineage(), pubs: make(publishers),
		first: make(chan error, 1),
	}
	ch.rename()
	ch.ctx, ch.cancel = context.WithCancel(context.Background()) //nolint:forbidigo // ends with Redis.Close
	return ch
}

// start begins to listen, and waits a moment for the first heartbeat to come back, so that a cache
// that is used at once doesn't begin degraded. The error is one that waiting will not mend: a wrong
// password, no right to the channels.
func (ch *channel) start() error {
	ch.done.Add(2)
	go ch.listen()
	go ch.beat()
	if ch.r.conn.Masters.Cluster != nil {
		ch.done.Add(1)
		go ch.survey()
	}
	timer := time.NewTimer(firstWait)
	defer timer.Stop()
	for {
		select {
		case err := <-ch.first:
			if forbidden(err) {
				ch.close()
				return err
			}
			if err == nil && (!ch.evaluates.Load() || !ch.coherent()) { // the other one is to come
				continue
			}
			if err == nil { // the ages of what is read depend on what others have seen of the server's clock
				select {
				case <-ch.r.clocks.met:
				case <-timer.C:
				}
			}
			if !errors.Is(err, redisconn.ErrNoAnswer) { // else it may only be busy
				return nil
			}
		case <-timer.C:
			return nil
		}
	}
}

// forbidden reports whether the server answered that we may not.
func forbidden(err error) bool {
	if errors.Is(err, redisconn.ErrReplica) || errors.Is(err, redisconn.ErrClusterNode) || errors.Is(err, errLacks) {
		return true
	}
	for _, prefix := range []string{"NOAUTH", "WRONGPASS", "NOPERM"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// close ends the goroutines, and waits for them as long as for loads: a client may hang on a
// connection, whatever its context says.
func (ch *channel) close() {
	ch.cancel()
	ended := make(chan struct{})
	go func() {
		ch.done.Wait()
		close(ended)
	}()
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}

// shared is the channel of all nodes, and own this one's. Channels know no numbers of databases, so
// the name tells; that of database 0 is as it always was.
func (ch *channel) shared() string {
	name := ch.r.cfg.Prefix + "tiercache:notices"
	if db := redisconn.Database(ch.r.conn.Client); db != 0 {
		name += "@" + strconv.Itoa(db)
	}
	return name
}
func (ch *channel) own() string { return ch.r.cfg.Prefix + "tiercache:beat:" + ch.node() }

// next numbers a notice of this node. Each number must reach Redis sometime, or the others see a
// gap.
func (ch *channel) next(kind noticeKind, cache, rest string) notice {
	return notice{kind: kind, node: ch.node(), number: ch.seq.Add(1), cache: cache, rest: rest}
}

// coherent reports whether notices are heard at this moment.
func (ch *channel) coherent() bool { return ch.clock.Now() < ch.trust.Load() }

func (ch *channel) register(name string, c noticed) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.caches[name] = c
}

func (ch *channel) unregister(name string) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	delete(ch.caches, name)
}

func (ch *channel) all() []noticed {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return slices.Collect(maps.Values(ch.caches))
}

// missed begins a new epoch: what is in memory must be validated before it counts as fresh.
func (ch *channel) missed(why string, n int) {
	ch.losses.Add(1)
	ch.begin(why, n)
}

// begin begins an epoch.
func (ch *channel) begin(why string, n int) {
	ch.epoch.Add(1)
	ch.lostCount.Add(uint64(n))
	ch.r.cfg.Logger.Debug("tiercache: notices may have been missed", slog.String("why", why), slog.Int("lost", n))
	for _, c := range ch.all() {
		c.onEpoch()
	}
}

// listen holds one subscription after the other until close. go-redis's own Channel never notices a
// connection that is half open, nor one to a master that is none any more. A subscription that
// brings no heartbeat is left to itself, as closing it may hang on its connection, and replaced.
func (ch *channel) listen() {
	defer ch.done.Done()
	const first, most = 20 * time.Millisecond, 500 * time.Millisecond
	for pause := first; ch.ctx.Err() == nil; {
		ctx, cancel := context.WithCancel(ch.ctx)
		s := &session{ch: ch, ctx: ctx, ended: make(chan error, 1)}
		s.alive.Store(ch.clock.Now())
		go func() { s.ended <- s.receive() }()
		err := s.watch()
		cancel()
		ch.gapBegins(s)
		if ch.ctx.Err() != nil {
			return
		}
		ch.settle(ch.lacks("SUBSCRIBE", err))
		if pause = min(2*pause, most); s.useful.Load() {
			pause = first
		}
		select {
		case <-ch.ctx.Done():
		case <-time.After(pause):
		}
	}
}

// settle tells start how it went.
func (ch *channel) settle(err error) {
	select {
	case ch.first <- err:
	default:
	}
}

var errSilent = errors.New("no heartbeat has come back")

// session is one subscription.
type session struct {
	ch     *channel
	ctx    context.Context //nolint:containedctx // ends when the session is given up
	alive  atomic.Int64    // when it last showed that it is
	useful atomic.Bool     // a heartbeat has come through it

	confirmed atomic.Bool // the server has confirmed it
	ended     chan error
}

// watch waits until the session has ended or must be given up.
func (s *session) watch() error {
	tick := time.NewTicker(beatEvery / 4)
	defer tick.Stop()
	for {
		select {
		case err := <-s.ended:
			return err
		case <-s.ctx.Done(): // its connection may hang, or a hook of the client have panicked in the middle of something
			return s.ctx.Err()
		case <-tick.C:
			if s.ch.ctx.Err() == nil && s.ch.clock.Now()-s.alive.Load() > int64(silentFor) {
				return errSilent
			}
		}
	}
}

func (s *session) receive() (err error) {
	defer func() {
		if v := recover(); v != nil { // go-redis trusts the server's pushes to be well formed
			err = failure.NewPanicError(v)
		}
	}()
	ch := s.ch
	own := ch.own()
	sub := ch.r.conn.Client.Subscribe(s.ctx, ch.shared(), own)
	defer sub.Close() //nolint:errcheck // it is given up
	confirmed := 0
	for s.ctx.Err() == nil {
		msg, err := sub.ReceiveTimeout(s.ctx, reorderWindow/2)
		if s.ctx.Err() != nil {
			return nil
		}
		now := ch.clock.Now()
		switch m := msg.(type) {
		case *redis.Subscription:
			if confirmed++; confirmed%2 == 0 { // both channels
				s.alive.Store(now)
				s.confirmed.Store(true)
				ch.gapEnds(now)
				ch.begin("subscribed", 0)
			}
		case *redis.Message:
			if ch.handle(m.Payload, now) {
				s.alive.Store(now)
				s.useful.Store(true)
			}
		}
		ch.overdue(now)
		if own != ch.own() {
			return errTwin
		}
		var timeout net.Error
		if err != nil && (!errors.As(err, &timeout) || !timeout.Timeout()) {
			return err
		}
	}
	return nil
}

// overdue looks for numbers that have been missing for too long.
func (ch *channel) overdue(now int64) {
	ch.pubsMu.Lock()
	lost := ch.pubs.lost(now)
	ch.giveUp(now)
	met := ch.unsure && now >= ch.meeting()
	if met {
		ch.unsure = false
	}
	ch.heardNodes.Store(int64(len(ch.pubs)))
	ch.pubsMu.Unlock()
	switch {
	case lost > 0:
		ch.missed("numbers are missing", lost)
	case met:
		ch.begin("all nodes have been heard", 0)
	}
}

// meeting is until when all nodes that are alive are heard for the first time after a subscription.
// What one of them said since then may have been lost: its first number doesn't tell. One epoch in
// the end covers all of them.
func (ch *channel) meeting() int64 { return ch.subscribed.Load() + ch.digestPause()*6/5 }

// handle applies one message, and reports whether it was a heartbeat of our own.
func (ch *channel) handle(text string, now int64) bool {
	n, err := parseNotice(text)
	if err != nil {
		return false
	}
	if n.kind == noticeBeat {
		if n.node == ch.node() && !ch.mine(int64(n.number)) {
			ch.renamed(now)
			return false
		}
		if n.node == ch.node() {
			ch.beaten(n.rest, int64(n.number))
		}
		return n.node == ch.node()
	}
	if n.node == ch.node() { // what we did ourselves was done when it was sent
		return false
	}
	ch.pubsMu.Lock()
	meeting := ch.meeting()
	if now < meeting && ch.pubs[n.node] == nil {
		ch.unsure = true
		ch.meetStranger(n)
	}
	lost := ch.pubs.hear(n, now, meeting)
	ch.pubsMu.Unlock()
	if lost > 0 {
		ch.missed("a node is far ahead", lost)
	}
	if n.kind == noticeDigest {
		return false
	}
	ch.received.Add(1)
	ch.mu.Lock()
	c := ch.caches[n.cache]
	ch.mu.Unlock()
	if c != nil {
		c.onNotice(n)
	}
	return false
}
