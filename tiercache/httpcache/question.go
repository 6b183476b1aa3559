package httpcache

import (
	"context"
	"errors"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// question asks together with everybody else who wants to know the same.
func (x *exchange) question(e entry) bool {
	q := &question{
		led: make(chan *entry), left: make(chan struct{}),
		said: make(chan said, 1), got: make(chan got, 1), late: make(chan func(), 1),
	}
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	look := x.c.tiers.GetOrReload
	if e.Value != nil && !e.Stale || x.want.noCache {
		look, x.forced = x.c.tiers.Reload, true // what is there, or is on its way, is not for this request
	}
	go func() {
		defer func() { q.got <- q.is }()
		q.is.err = errLeft // stands if this panics
		q.is.entry, q.is.err = look(ctx, x.key, q.load)
	}()
	timer := time.NewTimer(x.c.cfg.WaitFor)
	defer timer.Stop()
	select {
	case old := <-q.led:
		x.lead(q, old)
		if x.c.cfg.Redis == nil {
			<-q.got // it is stored by now, or next to it; with Redis, who asks meanwhile waits for it
		}
		return true
	case g := <-q.got:
		return x.evaluate(g, e)
	case <-timer.C:
		close(q.left)
		x.alone(x.why(answerOf(e)), &x.c.counts.waited, e)
		return true
	case <-x.r.Context().Done():
		close(q.left)
		x.timeOver()
		return true
	}
}

// evaluate uses what somebody else has found, if it will do for this request too. e is what was
// known before.
func (x *exchange) evaluate(g got, e entry) bool {
	v := g.entry.Value
	switch {
	case errors.Is(g.err, errLeft):
		return false // who was to ask has gone
	case x.r.Context().Err() != nil:
		x.timeOver()
		return true
	case g.err != nil || v == nil:
		x.alone(x.why(answerOf(e)), &x.c.counts.waited, e)
		return true
	case v.kind == kindPass:
		x.marked(v)
		return true
	case v.kind == kindIndex:
		if !x.descend(v) {
			x.alone("vary-miss", &x.c.counts.request, entry{})
			return true
		}
		return false
	}
	age := v.current(g.entry.Age)
	switch {
	case g.entry.Stale && v.onError > 0 && age-v.lifetime <= v.onError && !x.want.noCache:
		x.stale(v, age, 0)
	case !g.entry.Stale && age < v.lifetime && g.entry.Source == tiercache.FromSource:
		x.reuse(v, age, &x.c.counts.collapsed, x.c.line(x.why(nil), "; collapsed"))
	case !g.entry.Stale && age < v.lifetime && (x.forced || x.want.content(age, v.lifetime-age)):
		x.hit(v, age)
	default:
		x.alone(x.why(v), &x.c.counts.waited, g.entry)
	}
	return true
}

// question is one request on its way through GetOrReload, whose loader waits for what this
// request's own goroutine hears from the handler.
type question struct {
	led  chan *entry   // this request is to ask; what is known already
	left chan struct{} // is closed when it no longer waits
	said chan said     // what the handler said
	got  chan got
	is   got
	late chan func() // gets, right after led, what is to be done when the time is over
}

// said is what a load has come to.
type said struct {
	v     *value // to be stored
	err   error
	place func(ctx context.Context) *value // makes what is to be stored, where that takes more
}

// got is what GetOrReload has returned.
type got struct {
	entry entry
	err   error
}

// leftError is a load that never asked: nobody failed, and others may try.
type leftError string

// Error says why.
func (e leftError) Error() string { return "httpcache: " + string(e) }

// Is makes it a load that was given up, which leaves no back-off.
func (e leftError) Is(target error) bool { return target == context.Canceled || target == error(e) }

const (
	errLeft = leftError("who was to ask has gone")
	errHalf = leftError("the answer is not whole")
)

// load is the loader.
func (q *question) load(ctx context.Context, old *entry) (*value, error) {
	select {
	case q.led <- old:
	case <-q.left:
		return nil, errLeft
	case <-ctx.Done():
		return nil, errLeft
	}
	select {
	case s := <-q.said:
		return s.settle(ctx)
	case <-ctx.Done():
		(<-q.late)()
		return &value{kind: kindPass}, nil
	}
}

func (s *said) settle(ctx context.Context) (*value, error) {
	if s.place != nil {
		return s.place(ctx), nil
	}
	return s.v, s.err
}
