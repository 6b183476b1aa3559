package httpcache_test

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache/httpcache"
)

type tripper func(*http.Request) (*http.Response, error)

func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

var errDown = errors.New("connection refused")

// logTo is a logger for net/http.
func logTo(w io.Writer) *log.Logger { return log.New(w, "", 0) }

// silent is the same for net/http.
func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// quiet is a logger that says nothing.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func fieldsStored(t *testing.T) {
	inTime(t, "not stored", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello",
			"Connection: X-Hop, close", "X-Hop: 1", "Keep-Alive: timeout=5", "Proxy-Authenticate: Basic", "Upgrade: h2c", "Te: trailers",
			`Cache-Control: max-age=60, no-cache="X-Secret, x-other"`, `Cache-Control: private="X-Mine"`,
			"X-Secret: 1", "X-Other: 1", "X-Mine: 1", "X-Kept: 1"))
		first := w.get("http://example.com/a")
		second := w.get("http://example.com/a")
		w.want(1, "stored")
		for _, name := range []string{"X-Hop", "Keep-Alive", "Proxy-Authenticate", "Upgrade", "Te", "Connection", "X-Secret", "X-Other", "X-Mine"} {
			if first.Header.Get(name) == "" {
				t.Errorf("%s is missing from the answer itself", name)
			}
			if got := second.Header.Get(name); got != "" {
				t.Errorf("%s: %s was stored", name, got)
			}
		}
		if second.Header.Get("X-Kept") != "1" {
			t.Error("X-Kept was not stored")
		}
	})
}

func fieldsRenewed(t *testing.T) {
	inTime(t, "all but those about the stored body", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == 2 {
				answer(w, "", "status: 304", "Cache-Control: max-age=100", "X-A: new", "Content-Length: 99", "Content-Encoding: br", "Content-Range: bytes 0-1/2")
				return
			}
			answer(w, "hello", "Cache-Control: max-age=2", `ETag: "v1"`, "X-A: old", "X-B: old")
		})
		w.get("http://example.com/a")
		after(3 * time.Second)
		w.get("http://example.com/a")
		after(50 * time.Second)
		r := w.get("http://example.com/a")
		w.want(2, "renewed")
		h := r.Header
		if h.Get("X-A") != "new" || h.Get("X-B") != "old" || h.Get("Content-Length") != "5" || h.Get("Content-Encoding")+h.Get("Content-Range") != "" {
			t.Errorf("header %v", h)
		}
		if h.Get("Age") != "50" {
			t.Errorf("Age %s, want 50: since the origin has confirmed it", h.Get("Age"))
		}
	})
}

func reusing(t *testing.T) {
	inTime(t, "only-if-cached", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
		if r := w.get("http://example.com/a", "Cache-Control: only-if-cached"); r.StatusCode != http.StatusGatewayTimeout {
			t.Errorf("%s, want 504", r.Status)
		}
		w.want(0, "only-if-cached")
		w.get("http://example.com/a")
		if r := w.get("http://example.com/a", "Cache-Control: only-if-cached"); r.StatusCode != http.StatusOK {
			t.Errorf("%s, want the stored answer", r.Status)
		}
		w.want(1, "stored")
	})
	inTime(t, "Date and Expires untouched", func(t *testing.T) {
		d, e := "Fri, 31 Dec 1999 23:59:50 GMT", "Sat, 01 Jan 2000 00:01:00 GMT"
		w := newWorld(t, httpcache.Config{}, answers("hello", "Date: "+d, "Expires: "+e))
		w.get("http://example.com/a")
		after(5 * time.Second)
		h := w.get("http://example.com/a").Header
		if h.Get("Date") != d || h.Get("Expires") != e || h.Get("Age") != "15" {
			t.Errorf("header %v", h)
		}
	})
	inTime(t, "queries are told apart", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
		for _, url := range []string{"http://example.com/a?x=1", "http://example.com/a?x=2", "http://example.com/a", "http://other.com/a", "https://example.com/a"} {
			w.get(url)
			w.get(url)
		}
		w.want(5, "five URLs")
		w.get("http://EXAMPLE.com:80/a")
		w.want(5, "the host in other case, with the default port")
	})
}

