package httpcache_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// TestSafetyOfRequests has the faults that come from what a handler, or what stands before the
// cache, does to a request.
func TestSafetyOfRequests(t *testing.T) {
	t.Parallel()
	inTime(t, "a credential that the handler takes out of its request", takenCredential)
	inTime(t, "a coding that the handler takes out of its request", takenCoding)
	inTime(t, "a write whose URL the handler changes", changedURL)
	inTime(t, "a refresh has the values of the path", pathValues)
	inTime(t, "a refresh is nobody's", nobodysRefresh)
	inTime(t, "what forbids storing may stand there before the handler", outerForbids)
	inTime(t, "a request whose time is over", timeOver)
	inTime(t, "a write that asks for an upgrade", upgradedWrite)
	inTime(t, "a separator in a query", separators)
	inTime(t, "no time to wait", noTime)
	t.Run("a connection that the handler takes", func(t *testing.T) {
		t.Parallel()
		takenConnection(t)
	})
}

func takenCredential(t *testing.T) {
	for _, name := range []string{"Authorization", "Cookie"} {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
			who := r.Header.Get(name)
			r.Header.Del(name) // as a proxy does that has seen to it
			answer(w, "for "+who, "Cache-Control: max-age=60")
		})
		w.get("http://example.com/a", name+": secret")
		if got := body(t, w.get("http://example.com/a")); got != "for " {
			t.Errorf("%s: %q was stored", name, got)
		}
	}
}

func takenCoding(t *testing.T) {
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
		fields := []string{"Cache-Control: max-age=60"}
		if r.Header.Get("Accept-Encoding") == "gzip" {
			fields = append(fields, "Content-Encoding: gzip", "Vary: Accept-Encoding")
		}
		r.Header.Del("Accept-Encoding") // so that nobody behind compresses once more
		answer(w, "hello", fields...)
	})
	w.get("http://example.com/a", "Accept-Encoding: gzip")
	if got := w.get("http://example.com/a").Header.Get("Content-Encoding"); got != "" {
		t.Errorf("%s for who can't read it", got)
	}
}

func changedURL(t *testing.T) {
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
		r.URL.Path, r.RequestURI, r.Host = "/inner"+r.URL.Path, "/inner", "inner"
		answer(w, "hello", "Cache-Control: max-age=60")
	})
	w.get("http://example.com/a")
	w.do(http.MethodPost, "http://example.com/a")
	w.get("http://example.com/a")
	w.want(3, "after the write")
}

func pathValues(t *testing.T) {
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
		answer(w, "brand "+r.PathValue("name"), "Cache-Control: max-age=2, stale-while-revalidate=60")
	})
	mux := http.NewServeMux()
	mux.Handle("GET /brands/{name}", w.handler)
	w.handler = mux
	w.get("http://example.com/brands/a")
	after(3 * time.Second)
	w.get("http://example.com/brands/a")
	after(0)
	if got := body(t, w.get("http://example.com/brands/a")); got != "brand a" {
		t.Errorf("%q was stored by a refresh", got)
	}
	w.want(2, "refreshed")
}

type userKey struct{}

func nobodysRefresh(t *testing.T) {
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
		user, _ := r.Context().Value(userKey{}).(string)
		answer(w, "for "+user, "Cache-Control: max-age=2, stale-while-revalidate=60")
	})
	inner := w.handler
	w.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookie := r.Header.Get("Cookie"); cookie != "" { // as a middleware does that knows sessions
			r = r.WithContext(context.WithValue(r.Context(), userKey{}, cookie))
		}
		inner.ServeHTTP(w, r)
	})
	w.get("http://example.com/a")
	after(3 * time.Second)
	w.get("http://example.com/a", "Cookie: alice")
	after(0)
	if got := body(t, w.get("http://example.com/a")); got != "for " {
		t.Errorf("%q was stored by a refresh", got)
	}
	w.want(2, "refreshed")
}

