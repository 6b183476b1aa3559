package httpcache_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// TestRFC_statuses has which statuses may be kept by a guess (RFC 9110 §15.1), and what is kept
// because it says so whatever its status.
func TestRFC_statuses(t *testing.T) {
	t.Parallel()
	guessed := map[int]bool{200: true, 203: true, 300: true, 301: true, 308: true, 404: true, 405: true, 410: true, 414: true, 501: true}
	for _, status := range []int{
		200, 201, 202, 203, 205, 207, 226, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411,
		412, 413, 414, 415, 416, 417, 418, 421, 422, 425, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 599,
	} {
		field := fmt.Sprint("status: ", status)
		rule{
			name: fmt.Sprint("guessed/", status), cfg: httpcache.Config{Heuristic: 0.1, DefaultTTL: time.Minute},
			fields: []string{field, "Last-Modified: Sat, 01 Jan 1999 00:00:00 GMT"}, stored: guessed[status],
		}.run(t)
		rule{name: fmt.Sprint("said/", status), fields: []string{field, "Cache-Control: max-age=60"}, stored: true}.run(t)
		rule{name: fmt.Sprint("must-understand/", status), fields: []string{field, "Cache-Control: max-age=60, no-store, must-understand"}, stored: http.StatusText(status) != ""}.run(t)
	}
}