func heads(t *testing.T) {
	inTime(t, "from a stored GET", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
		w.get("http://example.com/a")
		r := w.do(http.MethodHead, "http://example.com/a")
		if r.Header.Get("Content-Length") != "5" || body(t, r) != "" || r.Header.Get("N") != "1" {
			t.Errorf("%v", r.Header)
		}
		w.want(1, "HEAD")
	})
	inTime(t, "else through", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("", "Cache-Control: max-age=60"))
		w.do(http.MethodHead, "http://example.com/a")
		if w.last().Method != http.MethodHead {
			t.Error("HEAD became another method")
		}
		w.get("http://example.com/a")
		w.want(2, "HEAD is not stored")
	})
	inTime(t, "other validators expire what is stored", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, n int) {
			if r.Method == http.MethodHead {
				answer(w, "", `ETag: "v2"`, "Cache-Control: max-age=60")
				return
			}
			answer(w, "hello", `ETag: "v1"`, "Cache-Control: max-age=60, stale-while-revalidate=600")
		})
		w.get("http://example.com/a")
		w.do(http.MethodHead, "http://example.com/a", "Cache-Control: no-cache")
		if r := w.get("http://example.com/a"); r.Header.Get("N") != "3" {
			t.Error("what HEAD has shown to be out of date was served")
		}
	})
}

func invalidating(t *testing.T) {
	fill := func(t *testing.T, status string) *world {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.Method != http.MethodGet {
				answer(w, "done", "status: "+status, "Location: /b", "Content-Location: http://example.com/c?x=1")
				return
			}
			answer(w, "hello", "Cache-Control: max-age=60")
		})
		for _, url := range []string{"http://example.com/a", "http://example.com/b", "http://example.com/c?x=1", "http://example.com/d"} {
			w.get(url)
		}
		return w
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "M-SEARCH"} {
		inTime(t, method, func(t *testing.T) {
			w := fill(t, "201")
			w.do(method, "http://example.com/a")
			w.get("http://example.com/d")
			w.want(5, "another URL")
			w.get("http://example.com/a")
			w.want(6, "the URL itself")
			w.get("http://example.com/b")
			w.want(7, "Location")
			w.get("http://example.com/c?x=1")
			w.want(8, "Content-Location")
			if n := w.cache.Stats().Invalidations; n != 3 {
				t.Errorf("%d invalidations were counted, want one for each of the three URLs", n)
			}
		})
	}
	for _, method := range []string{"OPTIONS", "TRACE"} {
		inTime(t, "not "+method, func(t *testing.T) {
			w := fill(t, "200")
			w.do(method, "http://example.com/a")
			w.get("http://example.com/a")
			w.want(5, "safe")
		})
	}
	inTime(t, "not after a failure", func(t *testing.T) {
		w := fill(t, "500")
		w.do(http.MethodPost, "http://example.com/a")
		w.get("http://example.com/a")
		w.want(5, "failed")
	})
	inTime(t, "not another origin's Location", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
			answer(w, "hello", "Cache-Control: max-age=60", "Location: http://other.com/b")
		})
		w.get("http://other.com/b")
		w.get("http://example.com/b")
		w.do(http.MethodPost, "http://example.com/a")
		w.get("http://other.com/b")
		w.want(3, "another origin")
		w.get("http://example.com/b")
		w.want(3, "its own, of the same path")
	})
	inTime(t, "before the first byte goes out", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
		w.get("http://example.com/a")
		rec := &watched{ResponseRecorder: httptest.NewRecorder(), first: func() {
			if r := w.get("http://example.com/a"); r.Header.Get("N") != "3" {
				t.Error("with the first byte of the write's answer out, what was before is still served")
			}
		}}
		w.handler.ServeHTTP(rec, request(http.MethodPost, "http://example.com/a"))
	})
	inTime(t, "and again when the handler returns", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, nil)
		w.say = func(rw http.ResponseWriter, r *http.Request, _ int) {
			answer(rw, "hello", "Cache-Control: max-age=60")
			if r.Method == http.MethodPost {
				w.get("http://example.com/a") // what it reads may be from before
			}
		}
		w.do(http.MethodPost, "http://example.com/a")
		w.get("http://example.com/a")
		w.want(3, "after the write")
	})
}