func outerForbids(t *testing.T) {
	for _, field := range []string{"Cache-Control: no-store", "Cache-Control: private", "Vary: *", "Expires: 0"} {
		w := newWorld(t, httpcache.Config{DefaultTTL: time.Minute}, answers("hello"))
		inner := w.handler
		w.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name, value, _ := strings.Cut(field, ": ")
			w.Header().Set(name, value)
			inner.ServeHTTP(w, r)
		})
		w.get("http://example.com/a")
		w.get("http://example.com/a")
		w.want(2, field)
	}
}

func timeOver(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, _ int) {
		<-gate
		answer(w, "hello", "Cache-Control: max-age=60")
	})
	go w.get("http://example.com/a")
	after(0)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, request(http.MethodGet, "http://example.com/a").WithContext(ctx))
	if rec.Code != http.StatusGatewayTimeout {
		t.Errorf("%d %q, want 504", rec.Code, rec.Body)
	}
	close(gate)
	after(0)
}

func upgradedWrite(t *testing.T) {
	w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
	w.get("http://example.com/a")
	w.do(http.MethodPost, "http://example.com/a", "Upgrade: h2c", "Connection: Upgrade")
	w.get("http://example.com/a")
	w.want(3, "after the write")
}

// separators asks as only a program can: what is in a query is no part of a key.
func separators(t *testing.T) {
	w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
	r := request(http.MethodGet, "http://example.com/a?b")
	r.URL.RawQuery, r.RequestURI = "b\nh=evil", ""
	w.handler.ServeHTTP(httptest.NewRecorder(), r)
	w.get("http://example.com/a?b", "X-Forwarded-Host: evil")
	w.want(2, "another host")
}

// noTime has every load time out as soon as it has begun.
func noTime(t *testing.T) {
	w := newWorld(t, httpcache.Config{LoadTimeout: time.Nanosecond, Logger: quiet()}, func(w http.ResponseWriter, _ *http.Request, _ int) {
		after(time.Millisecond)
		answer(w, "hello", "Cache-Control: max-age=60")
	})
	for range 20 {
		if r := w.get("http://example.com/a"); r.StatusCode != http.StatusOK || r.text != "hello" {
			t.Errorf("%s %q", r.Status, r.text)
		}
		_ = w.cache.Clear(t.Context())
	}
}

func takenConnection(t *testing.T) {
	var logged strings.Builder
	w := newWorld(t, httpcache.Config{DefaultTTL: time.Minute}, func(w http.ResponseWriter, r *http.Request, n int) {
		if n > 1 && r.Method == http.MethodGet {
			answer(w, "hello")
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close() //nolint:errcheck // its end is all that matters
		_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nraw")
		_ = rw.Flush()
	})
	server := httptest.NewUnstartedServer(w.handler)
	server.Config.ErrorLog = logTo(&logged)
	server.Start()
	for _, c := range []struct {
		method, want string
		count        int
	}{
		{http.MethodGet, "raw", 1},
		{http.MethodGet, "hello", 2}, // it passes, and ends the mark
		{http.MethodGet, "hello", 3},
		{http.MethodGet, "hello", 3},
		{http.MethodPost, "raw", 4},
		{http.MethodGet, "hello", 5},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+"/a", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, res); got != c.want {
			t.Errorf("%s: %q, want %q", c.method, got, c.want)
		}
		_ = res.Body.Close()
		w.want(c.count, c.method) // what was taken over is not stored, and a write ends what is
	}
	server.Close()
	if logged.Len() > 0 {
		t.Errorf("net/http says %q", &logged)
	}
}

