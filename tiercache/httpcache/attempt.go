package httpcache

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// attempt is one question to the origin, for a client or for nobody. Where the origin fails,
// something stored may be sent in place of its answer.
type attempt struct {
	x      *exchange
	out    writer
	outer  http.Header // what stood in the client's header before the handler
	old    *value      // what is known, stale or not good enough for this request
	oldAge time.Duration
	asked  time.Time
	fwd    string // why it was forwarded
	failed int    // the status of an answer that was not passed on, as old is better
}

// begin makes it a question to which e is known already. Its writer has yet to be set.
func (a *attempt) begin(x *exchange, e entry) {
	a.x, a.outer, a.asked = x, maps.Clone(x.w.Header()), time.Now()
	a.old, a.oldAge = answerOf(e), e.Age
	a.fwd = x.why(a.old)
}

// request is the handler's own request.
func (a *attempt) request(ctx context.Context) *http.Request {
	return ownRequest(a.x.r).WithContext(ctx)
}

// own is the header without what stood there before the handler.
func (a *attempt) own(h http.Header) http.Header {
	own := make(http.Header, len(h))
	for name, values := range h {
		if before, had := a.outer[name]; !had || !slices.Equal(before, values) {
			own[name] = slices.Clip(values)
		}
	}
	return own
}

// answer is what the origin says with a header. What stood there before is not stored, but it may
// say that the answer must not be.
func (a *attempt) answer(status int, h http.Header, tags []string) *answer {
	r, now := a.x.r, time.Now()
	said := &answer{
		status: status, header: a.own(h), tags: tags, asked: a.asked, came: now, origin: siteOf(r),
		credential: a.x.is.credential, authorized: a.x.is.authorized,
	}
	for name, values := range a.outer {
		if saysHowToStore(name, a.x.c.cfg.Targeted) && slices.Equal(h[name], values) {
			if said.beside == nil {
				said.beside = make(http.Header)
			}
			said.beside[name] = values
		}
	}
	return said
}

func saysHowToStore(name string, targeted []string) bool {
	switch name {
	case "Cache-Control", "Expires", "Vary":
		return true
	default:
		return slices.ContainsFunc(targeted, func(t string) bool { return strings.EqualFold(t, name) })
	}
}

// fails reports whether a status is a failure in whose place old is to be sent.
func (a *attempt) fails(status int) bool {
	if status < http.StatusInternalServerError || !a.mayServeOld() {
		return false
	}
	a.failed = status
	return true
}

// mayServeOld reports whether what is known may be served as the origin has failed.
func (a *attempt) mayServeOld() bool {
	return a.old != nil && a.old.onError > 0 && a.over() <= a.old.onError && !a.old.strict && !a.x.want.noCache
}

// over is how far what is known is beyond its freshness.
func (a *attempt) over() time.Duration {
	return a.old.current(a.oldAge+time.Since(a.asked)) - a.old.lifetime
}

// reset takes out of the client's header what the handler has put there.
func (a *attempt) reset() {
	h := a.x.w.Header()
	clear(h)
	maps.Copy(h, a.outer)
}

// serveOld serves what is known, as the origin has failed.
func (a *attempt) serveOld() {
	if a.x.quiet {
		return
	}
	age := a.old.current(a.oldAge + time.Since(a.asked))
	a.reset()
	a.x.stale(a.old, age, a.failed)
}

// broken is called where the handler has panicked, or ended its goroutine. It reports whether what
// is known may be served; else the panic goes on, to net/http.
func (a *attempt) broken() bool {
	a.out.end()
	serve := (a.out.fate == undecided || a.out.fate == dropped) && a.mayServeOld()
	if !serve {
		a.x.c.counts.errors.add()
	}
	return serve
}

// rescue serves what is known in the place of a panic. An abort is left to net/http, unless the
// origin had failed before it.
func (a *attempt) rescue(panicked any) {
	switch {
	case panicked == nil: // Goexit
		return
	case a.failed != 0:
	case panicked == http.ErrAbortHandler: //nolint:errorlint // net/http compares as well
		a.x.c.counts.errors.add()
		panic(panicked)
	default:
		a.x.c.cfg.Logger.Error("httpcache: the handler panicked; a stale answer is served",
			slog.String("url", a.x.what.key), slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
		a.failed = http.StatusInternalServerError
	}
	a.serveOld()
}