// watched calls first before the header goes out.
type watched struct {
	*httptest.ResponseRecorder
	first func()
}

func (w *watched) WriteHeader(status int) {
	w.first()
	w.ResponseRecorder.WriteHeader(status)
}

func requestDirectives(t *testing.T) {
	for _, c := range []struct {
		name  string
		cfg   httpcache.Config
		asked string
		want  int // requests at the origin, of two at ages 0 and 10
	}{
		{"max-age", httpcache.Config{}, "Cache-Control: max-age=5", 2},
		{"max-age that is met", httpcache.Config{}, "Cache-Control: max-age=20", 1},
		{"max-age=0", httpcache.Config{}, "Cache-Control: max-age=0", 2},
		{"min-fresh", httpcache.Config{}, "Cache-Control: min-fresh=100", 2},
		{"min-fresh that is met", httpcache.Config{}, "Cache-Control: min-fresh=10", 1},
		{"no-cache", httpcache.Config{}, "Cache-Control: no-cache", 2},
		{"no-store", httpcache.Config{}, "Cache-Control: no-store", 2},
		{"only-if-cached", httpcache.Config{}, "Cache-Control: only-if-cached", 1},
		{"Pragma", httpcache.Config{}, "Pragma: no-cache", 2},
		{"Pragma of another kind", httpcache.Config{}, "Pragma: x", 1},
		{"IgnoreClient", httpcache.Config{IgnoreClient: true}, "Cache-Control: no-cache", 1},
	} {
		inTime(t, c.name, func(t *testing.T) {
			w := newWorld(t, c.cfg, answers("hello", "Cache-Control: max-age=60"))
			w.get("http://example.com/a")
			after(10 * time.Second)
			if r := w.get("http://example.com/a", c.asked); r.StatusCode != http.StatusOK || body(t, r) != "hello" {
				t.Errorf("%s", r.Status)
			}
			w.want(c.want, c.asked)
		})
	}
	inTime(t, "Pragma only without Cache-Control", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
		w.get("http://example.com/a")
		w.get("http://example.com/a", "Pragma: no-cache", "Cache-Control: max-age=60")
		w.want(1, "both")
	})
	inTime(t, "no-store is not stored", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
		w.get("http://example.com/a", "Cache-Control: no-store")
		w.get("http://example.com/a")
		w.want(2, "no-store")
	})
	inTime(t, "a reload is stored", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
		w.get("http://example.com/a")
		w.get("http://example.com/a", "Cache-Control: no-cache")
		if r := w.get("http://example.com/a"); r.Header.Get("N") != "2" {
			t.Error("what a reload has brought is not stored")
		}
	})
	inTime(t, "a reload joins the refresh under way", func(t *testing.T) {
		gate := make(chan struct{})
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, n int) {
			if n > 1 {
				<-gate
			}
			answer(w, "hello", "Cache-Control: max-age=60")
		})
		w.get("http://example.com/a")
		for range 50 {
			go w.get("http://example.com/a", "Cache-Control: no-cache")
		}
		after(time.Second)
		close(gate)
		after(0)
		if n := w.count(); n > 4 {
			t.Errorf("50 reloads at once are %d requests", n-1)
		}
	})
}