// TestRFC_faults has what an origin that fails must not keep from those whom a stale answer may be
// given.
func TestRFC_faults(t *testing.T) {
	t.Parallel()
	inTime(t, "5861 stale-if-error after Cookie", func(t *testing.T) {
		for name, how := range map[string]func(http.ResponseWriter, *http.Request){
			"5xx": unavailable, "panic": func(http.ResponseWriter, *http.Request) { panic("broken") },
		} {
			w := newWorld(t, httpcache.Config{Logger: quiet()}, fails(how, "Cache-Control: max-age=2, stale-if-error=60"))
			w.get("http://example.com/a")
			after(3 * time.Second)
			r := w.get("http://example.com/a", "Cookie: id=1")
			if r.StatusCode != http.StatusOK || body(t, r) != "good" {
				t.Errorf("%s: %s, want the stale answer", name, r.Status)
			}
			if got := r.Header["Cache-Status"]; len(got) != 1 || !strings.HasPrefix(got[0], "warmcache; fwd=stale; fwd-status=50") {
				t.Errorf("%s: %q", name, got)
			}
			after(time.Minute)
			if how := w.say; how != nil && name == "5xx" {
				if r := w.get("http://example.com/a", "Cookie: id=1"); r.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("%s after the window, want what the origin says", r.Status)
				}
			}
		}
	})
	inTime(t, "9111 §4.3.4 a 304 about something else, for one who asks alone", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, n int) {
			if r.Header.Get("If-None-Match") != "" {
				answer(w, "", "status: 304", `ETag: "v2"`)
				return
			}
			answer(w, fmt.Sprint("good ", n), "Cache-Control: max-age=2", `ETag: "v1"`)
		})
		w.get("/a")
		after(3 * time.Second)
		if r := w.get("/a", "Cookie: id=1"); r.StatusCode != http.StatusOK || r.text != "good 3" {
			t.Errorf("%s %q, want an answer that was asked for anew", r.Status, r.text)
		}
	})
	inTime(t, "9111 §4.3.4 a 304 for one who asks alone", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, n int) {
			if r.Header.Get("If-None-Match") == `"v1"` {
				answer(w, "", "status: 304", "X-A: new", `ETag: "v1"`)
				return
			}
			answer(w, "good", "Cache-Control: max-age=2", `ETag: "v1"`, "X-A: old")
		})
		w.get("/a")
		after(3 * time.Second)
		if r := w.get("/a", "Cookie: id=1"); r.StatusCode != http.StatusOK || r.text != "good" || r.Header.Get("X-A") != "new" || r.Header.Get("Age") != "0" {
			t.Errorf("%s %q %v, want what was confirmed", r.Status, r.text, r.Header)
		}
	})
	inTime(t, "5861 stale-if-error for a 5xx that breaks off", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, fails(func(w http.ResponseWriter, _ *http.Request) {
			answer(w, "do", "status: 503", "Content-Length: 4")
			panic(http.ErrAbortHandler)
		}, "Cache-Control: max-age=2, stale-if-error=60"))
		w.get("http://example.com/a")
		after(3 * time.Second)
		if r := w.get("http://example.com/a"); r.StatusCode != http.StatusOK || body(t, r) != "good" {
			t.Errorf("%s, want the stale answer", r.Status)
		}
	})
	inTime(t, "5861 stale-if-error for those who wait", func(t *testing.T) {
		gate := make(chan struct{})
		w := newWorld(t, httpcache.Config{}, fails(func(w http.ResponseWriter, r *http.Request) {
			<-gate
			unavailable(w, r)
		}, "Cache-Control: max-age=2, stale-if-error=60"))
		w.get("http://example.com/a")
		after(3 * time.Second)
		got := make(chan reply, 9)
		for range cap(got) {
			go func() { got <- w.get("http://example.com/a") }()
		}
		after(6 * time.Second) // beyond WaitFor
		close(gate)
		for range cap(got) {
			if r := <-got; r.StatusCode != http.StatusOK || r.text != "good" {
				t.Errorf("%s, want the stale answer", r.Status)
			}
		}
	})
}