// TestRFC_lifetimes has more of what says how long an answer is fresh, or doesn't.
func TestRFC_lifetimes(t *testing.T) {
	t.Parallel()
	future, past := "Expires: Thu, 18 Aug 2050 02:01:18 GMT", "Expires: Thu, 18 Aug 1980 02:01:18 GMT"
	for _, r := range []rule{
		{name: "9111 §5.4 Pragma of an answer", fields: []string{"Cache-Control: max-age=60", "Pragma: no-cache"}, stored: true},
		{name: "9111 §5.2.2.10 s-maxage=0", fields: []string{"Cache-Control: max-age=60, s-maxage=0"}},
		{name: "9111 §5.2.2.10 s-maxage over max-age=0", fields: []string{"Cache-Control: max-age=0, s-maxage=60"}, stored: true},
		{name: "9111 §5.2.2.10 s-maxage that is no number", fields: []string{"Cache-Control: max-age=60, s-maxage=x"}},
		{name: "9111 §5.3 Expires in the past", fields: []string{past}},
		{name: "9111 §5.3 Expires is the Date", fields: []string{"Expires: Sat, 01 Jan 2000 00:00:00 GMT", "Date: Sat, 01 Jan 2000 00:00:00 GMT"}},
		{name: "9111 §5.3 Expires, with a Date that is later", fields: []string{"Expires: Sat, 01 Jan 2000 00:01:00 GMT", "Date: Sat, 01 Jan 2000 00:02:00 GMT"}},
		{name: "9111 §5.3 Expires, with a Date that is none", fields: []string{future, "Date: now"}, stored: true},
		{name: "9111 §5.3 Expires is empty", fields: []string{"Expires: "}},
		{name: "9111 §5.2.2.1 max-age in several lines", fields: []string{"Cache-Control: public", "Cache-Control: max-age=60"}, stored: true},
		{name: "9111 §5.2.2.1 max-age without a value", fields: []string{"Cache-Control: max-age", future}},
		{name: "9111 §5.2.2.1 max-age in single quotes", fields: []string{"Cache-Control: max-age='60'"}},
		{name: "9111 §5.2.2.1 max-age with a sign", fields: []string{"Cache-Control: max-age=+60"}},
		{name: "9111 §5.2.2.1 max-age with something behind", fields: []string{"Cache-Control: max-age=60s"}},
		{name: "9111 §5.2.2.1 max-age divided by semicolons", fields: []string{"Cache-Control: max-age=60; public"}},
		{name: "9111 §5.2 empty members", fields: []string{"Cache-Control: ,, max-age=60,"}, stored: true},
		{name: "9111 §5.2 an empty line", fields: []string{"Cache-Control: ", "Cache-Control: max-age=60"}, stored: true},
		{name: "9111 §5.2 tabs", fields: []string{"Cache-Control: public,\tmax-age=60"}, stored: true},
		{name: "9111 §5.2 an extension that is quoted", fields: []string{`Cache-Control: ext="a, no-store", max-age=60`}, stored: true},
		{name: "9111 §5.2 an escaped quote", fields: []string{`Cache-Control: ext="a\", no-store", max-age=60`}, stored: true},
		{name: "9111 §5.2.2.5 no-store with a value", fields: []string{"Cache-Control: no-store=1, max-age=60"}},
		{name: "9111 §5.2.2.4 no-cache has no lifetime", fields: []string{"Cache-Control: no-cache, max-age=60", `ETag: "a"`}},
		{name: "9111 §4.2.2 immutable says no lifetime", fields: []string{"Cache-Control: immutable"}},
		{name: "9111 §3.5 Authorization with proxy-revalidate alone", asked: []string{"Authorization: Basic eDp5"}, fields: []string{"Cache-Control: max-age=60, proxy-revalidate"}},
		{name: "9111 §3.5 Authorization that is empty", asked: []string{"Authorization: "}, fields: []string{"Cache-Control: max-age=60"}},
		{name: `9111 §5.2.2.7 private="x" with Authorization`, asked: []string{"Authorization: Basic eDp5"}, fields: []string{`Cache-Control: max-age=60, private="x"`}},
		{name: "9111 §3 Set-Cookie", fields: []string{"Cache-Control: max-age=60, public", "Set-Cookie: a=b"}},
		{name: `9111 §3.1 Set-Cookie that no-cache names`, fields: []string{`Cache-Control: max-age=60, no-cache="Set-Cookie"`, "Set-Cookie: a=b"}},
		{name: "9111 §4.2.3 Date in the future", fields: []string{"Cache-Control: max-age=60", "Date: Sat, 01 Jan 2000 01:00:00 GMT"}, stored: true},
		{name: "9111 §4.2.3 two Dates that differ", fields: []string{"Cache-Control: max-age=60", "Date: Sat, 01 Jan 2000 00:00:00 GMT", "Date: Fri, 31 Dec 1999 00:00:00 GMT"}, stored: true},
		{name: "9111 §4.2.3 Age of exactly the lifetime", fields: []string{"Cache-Control: max-age=60", "Age: 60"}},
		{name: "9111 §4.2.3 Age of a second less", fields: []string{"Cache-Control: max-age=60", "Age: 59"}, stored: true},
		{name: "9213 §2.1 two lines are one dictionary", cfg: httpcache.Config{Targeted: []string{"cdn-cache-control"}}, fields: []string{"CDN-Cache-Control: public", "CDN-Cache-Control: max-age=60", "Cache-Control: no-store"}, stored: true},
		{name: "9213 §2.1 the last of two counts", cfg: httpcache.Config{Targeted: []string{"CDN-Cache-Control"}}, fields: []string{"CDN-Cache-Control: max-age=60, max-age=0", "Cache-Control: max-age=60"}},
		{name: "9213 §2.1 a parameter", cfg: httpcache.Config{Targeted: []string{"CDN-Cache-Control"}}, fields: []string{"CDN-Cache-Control: max-age=60;a=b", "Cache-Control: no-store"}, stored: true},
		{name: "9213 §2.1 false is absent", cfg: httpcache.Config{Targeted: []string{"CDN-Cache-Control"}}, fields: []string{"CDN-Cache-Control: max-age=60, no-store=?0", "Cache-Control: no-store"}, stored: true},
		{name: "9213 §2.1 a decimal is the wrong type", cfg: httpcache.Config{Targeted: []string{"CDN-Cache-Control"}}, fields: []string{"CDN-Cache-Control: max-age=60.5", "Cache-Control: max-age=60"}},
		{name: "9213 §2.2 the first that is there", cfg: httpcache.Config{Targeted: []string{"My-Cache-Control", "CDN-Cache-Control"}}, fields: []string{"CDN-Cache-Control: max-age=60", "My-Cache-Control: no-store"}},
		{name: "9213 §2.2 the next where the first is unparsable", cfg: httpcache.Config{Targeted: []string{"My-Cache-Control", "CDN-Cache-Control"}}, fields: []string{"CDN-Cache-Control: max-age=60", "My-Cache-Control: ?"}, stored: true},
		{name: "9213 §2.2 Pragma and Expires count no more", cfg: httpcache.Config{Targeted: []string{"CDN-Cache-Control"}}, fields: []string{"CDN-Cache-Control: public", future}},
	} {
		r.run(t)
	}
}