func rangesAndInterim(t *testing.T) {
	fields := []string{"Cache-Control: max-age=60", `ETag: "v1"`, "Content-Type: text/plain"}
	for _, c := range []struct {
		name   string
		asked  []string
		status int
		body   string
	}{
		{"first bytes", []string{"Range: bytes=0-3"}, 206, "0123"},
		{"from a byte on", []string{"Range: bytes=7-"}, 206, "789"},
		{"last bytes", []string{"Range: bytes=-2"}, 206, "89"},
		{"416", []string{"Range: bytes=20-"}, 416, "*"},
		{"another unit", []string{"Range: lines=1-2"}, 200, "0123456789"},
		{"If-Range", []string{"Range: bytes=0-3", `If-Range: "v1"`}, 206, "0123"},
		{"If-Range of another", []string{"Range: bytes=0-3", `If-Range: "v2"`}, 200, "0123456789"},
		{"If-Range is strong", []string{"Range: bytes=0-3", `If-Range: W/"v1"`}, 200, "0123456789"},
	} {
		inTime(t, "ranges of a stored 200/"+c.name, func(t *testing.T) {
			w := newWorld(t, httpcache.Config{}, answers("0123456789", fields...))
			w.get("http://example.com/a")
			r := w.get("http://example.com/a", c.asked...)
			if got := body(t, r); r.StatusCode != c.status || c.body != "*" && got != c.body {
				t.Errorf("%s %q, want %d %q", r.Status, got, c.status, c.body)
			}
			w.want(1, "from the cache")
		})
	}
	inTime(t, "a miss with Range goes through", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.Header.Get("Range") != "" {
				answer(w, "01", "status: 206", "Content-Range: bytes 0-1/10", "Cache-Control: max-age=60")
				return
			}
			answer(w, "0123456789", fields...)
		})
		if r := w.get("http://example.com/a", "Range: bytes=0-1"); r.StatusCode != http.StatusPartialContent {
			t.Errorf("%s, want the origin's 206", r.Status)
		}
		if got := body(t, w.get("http://example.com/a")); got != "0123456789" {
			t.Errorf("%q, want the whole", got)
		}
		w.get("http://example.com/a")
		w.want(2, "the whole is stored after it")
	})
	t.Run("1xx go out at once", func(t *testing.T) {
		t.Parallel()
		seen := make(chan struct{})
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
			w.Header().Set("Link", "</a.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			select {
			case <-seen:
			case <-r.Context().Done():
			}
			answer(w, "hello", "Cache-Control: max-age=60")
		})
		server := httptest.NewServer(w.handler)
		defer server.Close()
		got := make([]int, 0, 1)
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			got = append(got, code)
			close(seen)
			return nil
		}}
		for range 2 {
			r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if text := body(t, res); text != "hello" || res.Header.Get("Link") != "" {
				t.Errorf("%q %v", text, res.Header)
			}
			_ = res.Body.Close()
		}
		if !slices.Equal(got, []int{103}) {
			t.Errorf("interim answers %v, want 103 once", got)
		}
		http.DefaultClient.CloseIdleConnections()
	})
}

func cacheStatus(t *testing.T) {
	inTime(t, "hit, fwd, stored, collapsed; appended", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=10", "Cache-Status: origin; hit"))
		for _, c := range []struct {
			asked string
			want  []string
		}{
			{"X: 1", []string{"origin; hit", "warmcache; fwd=uri-miss; fwd-status=200; stored"}},
			{"X: 1", []string{"origin; hit", "warmcache; hit; ttl=9"}},
			{"Cache-Control: no-cache", []string{"origin; hit", "warmcache; fwd=request; fwd-status=200; stored"}},
		} {
			if got := w.get("http://example.com/a", c.asked).Header["Cache-Status"]; !slices.Equal(got, c.want) {
				t.Errorf("%s: %q, want %q", c.asked, got, c.want)
			}
			after(time.Second)
		}
		after(time.Minute)
		if got := w.get("http://example.com/a").Header["Cache-Status"]; got[1] != "warmcache; fwd=stale; fwd-status=200; stored" {
			t.Errorf("%q", got)
		}
		if got := w.do(http.MethodPost, "http://example.com/a").Header["Cache-Status"]; got[1] != "warmcache; fwd=method" {
			t.Errorf("%q", got)
		}
	})
	inTime(t, "collapsed", func(t *testing.T) {
		gate := make(chan struct{})
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, _ int) {
			<-gate
			answer(w, "hello", "Cache-Control: max-age=10")
		})
		go w.get("http://example.com/a")
		after(0)
		got := make(chan []string, 1)
		go func() { got <- w.get("http://example.com/a").Header["Cache-Status"] }()
		after(0)
		close(gate)
		if line := <-got; !slices.Equal(line, []string{"warmcache; fwd=uri-miss; collapsed"}) {
			t.Errorf("%q", line)
		}
		w.want(1, "two at once")
	})
	inTime(t, "another name, or none", func(t *testing.T) {
		for name, want := range map[string]string{"edge": "edge; fwd=uri-miss; fwd-status=200", "-": ""} {
			w := newWorld(t, httpcache.Config{Status: name}, answers("hello"))
			if got := w.get("http://example.com/a").Header.Get("Cache-Status"); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	})
}