// TestRFC_reading has forms of fields that are easily misread.
func TestRFC_reading(t *testing.T) {
	t.Parallel()
	for _, r := range []rule{
		{name: `9111 §5.2.2.7 private=""`, fields: []string{`Cache-Control: max-age=60, private=""`}},
		{name: `9111 §5.2.2.7 private= and no name`, fields: []string{`Cache-Control: max-age=60, private="/"`}},
		{name: `9111 §5.2.2.7 private= without its end`, fields: []string{`Cache-Control: max-age=60, private="a, b`}},
		{name: `9111 §5.2.2.4 no-cache=""`, fields: []string{`Cache-Control: max-age=60, no-cache=""`}},
		{name: `9111 §5.2 no-store after a quote without its end`, fields: []string{`Cache-Control: max-age=60, a="b, no-store`}},
		{name: `9111 §4.1 Vary with what is no name`, fields: []string{"Cache-Control: max-age=60", "Vary: a b"}},
		{name: `9111 §4.1 Vary with an empty member`, fields: []string{"Cache-Control: max-age=60", "Vary: , a,"}, stored: true},
	} {
		r.run(t)
	}
	inTime(t, `9111 §5.2.2.4 no-cache="…" for one user's client`, func(t *testing.T) {
		w := newWorld(t, httpcache.Config{Private: true}, answers("hello", `Cache-Control: max-age=60, no-cache="X-Secret", private="X-Mine"`, "X-Secret: 1", "X-Mine: 1"))
		w.get("http://example.com/a")
		h := w.get("http://example.com/a").Header
		w.want(1, "stored")
		if h.Get("X-Secret") != "" || h.Get("X-Mine") != "1" {
			t.Errorf("%v", h)
		}
	})
	for _, c := range []struct {
		name, etag, asked string
		want              int
	}{
		{"a backslash is no escape", `"b"`, `"a\", "b"`, 304},
		{"a backslash belongs to the tag", `"a\"`, `"a\"`, 304},
		{"a comma belongs to the tag", `"a,b"`, `"x", "a,b"`, 304},
		{"a part of a tag is none", `"b"`, `"a,b"`, 200},
		{"a weak mark is in upper case", `"a"`, `w/"a"`, 200},
	} {
		inTime(t, "9110 §8.8.3 "+c.name, func(t *testing.T) {
			w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60", "ETag: "+c.etag))
			w.get("http://example.com/a")
			if r := w.get("http://example.com/a", "If-None-Match: "+c.asked); r.StatusCode != c.want {
				t.Errorf("%s, want %d", r.Status, c.want)
			}
		})
	}
	inTime(t, "9110 §8.8.2.2 If-Range by a date that is weak", func(t *testing.T) {
		at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, c := range []struct {
			modified time.Time
			want     int
		}{{at, 200}, {at.Add(-time.Minute), 206}} {
			w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60", "Last-Modified: "+date(c.modified), "Date: "+date(at)))
			w.get("http://example.com/a")
			r := w.get("http://example.com/a", "Range: bytes=0-1", "If-Range: "+date(c.modified))
			if r.StatusCode != c.want {
				t.Errorf("modified %v before: %s, want %d", at.Sub(c.modified), r.Status, c.want)
			}
			w.want(1, "from the cache")
		}
	})
	inTime(t, "9110 §15.3.5 a 204 has no body", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, _ int) {
			answer(w, "hello", "Cache-Control: max-age=60", "status: 204")
		})
		w.get("http://example.com/a")
		if r := w.get("http://example.com/a"); r.text != "" || r.Header["Content-Length"] != nil {
			t.Errorf("%q, %v", r.text, r.Header)
		}
		w.want(1, "stored")
	})
	inTime(t, "9111 §4.4 a URL as it was sent", func(t *testing.T) {
		for _, path := range []string{"/a|b", "/ü", "/a%2Fb?x=|", "/a'b", "//a", "/a;b?c;d"} {
			w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
			get := func() {
				r := request(http.MethodGet, "http://example.com/")
				r.RequestURI = path
				u, err := r.URL.Parse("http://example.com" + path)
				if err != nil {
					t.Fatal(err)
				}
				u.Scheme, u.Host = "", ""
				r.URL = u
				w.handler.ServeHTTP(httptest.NewRecorder(), r)
			}
			get()
			get()
			w.want(1, path)
			if err := w.cache.Invalidate(t.Context(), "http://example.com"+path); err != nil {
				t.Fatal(err)
			}
			get()
			w.want(2, path)
		}
	})
	inTime(t, "9111 §4.1 as long as another", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
			answer(w, "for "+r.Header.Get("Foo")+r.Header.Get("Bar"), "Cache-Control: max-age=60", "Vary: Foo, Bar")
		})
		for range 2 {
			for _, c := range [][]string{{"Foo: 1"}, {"Bar: 1"}, {"Foo: 2"}, {"Foo: "}, nil, {"Foo: 1", "Bar: 1"}, {"Foo: 1", "Foo: 1"}} {
				want := request(http.MethodGet, "/a", c...).Header
				if got := w.get("/a", c...).text; got != "for "+want.Get("Foo")+want.Get("Bar") {
					t.Errorf("%q for %q", got, c)
				}
			}
		}
		w.want(7, "seven variants")
	})
	inTime(t, "9875 §2 32 groups of 32 characters", func(t *testing.T) {
		group := func(i int) string { return strings.Repeat("x", 30) + string(rune('a'+i/16)) + string(rune('a'+i%16)) }
		all := make([]string, 32)
		for i := range all {
			all[i] = `"` + group(i) + `"`
		}
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.Method == http.MethodPost {
				answer(w, "done", "Cache-Group-Invalidation: "+strings.Join(slices.Concat([]string{`"other"`}, all[31:]), ", "))
				return
			}
			answer(w, "hello", "Cache-Control: max-age=60", "Cache-Groups: "+strings.Join(all, ", "))
		})
		w.get("http://example.com/a")
		w.get("http://example.com/a")
		w.want(1, "stored")
		w.do(http.MethodPost, "http://example.com/other")
		w.get("http://example.com/a")
		w.want(3, "its last group")
	})
}