// TestRFC_partial has what a stored answer says to requests for a part of it, or with conditions.
func TestRFC_partial(t *testing.T) {
	t.Parallel()
	fields := []string{"Cache-Control: max-age=60", `ETag: "v1"`, "Content-Type: text/plain", "Vary: Foo", "Content-Location: /b", "Last-Modified: Sat, 01 Jan 1999 00:00:00 GMT"}
	for _, c := range []struct {
		name, method string
		status       int // of the stored answer
		asked        []string
		want         int
		body         string // "*" = any
	}{
		{"two ranges", "GET", 200, []string{"Range: bytes=0-1,3-4"}, 206, "*"},
		{"too many ranges are none", "GET", 200, []string{"Range: bytes=" + strings.Repeat("0-9,", 99) + "0-9"}, 200, "0123456789"},
		{"the last nothing", "GET", 200, []string{"Range: bytes=-0"}, 416, "*"},
		{"the last nothing, and something", "GET", 200, []string{"Range: bytes=-0, 0-1"}, 206, "01"},
		{"in capitals", "GET", 200, []string{"Range: BYTES=0-1"}, 206, "01"},
		{"a unit that nobody knows", "GET", 200, []string{"Range: lines=0-1"}, 200, "0123456789"},
		{"no unit", "GET", 200, []string{"Range: 0-1"}, 200, "0123456789"},
		{"beyond the end", "GET", 200, []string{"Range: bytes=8-100"}, 206, "89"},
		{"the last more than all", "GET", 200, []string{"Range: bytes=-100"}, 206, "0123456789"},
		{"HEAD", "HEAD", 200, []string{"Range: bytes=0-1"}, 200, ""},
		{"of a 404", "GET", 404, []string{"Range: bytes=0-1"}, 404, "0123456789"},
		{"If-Range without Range", "GET", 200, []string{`If-Range: "v2"`}, 200, "0123456789"},
		{"If-Range by date", "GET", 200, []string{"Range: bytes=0-1", "If-Range: Sat, 01 Jan 1999 00:00:00 GMT"}, 206, "01"},
		{"If-Range by another date", "GET", 200, []string{"Range: bytes=0-1", "If-Range: Sat, 01 Jan 2000 00:00:00 GMT"}, 200, "0123456789"},
		{"If-None-Match before Range", "GET", 200, []string{"Range: bytes=0-1", `If-None-Match: "v1"`}, 304, ""},
		{"If-None-Match that does not match, with Range", "GET", 200, []string{"Range: bytes=0-1", `If-None-Match: "v2"`}, 206, "01"},
		{"If-None-Match of a 404", "GET", 404, []string{`If-None-Match: "v1"`}, 404, "0123456789"},
		{"HEAD with If-None-Match", "HEAD", 200, []string{`If-None-Match: "v1"`}, 304, ""},
		{"If-Modified-Since in RFC 850's form", "GET", 200, []string{"If-Modified-Since: Friday, 01-Jan-99 00:00:00 GMT"}, 304, ""},
		{"If-Modified-Since of a 404", "GET", 404, []string{"If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT"}, 404, "0123456789"},
	} {
		inTime(t, "9110 §13, §14 "+c.name, func(t *testing.T) {
			w := newWorld(t, httpcache.Config{}, answers("0123456789", append(fields, fmt.Sprint("status: ", c.status))...))
			w.get("/a")
			r := w.do(c.method, "/a", c.asked...)
			if r.StatusCode != c.want || c.body != "*" && r.text != c.body {
				t.Errorf("%s %q, want %d %q", r.Status, r.text, c.want, c.body)
			}
			w.want(1, "from the cache")
			if c.want != http.StatusNotModified {
				return
			}
			for _, name := range []string{"Cache-Control", "Content-Location", "Date", "Etag", "Vary", "Age"} { // RFC 9110 §15.4.5
				if r.Header.Get(name) == "" {
					t.Errorf("the 304 has no %s", name)
				}
			}
			if r.Header.Get("Content-Type")+r.Header.Get("Content-Length") != "" {
				t.Errorf("the 304 says of a body %v", r.Header)
			}
		})
	}
}