func targeted(t *testing.T) {
	cfg := httpcache.Config{Targeted: []string{"CDN-Cache-Control"}}
	for _, r := range []rule{
		{name: "it replaces Cache-Control", fields: []string{"CDN-Cache-Control: max-age=60", "Cache-Control: no-store"}, stored: true},
		{name: "and Expires", fields: []string{"CDN-Cache-Control: max-age=60", "Expires: 0"}, stored: true},
		{name: "a shorter one too", fields: []string{"CDN-Cache-Control: max-age=0", "Cache-Control: max-age=60"}},
		{name: "no-store", fields: []string{"CDN-Cache-Control: no-store", "Cache-Control: max-age=60"}},
		{name: "private", fields: []string{"CDN-Cache-Control: private", "Cache-Control: max-age=60"}},
		{name: "unparsable is absent", fields: []string{"CDN-Cache-Control: max-age=60, &&&&", "Cache-Control: no-store"}},
		{name: "unparsable is absent, the other way", fields: []string{"CDN-Cache-Control: no-store, &&&&", "Cache-Control: max-age=60"}, stored: true},
		{name: "empty is absent", fields: []string{"CDN-Cache-Control: ", "Cache-Control: max-age=60"}, stored: true},
		{name: "a key in upper case is unparsable", fields: []string{"CDN-Cache-Control: MaX-aGe=60", "Cache-Control: no-store"}},
		{name: "the wrong type", fields: []string{`CDN-Cache-Control: max-age="60"`, "Cache-Control: no-store"}},
		{name: "an extension", fields: []string{"CDN-Cache-Control: foobar, max-age=60"}, stored: true},
	} {
		r.with(cfg).run(t)
	}
	rule{name: "only where Config names it", fields: []string{"CDN-Cache-Control: max-age=60"}}.run(t)
}

func groups(t *testing.T) {
	ctx := context.Background()
	fill := func(t *testing.T) *world {
		w := newWorld(t, httpcache.Config{TagHeader: "surrogate-key"}, func(w http.ResponseWriter, r *http.Request, _ int) {
			switch r.Method + r.URL.Path {
			case "POST/end", "GET/end":
				answer(w, "done", `Cache-Group-Invalidation: "news"`)
			default:
				answer(w, "hello", "Cache-Control: max-age=60", `Cache-Groups: "news", "all"`, "Surrogate-Key: page-1 page-2")
			}
		})
		w.get("http://example.com/a")
		w.get("http://other.com/a")
		return w
	}
	inTime(t, "Cache-Groups are tags of the origin", func(t *testing.T) {
		w := fill(t)
		if err := w.cache.InvalidateGroups(ctx, "http://example.com", "sports"); err != nil {
			t.Fatal(err)
		}
		w.get("http://example.com/a")
		w.want(2, "another group")
		if err := w.cache.InvalidateGroups(ctx, "http://example.com:80", "news"); err != nil {
			t.Fatal(err)
		}
		w.get("http://other.com/a")
		w.want(2, "another origin")
		w.get("http://example.com/a")
		w.want(3, "its own group")
	})
	inTime(t, "TagHeader is read as groups, not passed on", func(t *testing.T) {
		w := fill(t)
		for range 2 {
			if got := w.get("http://example.com/b").Header["Surrogate-Key"]; got != nil {
				t.Errorf("Surrogate-Key %q was passed on", got)
			}
		}
		if err := w.cache.InvalidateGroups(ctx, "http://example.com", "page-2"); err != nil {
			t.Fatal(err)
		}
		w.get("http://example.com/a")
		w.want(4, "its tag")
	})
	inTime(t, "invalidation by unsafe methods", func(t *testing.T) {
		w := fill(t)
		w.do(http.MethodPost, "http://example.com/end")
		w.get("http://other.com/a")
		w.want(3, "another origin")
		w.get("http://example.com/a")
		w.want(4, "its group")
	})
	inTime(t, "and only by these", func(t *testing.T) {
		w := fill(t)
		w.get("http://example.com/end")
		w.get("http://example.com/a")
		w.want(3, "a GET")
	})
}

