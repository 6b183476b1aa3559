package httpcache

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// serve answers with what is stored, if that will do: it is fresh, or stale with leave.
func (x *exchange) serve(e entry) bool {
	v := e.Value
	age := v.current(e.Age)
	left := v.lifetime - age
	if left > 0 {
		if e.Stale || !x.want.content(age, left) || x.is.precondition {
			return false // it must be validated, or will not do
		}
		x.hit(v, age)
		return true
	}
	if v.strict || x.want.noCache || x.is.precondition {
		return false
	}
	switch over := -left; {
	case x.want.some && x.want.tolerates(age, over):
	case v.behind > 0 && over <= v.behind && !v.personal && (!x.want.some || x.want.maxAge < 0 && x.want.minFresh < 0):
		x.refresh(v)
	default:
		return false
	}
	x.stale(v, age, 0)
	return true
}

// hit answers with what is fresh.
func (x *exchange) hit(v *value, age time.Duration) {
	text, line := v.show(x.c.status, age)
	x.send(v, text, x.c.counts.hit(x.key), line)
}

// stale answers with what is beyond its freshness; failed is the status of an origin that has
// failed, or 0.
func (x *exchange) stale(v *value, age time.Duration, failed int) {
	line := x.c.line("stale", "; fwd-status="+strconv.Itoa(failed))
	if failed == 0 {
		line = x.c.line("", "; hit; ttl="+strconv.FormatInt(int64((v.lifetime-age)/time.Second), 10))
	}
	x.reuse(v, age, &x.c.counts.stale, line)
}

// reuse answers with what is stored; line is what Cache-Status says of it.
func (x *exchange) reuse(v *value, age time.Duration, count *counter, line string) {
	text, _ := v.show(x.c.status, age)
	x.send(v, text, count, line)
}

// send writes what is stored. age is a text.
func (x *exchange) send(v *value, age string, count *counter, line string) {
	count.add()
	h := x.w.Header()
	var before []string
	if line != "" && len(h) > 0 {
		before = h[statusField]
	}
	spare := v.writeTo(h, 3)
	spare[0] = age
	h["Age"] = spare[0:1:1]
	if line != "" {
		spare[1] = line
		h[statusField] = spare[1:2:2]
		if len(v.told)+len(before) > 0 {
			h[statusField] = slices.Concat(before, v.told, h[statusField])
		}
	}
	if x.conditional(v, h) {
		return
	}
	if v.status == http.StatusOK && x.is.partial && x.r.Method == http.MethodGet {
		x.sendRange(v)
		return
	}
	if !bodiless(v.status) && !x.counted(len(v.body)) {
		spare[2] = v.size()
		h["Content-Length"] = spare[2:3:3]
	}
	x.w.WriteHeader(v.status)
	if x.r.Method != http.MethodHead && len(v.body) > 0 {
		_, _ = x.w.Write(v.body) // the client has gone
	}
}

// counted reports whether net/http finds the length of a body by itself, as it has all of it before
// the header goes out. Each field in the header costs; beyond the eighth all of them cost more.
func (x *exchange) counted(size int) bool {
	const buffer = 2048 // net/http's
	return size < buffer && x.r.Method == http.MethodGet && x.r.Context().Value(http.ServerContextKey) != nil
}

// conditional answers 304 where the client has what is stored.
func (x *exchange) conditional(v *value, h http.Header) bool {
	if v.status != http.StatusOK || !x.is.conditional {
		return false
	}
	if !conditionOf(x.r.Header).met(v.etag, v.modified) {
		return false
	}
	delete(h, "Content-Type")
	delete(h, "Content-Encoding")
	x.w.WriteHeader(http.StatusNotModified)
	return true
}

// sendRange answers with a part of what is stored, or 416 (RFC 9110 §14).
func (x *exchange) sendRange(v *value) {
	r := ownRequest(x.r)
	unconditional(r.Header) // it did not match
	var modified time.Time
	if v.lastMod != "" {
		modified = time.Unix(v.modified, 0)
	}
	wanted, ok := bytesOf(first(r.Header["Range"]), len(v.body))
	if r.Header.Set("Range", wanted); !ok {
		r.Header.Del("Range")
	}
	if isDate := !strings.Contains(r.Header.Get("If-Range"), `"`); isDate && r.Header["If-Range"] != nil && !v.strongDate() {
		r.Header.Del("Range")
	}
	http.ServeContent(x.w, r, "", modified, bytes.NewReader(v.body))
}

// bytesOf is a Range as [http.ServeContent] reads it: in lower case, and without last zero bytes,
// which no range has; where that is all, it is one beyond the end. A unit that is not known is to
// be ignored.
func bytesOf(text string, size int) (wanted string, ok bool) {
	unit, specs, _ := strings.Cut(text, "=")
	if !strings.EqualFold(strings.Trim(unit, " \t"), "bytes") {
		return "", false
	}
	var kept []string
	for spec := range members(specs, ',') {
		if last, isLast := strings.CutPrefix(spec, "-"); !isLast || strings.Trim(last, "0") != "" {
			kept = append(kept, spec)
		}
	}
	if len(kept) == 0 {
		kept = []string{strconv.Itoa(size) + "-"}
	}
	return "bytes=" + strings.Join(kept, ","), true
}

// strongDate reports whether the answer's Last-Modified tells it from all others: a second or more
// before its Date, nothing else can have been made in the same second (RFC 9110 §8.8.2.2).
func (v *value) strongDate() bool {
	at, ok := dateOf(v.all("Date"), time.Now())
	return ok && v.lastMod != "" && at.Unix() > v.modified
}

// all is the values of a field.
func (v *value) all(name string) []string {
	for i := range v.fields {
		if f := &v.fields[i]; f.name == name {
			return v.texts[f.lo:f.hi]
		}
	}
	return nil
}

// size is the length of the body as a field.
func (v *value) size() string {
	if s := v.sizeText.Load(); s != nil {
		return *s
	}
	s := strconv.Itoa(len(v.body))
	v.sizeText.Store(&s)
	return s
}

// timeOver is the answer to a request that has waited for another's until its own time was over, or
// its client has gone.
func (x *exchange) timeOver() {
	if errors.Is(x.r.Context().Err(), context.DeadlineExceeded) {
		x.c.counts.errors.add()
	}
	x.c.addStatus(x.w.Header(), x.c.line("", "; detail=timeout"))
	http.Error(x.w, "the request's time was over before the answer had come", http.StatusGatewayTimeout)
}

// unavailable is the answer where only the cache may be asked, and does not know.
func (x *exchange) unavailable() {
	x.c.counts.errors.add()
	h := x.w.Header()
	x.c.addStatus(h, x.c.line("", "; detail=only-if-cached"))
	http.Error(x.w, "not in the cache, and only-if-cached", http.StatusGatewayTimeout)
}
