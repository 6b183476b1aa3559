package backplane

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/failure"
)

// listen holds one subscription after the other until close. go-redis's own Channel never notices a
// connection that is half open, nor one to a master that is none any more. A subscription that
// brings no heartbeat is left to itself, as closing it may hang on its connection, and replaced.
func (ch *Channel) listen() {
	defer ch.done.Done()
	const first, most = 20 * time.Millisecond, 500 * time.Millisecond
	for pause := first; ch.ctx.Err() == nil; {
		ctx, cancel := context.WithCancel(ch.ctx)
		s := &session{ch: ch, ctx: ctx, ended: make(chan error, 1)}
		s.alive.Store(ch.Clock.Now())
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
func (ch *Channel) settle(err error) {
	select {
	case ch.first <- err:
	default:
	}
}

var errSilent = errors.New("no heartbeat has come back")

// session is one subscription.
type session struct {
	ch     *Channel
	ctx    context.Context //nolint:containedctx // ends when the session is given up
	alive  atomic.Int64    // when it last showed that it is
	useful atomic.Bool     // a heartbeat has come through it
	looked int64           // when numbers were last looked for that are missing

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
		// its connection may hang, or a hook of the client have panicked in the middle of something
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-tick.C:
			if s.ch.ctx.Err() == nil && s.ch.Clock.Now()-s.alive.Load() > int64(silentFor) {
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
	sub := ch.conn.Client.Subscribe(s.ctx, ch.Shared(), own)
	defer sub.Close() //nolint:errcheck // it is given up
	confirmed := 0
	for s.ctx.Err() == nil {
		msg, err := sub.ReceiveTimeout(s.ctx, reorderWindow/2)
		if s.ctx.Err() != nil {
			return nil
		}
		now := ch.Clock.Now()
		switch m := msg.(type) {
		case *redis.Subscription:
			if confirmed++; confirmed%2 == 0 { // both channels
				s.alive.Store(now)
				s.confirmed.Store(true)
				ch.gapEnds(now)
				ch.begin("subscribed", 0)
				ch.beatNow()
			}
		case *redis.Message:
			if ch.handle(m.Payload, now) {
				s.alive.Store(now)
				s.useful.Store(true)
			}
		}
		if now-s.looked >= int64(reorderWindow/2) { // it looks at every node of the fleet
			s.looked = now
			ch.overdue(now)
		}
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
func (ch *Channel) overdue(now int64) {
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
func (ch *Channel) meeting() int64 { return ch.Subscribed.Load() + ch.digestPause()*6/5 }

// handle applies one message, and reports whether it was a heartbeat of our own.
func (ch *Channel) handle(text string, now int64) bool {
	n, err := parseNotice(text)
	if err != nil {
		return false
	}
	if n.Kind == KindBeat {
		if n.Node == ch.Node() && !ch.mine(int64(n.Number)) {
			ch.renamed(now)
			return false
		}
		if n.Node == ch.Node() {
			ch.beaten(n.Rest, int64(n.Number))
		}
		return n.Node == ch.Node()
	}
	if n.Node == ch.Node() { // what we did ourselves was done when it was sent
		return false
	}
	ch.pubsMu.Lock()
	meeting := ch.meeting()
	if now < meeting && ch.pubs[n.Node] == nil {
		ch.unsure = true
		ch.meetStranger(n)
	}
	lost := ch.pubs.hear(n, now, meeting)
	ch.pubsMu.Unlock()
	if lost > 0 {
		ch.missed("a node is far ahead", lost)
	}
	if n.Kind == KindDigest {
		return false
	}
	ch.Received.Add(1)
	ch.mu.Lock()
	c := ch.caches[n.Cache]
	ch.mu.Unlock()
	if c != nil {
		c.Notice(n)
	}
	return false
}