func varying(t *testing.T) {
	by := func(names string) func(http.ResponseWriter, *http.Request, int) {
		return func(w http.ResponseWriter, r *http.Request, _ int) {
			answer(w, "for "+r.Header.Get("Foo")+r.Header.Get("Bar"), "Cache-Control: max-age=60", "Vary: "+names)
		}
	}
	inTime(t, "a variant each", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, by("Foo, bar"))
		for range 2 {
			for _, foo := range []string{"1", "2"} {
				if got := body(t, w.get("http://example.com/a", "Foo: "+foo, "Other: "+foo)); got != "for "+foo {
					t.Errorf("%q for %s", got, foo)
				}
			}
			if got := body(t, w.get("http://example.com/a")); got != "for " {
				t.Errorf("%q without the field", got)
			}
		}
		w.want(3, "three variants")
	})
	for _, star := range []string{"*", "*, *", ", *", "Foo, *"} {
		inTime(t, "Vary "+star, func(t *testing.T) {
			w := newWorld(t, httpcache.Config{}, by(star))
			w.get("http://example.com/a", "Foo: 1")
			w.get("http://example.com/a", "Foo: 1")
			w.want(2, star)
		})
	}
	inTime(t, "lines joined, blanks out", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, by("Foo"))
		w.get("http://example.com/a", "Foo: 1, 2")
		w.get("http://example.com/a", "Foo: 1", "Foo: 2")
		w.get("http://example.com/a", "Foo: 1 ,2")
		w.want(1, "one value")
		w.get("http://example.com/a", "Foo: 2,1")
		w.want(2, "another order")
	})
	inTime(t, "Accept-Encoding and Accept-Language in lower case, in order", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, by("Accept-Encoding, Accept-Language"))
		w.get("http://example.com/a", "Accept-Encoding: gzip, br", "Accept-Language: en, de")
		w.get("http://example.com/a", "Accept-Encoding: BR,gzip", "Accept-Language: DE , EN")
		w.want(1, "one value")
	})
	inTime(t, "all Vary seen count", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
			names := "Foo"
			if r.Header.Get("Foo") == "2" {
				names = "Bar"
			}
			answer(w, r.Header.Get("Foo")+r.Header.Get("Bar"), "Cache-Control: max-age=60", "Vary: "+names)
		})
		for range 3 {
			for _, c := range [][]string{{"Foo: 1"}, {"Foo: 2", "Bar: 1"}, {"Foo: 2", "Bar: 2"}, {"Foo: 1", "Bar: 9"}} {
				w.get("http://example.com/a", c...)
			}
		}
		w.want(3, "no flapping")
	})
}

func TestTransport_answers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, httpcache.Config{}, nil)
	n := 0
	rt := w.cache.Transport(tripper(func(r *http.Request) (*http.Response, error) {
		n++
		rec := httptest.NewRecorder()
		answer(rec, "hello", "Cache-Control: max-age=60")
		return rec.Result(), nil
	}))
	for range 3 {
		r, err := rt.RoundTrip(httptest.NewRequest(http.MethodGet, "http://example.com/a", http.NoBody))
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(r.Body); string(data) != "hello" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
		_ = r.Body.Close()
	}
	if n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}