// TestSafety_poison has what selects an answer although nothing says so.
func TestSafety_poison(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		first, other []string
	}{
		{"Forwarded's host with a semicolon", []string{`Forwarded: host="a;b"`}, []string{`Forwarded: host="a;c"`}},
		{"Forwarded read without quotes", []string{`Forwarded: for="a;host=evil"`}, []string{`Forwarded: for="b"`}},
		{"Forwarded with a quote without its end", []string{`Forwarded: for="a, host=evil`}, []string{`Forwarded: for=a`}},
		{"a default port of the other scheme", []string{"Host: example.com:80", "X-Forwarded-Proto: https"}, []string{"Host: example.com", "X-Forwarded-Proto: https"}},
		{"X-Forwarded-Prefix", []string{"X-Forwarded-Prefix: /evil"}, nil},
		{"X-Forwarded-Port", []string{"X-Forwarded-Port: 1"}, nil},
		{"X-Forwarded-Scheme", []string{"X-Forwarded-Scheme: nothttps"}, nil},
		{"X-Host", []string{"X-Host: evil"}, nil},
		{"X-Forwarded-Server", []string{"X-Forwarded-Server: evil"}, nil},
	} {
		inTime(t, c.name, func(t *testing.T) {
			w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
			w.get("/a", c.first...)
			w.get("/a", c.other...)
			w.want(2, c.name)
			w.get("/a", c.first...)
			w.want(2, "again")
			if err := w.cache.Invalidate(t.Context(), "http://example.com/a"); err != nil {
				t.Fatal(err)
			}
			w.get("/a", c.first...)
			w.want(3, "invalidated")
		})
	}
	inTime(t, "Forwarded's client", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
		w.get("/a", `Forwarded: for="[2001:db8::1]:80";by=x`)
		w.get("/a", `Forwarded: for=192.0.2.1`)
		w.want(1, "two clients")
	})
}