// TestRFC_invalidating has which answers of unsafe methods end what is stored.
func TestRFC_invalidating(t *testing.T) {
	t.Parallel()
	for status, ends := range map[int]bool{200: true, 201: true, 204: true, 301: true, 302: true, 303: true, 307: true, 400: false, 404: false, 409: false, 500: false, 503: false} {
		inTime(t, fmt.Sprint("9111 §4.4 ", status), func(t *testing.T) {
			w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
				if r.Method != http.MethodGet {
					w.WriteHeader(status)
					return
				}
				answer(w, "hello", "Cache-Control: max-age=60")
			})
			for _, method := range []string{"POST", "PROPPATCH", "post"} {
				w.get("/a")
				before := w.count()
				w.do(method, "/a")
				w.get("/a")
				if asked := w.count() - before - 1; asked != map[bool]int{true: 1}[ends] {
					t.Errorf("after %s the origin was asked %d times", method, asked)
				}
			}
		})
	}
	for _, c := range []struct {
		location, url string
		ends          bool
	}{
		{"/b", "/b", true},
		{"b", "/b", true},
		{"?x", "/a?x", true},
		{"//example.com/b", "/b", true},
		{"http://example.com:80/b", "/b", true},
		{"HTTP://EXAMPLE.COM/b", "/b", true},
		{"http://example.com/b#c", "/b", true},
		{"./x/../b", "/b", true},
		{"https://example.com/b", "/b", false},
		{"http://example.com:8080/b", "/b", false},
		{"//other.com/b", "/b", false},
		{"http://example.com.evil.com/b", "/b", false},
		{"http://example.com@evil.com/b", "/b", false},
		{":", "/b", false},
	} {
		inTime(t, "9111 §4.4 Location "+strings.ReplaceAll(c.location, "/", "|"), func(t *testing.T) {
			w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
				answer(w, "hello", "Cache-Control: max-age=60", "Location: "+c.location)
			})
			w.get(c.url)
			w.do(http.MethodPost, "/a")
			w.get(c.url)
			if got := w.count() == 3; got != c.ends {
				t.Errorf("ended: %v, want %v", got, c.ends)
			}
		})
	}
}

// TestRFC_wishes has what requests may want of an answer that is stale, and of none.
func TestRFC_wishes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, asked string
		want        int // requests at the origin, of two at ages 0 and 5 of 2 seconds
	}{
		{"9111 §5.2.1.2 max-stale", "Cache-Control: max-stale", 1},
		{"9111 §5.2.1.2 max-stale is quoted", `Cache-Control: max-stale="9"`, 1},
		{"9111 §5.2.1.2 max-stale in capitals", "Cache-Control: MAX-STALE=9", 1},
		{"9111 §5.2.1.2 max-stale that is no number", "Cache-Control: max-stale=x", 2},
		{"9111 §5.2.1.1 max-age with max-stale", "Cache-Control: max-stale=9, max-age=4", 2},
		{"9111 §5.2.1.1 max-age that is met, with max-stale", "Cache-Control: max-stale=9, max-age=6", 1},
		{"9111 §5.2.1.3 min-fresh with max-stale", "Cache-Control: max-stale=9, min-fresh=1", 2},
		{"9111 §5.2.1.4 no-cache with max-stale", "Cache-Control: max-stale=9, no-cache", 2},
		{"9111 §5.2.1.7 only-if-cached with max-stale", "Cache-Control: max-stale=9, only-if-cached", 1},
	} {
		inTime(t, c.name, func(t *testing.T) {
			w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=2"))
			w.get("/a")
			after(5 * time.Second)
			if r := w.get("/a", c.asked); r.StatusCode != http.StatusOK || r.text != "hello" {
				t.Errorf("%s %q", r.Status, r.text)
			}
			w.want(c.want, c.asked)
		})
	}
	inTime(t, "9111 §5.2.1.7 only-if-cached of what is stale", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=2"))
		w.get("/a")
		after(5 * time.Second)
		if r := w.get("/a", "Cache-Control: only-if-cached"); r.StatusCode != http.StatusGatewayTimeout {
			t.Errorf("%s, want 504", r.Status)
		}
		w.want(1, "only-if-cached")
	})
}

// TestRFC_manySelecting has more and longer fields select an answer than are remembered.
func TestRFC_manySelecting(t *testing.T) {
	t.Parallel()
	inTime(t, "9111 §4.1 fields", func(t *testing.T) {
		names := []string{"A", "B", "C", "D", "E", "F"}
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
			answer(w, r.Header.Get("A")+r.Header.Get("F"), "Cache-Control: max-age=60", "Vary: "+strings.Join(names, ", "))
		})
		long := strings.Repeat("x", 3000)
		for range 2 {
			for _, c := range [][]string{{"A: 1"}, {"F: 2"}, {"A: " + long}, {"A: " + long + "y"}} {
				want := request(http.MethodGet, "/a", c...).Header
				if got := w.get("/a", c...).text; got != want.Get("A")+want.Get("F") {
					t.Errorf("%.20q… for %.20q…", got, c)
				}
			}
		}
		w.want(4, "four variants")
	})
}
