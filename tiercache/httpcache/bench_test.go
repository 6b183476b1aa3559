package httpcache_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// sink is a ResponseWriter that costs nothing.
type sink struct {
	header http.Header
	n      int
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}
func (s *sink) Write(p []byte) (int, error) {
	s.n += len(p)
	return len(p), nil
}

// page writes six fields and 1 KiB.
func page(vary string) http.HandlerFunc {
	data := []byte(strings.Repeat("x", 1024))
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Length", "1024")
		h.Set("Cache-Control", "public, max-age=3600")
		h.Set("Etag", `"0123456789"`)
		h.Set("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")
		h.Set("Vary", vary)
		_, _ = w.Write(data)
	}
}

// browser is a request with the fields of one.
func browser() *http.Request {
	r := request(http.MethodGet, "http://example.com/articles/2026/a-page?ref=home",
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"Accept-Language: en-US,en;q=0.5", "Accept-Encoding: gzip, deflate, br, zstd", "Dnt: 1")
	r.RequestURI = "/articles/2026/a-page?ref=home"
	r.URL.Scheme, r.URL.Host = "", ""
	return r
}

// hitBench is a handler in front of which a hit is certain.
func hitBench(tb testing.TB, vary string) (bare, cached http.Handler) {
	tb.Helper()
	cache, err := httpcache.New(httpcache.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = cache.Close() })
	bare = page("Origin")
	inner := page(vary)
	if vary == "" {
		inner = func(w http.ResponseWriter, r *http.Request) {
			page("Origin")(w, r)
			_ = w
		}
	}
	cached = cache.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if vary == "" {
			w = sixth{w}
		}
		inner(w, r)
	}))
	for range 2 {
		cached.ServeHTTP(&sink{header: make(http.Header)}, browser())
	}
	if s := cache.Stats(); s.Hits == 0 {
		tb.Fatalf("no hit: %+v", s)
	}
	return bare, cached
}

// sixth has another sixth field in the place of Vary.
type sixth struct{ http.ResponseWriter }

func (s sixth) Write(p []byte) (int, error) {
	h := s.Header()
	h.Del("Vary")
	h.Set("X-Frame-Options", "DENY")
	return s.ResponseWriter.Write(p)
}

// BenchmarkHit is a hit beside a handler that writes the same six fields and 1 KiB, interleaved in
// one run; "ratio" is the one's best time by the other's, which other work on the machine disturbs
// least. Each has a header of its own, as net/http gives it one: a hit's, of nine fields, has grown
// beyond the eight from which on a map costs more.
func BenchmarkHit(b *testing.B) {
	for name, vary := range map[string]string{"plain": "", "vary": "Accept-Encoding"} {
		b.Run(name, func(b *testing.B) {
			bare, cached := hitBench(b, vary)
			r := browser()
			const slice = 100
			turn := func(h http.Handler, w *sink, best *time.Duration) {
				began := time.Now()
				for range slice {
					clear(w.header)
					h.ServeHTTP(w, r)
				}
				*best = min(*best, time.Since(began))
			}
			own, hits := &sink{header: make(http.Header)}, &sink{header: make(http.Header)}
			without, with := time.Hour, time.Hour
			b.ReportAllocs()
			for b.Loop() {
				turn(bare, own, &without)
				turn(cached, hits, &with)
			}
			b.ReportMetric(float64(with)/float64(without), "ratio")
			b.ReportMetric(float64(with.Nanoseconds())/slice, "ns/hit")
		})
	}
}

// A hit allocates once: the lines of its fields, which are its own.
func TestHit_allocates(t *testing.T) {
	for name, vary := range map[string]string{"plain": "", "vary": "Accept-Encoding"} {
		_, cached := hitBench(t, vary)
		r, w := browser(), &sink{header: make(http.Header)}
		allocs := testing.AllocsPerRun(1000, func() {
			clear(w.header)
			cached.ServeHTTP(w, r)
		})
		if allocs > 1 {
			t.Errorf("%s: %v allocations, want 1", name, allocs)
		}
	}
}

// A hit's length is always known, though net/http finds that of short bodies.
func TestHit_length(t *testing.T) {
	t.Parallel()
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
		n, _ := strconv.Atoi(r.URL.RawQuery)
		answer(w, strings.Repeat("x", n), "Cache-Control: max-age=60")
	})
	server := httptest.NewServer(w.handler)
	defer server.Close()
	for _, n := range []int{0, 1, 1024, 2047, 2048, 2049, 5000, 100_000} {
		for _, method := range []string{http.MethodGet, http.MethodGet, http.MethodHead} {
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/?"+strconv.Itoa(n), http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text := body(t, res)
			_ = res.Body.Close()
			hit := strings.Contains(res.Header.Get("Cache-Status"), "; hit")
			if hit && res.ContentLength != int64(n) || method == http.MethodGet && len(text) != n {
				t.Errorf("%s of %d bytes: Content-Length %d, %d bytes", method, n, res.ContentLength, len(text))
			}
		}
	}
	w.want(8, "one for each length")
}
