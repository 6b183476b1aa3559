package httpcache_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// TestSafety has a test for each row of the safety table in docs/httpcache.md, named after it.
func TestSafety(t *testing.T) {
	t.Parallel()
	inTime(t, "a cookie reaches only whom it was set for", cookies)
	inTime(t, "an answer to a credential stays with it", credentials)
	inTime(t, "200 uncacheable requests run at once", uncacheable)
	for name, test := range map[string]func(*testing.T){
		"half an answer is never stored":            halfAnswers,
		"an abort reaches net/http and nobody else": aborts,
		"upgrades pass untouched":                   upgrades,
		"a flush goes out at once":                  flushes,
		"a stream ends with its client":             streams,
		"concurrent hits are byte-equal":            byteEqual,
		"trailers are not stored":                   trailers,
		"a long body costs MaxBody":                 longBodies,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
	inTime(t, "no variant for another's field", othersFields)
	inTime(t, "variants are bounded", bounded)
	inTime(t, "a coding selects even without Vary", codings)
	inTime(t, "an unkeyed field cannot poison", poison)
	inTime(t, "HEAD never answers GET", headGet)
	inTime(t, "a write ends every variant", everyVariant)
	inTime(t, "stored headers are never changed", storedHeaders)
}

func cookies(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, n int) {
		<-gate
		answer(w, "hello", "Cache-Control: max-age=60", "Set-Cookie: id="+strconv.Itoa(n))
	})
	got := make(chan string, 50)
	for range 50 { // collapsed, if they could be
		go func() { got <- w.get("http://example.com/a").Header.Get("Set-Cookie") }()
	}
	after(0)
	close(gate)
	seen := make(map[string]bool)
	for range 50 {
		cookie := <-got
		if seen[cookie] {
			t.Errorf("%s was given to two", cookie)
		}
		seen[cookie] = true
	}
	if again := w.get("http://example.com/a").Header.Get("Set-Cookie"); seen[again] {
		t.Errorf("%s was stored", again)
	}
}

func credentials(t *testing.T) {
	for _, field := range []string{"Authorization", "Cookie"} {
		gate := make(chan struct{})
		w := newWorld(t, httpcache.Config{Name: "by" + field}, func(w http.ResponseWriter, r *http.Request, _ int) {
			<-gate
			answer(w, "for "+r.Header.Get(field), "Cache-Control: max-age=60")
		})
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				who := fmt.Sprint(field, i)
				if got := body(t, w.get("http://example.com/a", field+": "+who)); got != "for "+who {
					t.Errorf("%s has got what is %s", who, got)
				}
			})
		}
		after(0)
		close(gate)
		all.Wait()
		if got := body(t, w.get("http://example.com/a")); got != "for " {
			t.Errorf("somebody without a credential has got what is %s", got)
		}
	}
}

func uncacheable(t *testing.T) {
	const many = 200
	var at atomic.Int32
	all := make(chan struct{})
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, n int) {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK) // the header forbids to store: the others go on
		if at.Add(1) == many {
			close(all)
		}
		<-all
		_, _ = io.WriteString(w, "hello")
	})
	began := time.Now()
	var done sync.WaitGroup
	for range many {
		done.Go(func() { w.get("http://example.com/a") })
	}
	done.Wait()
	if took := time.Since(began); took > 0 {
		t.Errorf("%d requests took %v, want no wait at all", many, took)
	}
	w.want(many, "all, in parallel")
	if s := w.cache.Stats(); s.Pass.Marked+s.Pass.Uncacheable != many {
		t.Errorf("%+v", s)
	}
	after(0)
	// A passing answer that could be stored ends the mark.
	w.say = answers("hello", "Cache-Control: max-age=60")
	for range 3 {
		w.get("http://example.com/a")
		after(0)
	}
	w.want(many+2, "the first passes, the second is stored")
}

func halfAnswers(t *testing.T) {
	whole := strings.Repeat("0123456789", 100)
	fresh := "Cache-Control: max-age=60"
	inTime(t, "client gone", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		w.say = func(rw http.ResponseWriter, r *http.Request, n int) {
			rw.Header().Set("Cache-Control", "max-age=60")
			if n == 1 {
				cancel()
				for i := 0; i < len(whole); i += 500 {
					if _, err := io.WriteString(rw, whole[i:i+500]); err != nil || r.Context().Err() != nil {
						return // as a handler does that is told that its client has gone
					}
				}
				return
			}
			_, _ = io.WriteString(rw, whole)
		}
		w.handler.ServeHTTP(brokenWriter{httptest.NewRecorder()}, request(http.MethodGet, "http://example.com/a").WithContext(ctx))
		if got := body(t, w.get("http://example.com/a")); got != whole {
			t.Errorf("%d bytes are served, want %d", len(got), len(whole))
		}
		w.want(1, "the answer was whole, though its client had gone")
	})
	inTime(t, "short", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers(whole[:500], fresh, "Content-Length: 1000"))
		w.get("http://example.com/a")
		w.get("http://example.com/a")
		w.want(2, "short of its Content-Length")
	})
	inTime(t, "panic", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, n int) {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, whole[:500])
			if n == 1 {
				panic("half way")
			}
			_, _ = io.WriteString(w, whole[500:])
		})
		func() {
			defer func() {
				if got := recover(); got != "half way" {
					t.Errorf("recovered %v, want the handler's panic", got)
				}
			}()
			w.get("http://example.com/a")
		}()
		after(time.Second)
		if got := body(t, w.get("http://example.com/a")); got != whole {
			t.Errorf("%d bytes are served, want %d", len(got), len(whole))
		}
	})
	t.Run("upstream cut", func(t *testing.T) {
		t.Parallel()
		upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60, stale-while-revalidate=60")
			_, _ = io.WriteString(w, whole[:500])
			_ = http.NewResponseController(w).Flush() // chunked: no length says that it is half
			panic(http.ErrAbortHandler)
		}))
		defer upstream.Close()
		target, _ := url.Parse(upstream.URL)
		cache, err := httpcache.New(httpcache.Config{Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		defer cache.Close() //nolint:errcheck // nothing to do about it
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.ErrorLog = silent()
		front := httptest.NewUnstartedServer(cache.Handler(proxy))
		front.Config.ErrorLog = silent()
		front.Start()
		defer front.Close()
		for range 2 {
			r, err := http.Get(front.URL)
			if err != nil {
				continue // cut before the header
			}
			if _, err := io.ReadAll(r.Body); err == nil {
				t.Error("half an answer came as a whole one")
			}
			_ = r.Body.Close()
		}
		if n := cache.Tiers().Entries; n != 0 {
			t.Errorf("%d entries are stored", n)
		}
		if err := cache.RegisterURLs("warm", func(_ context.Context, emit func(string, http.Header) error) error {
			return emit(front.URL+"/warm", nil)
		}, httpcache.WarmOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := cache.Warm(t.Context()); err == nil || cache.Tiers().Entries != 0 {
			t.Errorf("half an answer was warmed: %v, %d entries", err, cache.Tiers().Entries)
		}
		http.DefaultClient.CloseIdleConnections()
		if transport, ok := http.DefaultTransport.(*http.Transport); ok {
			transport.CloseIdleConnections()
		}
	})
}

// brokenWriter is a client that has gone.
type brokenWriter struct{ http.ResponseWriter }

func (brokenWriter) Write([]byte) (int, error) { return 0, net.ErrClosed }

func aborts(t *testing.T) {
	inTime(t, "the leader", func(t *testing.T) {
		gate := make(chan struct{})
		w := newWorld(t, httpcache.Config{StaleIfError: time.Hour}, func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == 1 {
				<-gate
				panic(http.ErrAbortHandler)
			}
			answer(w, "hello", "Cache-Control: max-age=60")
		})
		aborted := make(chan any, 1)
		go func() {
			defer func() { aborted <- recover() }()
			w.get("http://example.com/a")
		}()
		after(0)
		var others sync.WaitGroup
		for range 10 {
			others.Go(func() {
				if got := body(t, w.get("http://example.com/a")); got != "hello" {
					t.Errorf("%q, want an answer", got)
				}
			})
		}
		after(0)
		close(gate)
		others.Wait()
		if got := <-aborted; got != any(http.ErrAbortHandler) {
			t.Errorf("recovered %v, want http.ErrAbortHandler", got)
		}
	})
	inTime(t, "though something stale is at hand", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{StaleIfError: time.Hour}, fails(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "Cache-Control: max-age=2"))
		w.get("http://example.com/a")
		after(3 * time.Second)
		defer func() {
			if got := recover(); got != any(http.ErrAbortHandler) {
				t.Errorf("recovered %v, want http.ErrAbortHandler", got)
			}
		}()
		w.get("http://example.com/a")
	})
}

func upgrades(t *testing.T) {
	for _, field := range []string{"Upgrade: echo", "Accept: text/event-stream", "X-Original-URL: /b", "X-HTTP-Method: PUT"} {
		rec := httptest.NewRecorder()
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, _ int) {
			if w != http.ResponseWriter(rec) {
				t.Errorf("%s: the handler got a %T", field, w)
			}
		})
		w.handler.ServeHTTP(rec, request(http.MethodGet, "http://example.com/a", field))
		w.want(1, field)
	}
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, _ int) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close() //nolint:errcheck // a test
		_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		_ = buffered.Flush()
		line, _ := buffered.ReadString('\n')
		_, _ = buffered.WriteString("echo " + line)
		_ = buffered.Flush()
	})
	server := httptest.NewServer(w.handler)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test
	_, _ = io.WriteString(conn, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(conn)
	r, err := http.ReadResponse(in, nil) //nolint:bodyclose // it has become a connection
	if err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", r, err)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := in.ReadString('\n'); line != "echo hello\n" {
		t.Errorf("%q, %v", line, err)
	}
}

// flushed answers with a part, which must arrive before the rest is written.
func flushes(t *testing.T) {
	for _, c := range []struct{ name, field string }{
		{"stored", "Cache-Control: max-age=60"}, {"not stored", "Cache-Control: no-store"}, {"events", "Content-Type: text/event-stream"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan struct{})
			w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
				answer(w, "first ", c.field)
				_ = http.NewResponseController(w).Flush()
				select {
				case <-arrived:
				case <-time.After(10 * time.Second):
					t.Error("what was flushed has not arrived")
				}
				_, _ = io.Copy(w, strings.NewReader("second"))
			})
			server := httptest.NewServer(w.handler)
			defer server.Close()
			r, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close() //nolint:errcheck // a test
			first := make([]byte, 6)
			if _, err := io.ReadFull(r.Body, first); err != nil {
				t.Fatal(err)
			}
			close(arrived)
			if rest := body(t, r); rest != "second" {
				t.Errorf("%q", rest)
			}
		})
	}
}

func streams(t *testing.T) {
	for _, c := range []struct{ name, field, accept string }{
		{"not stored", "Cache-Control: no-store", "*/*"},
		{"events", "Cache-Control: max-age=60", "text/event-stream"},
		{"events that nobody asked for", "Content-Type: text/event-stream", "*/*"},
		{"longer than MaxBody", "Cache-Control: max-age=60", "*/*"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{})
			w := newWorld(t, httpcache.Config{MaxBody: 1000}, func(w http.ResponseWriter, r *http.Request, _ int) {
				answer(w, strings.Repeat("x", 2000), c.field)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				close(ended)
			})
			server := httptest.NewServer(w.handler)
			defer server.Close()
			ctx, cancel := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept", c.accept)
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.ReadFull(response.Body, make([]byte, 2000))
			cancel()
			_ = response.Body.Close()
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Error("the stream goes on without its client")
			}
		})
	}
}

func othersFields(t *testing.T) {
	gate := make(chan struct{})
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
		<-gate
		answer(w, "for "+r.Header.Get("Accept-Language"), "Cache-Control: max-age=60", "Vary: Accept-Language")
	})
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			language := []string{"de", "en", "fr"}[i%3]
			if got := body(t, w.get("http://example.com/a", "Accept-Language: "+language)); got != "for "+language {
				t.Errorf("%s has got what is %s", language, got)
			}
		})
	}
	after(0)
	close(gate)
	all.Wait()
	w.want(3, "three variants")
}

func bounded(t *testing.T) {
	w := newWorld(t, httpcache.Config{MaxVariants: 8}, func(w http.ResponseWriter, r *http.Request, _ int) {
		answer(w, r.UserAgent(), "Cache-Control: max-age=600", "Vary: User-Agent")
	})
	for i := range 100 {
		agent := fmt.Sprint("browser ", i)
		if got := body(t, w.get("http://example.com/a", "User-Agent: "+agent)); got != agent {
			t.Errorf("%q for %q", got, agent)
		}
	}
	if n := w.cache.Tiers().Entries; n > 9 {
		t.Errorf("%d entries, want 8 variants and their index at most", n)
	}
	for range 2 {
		w.get("http://example.com/a", "User-Agent: browser 3")
	}
	w.want(100, "a variant that is stored")
	if s := w.cache.Stats(); s.Pass.Variants != 92 {
		t.Errorf("%+v, want 92 that pass for the number of variants", s)
	}
}

func codings(t *testing.T) {
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			answer(w, "zipped", "Cache-Control: max-age=60", "Content-Encoding: gzip")
			return
		}
		answer(w, "plain", "Cache-Control: max-age=60")
	})
	for range 2 {
		if got := body(t, w.get("http://example.com/a", "Accept-Encoding: gzip")); got != "zipped" {
			t.Errorf("%q with gzip", got)
		}
		if got := body(t, w.get("http://example.com/a")); got != "plain" {
			t.Errorf("%q without", got)
		}
	}
	w.want(2, "two codings")
}

func poison(t *testing.T) {
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
		answer(w, fmt.Sprint(r.Header["X-Forwarded-Host"], r.Header["X-Forwarded-Proto"], r.Header["Forwarded"], r.Header["X-Original-Url"],
			r.Header["X-Rewrite-Url"], r.Header["X-Http-Method-Override"]), "Cache-Control: max-age=60")
	})
	clean := body(t, w.get("http://example.com/a"))
	for _, field := range []string{
		"X-Forwarded-Host: evil.com", "X-Forwarded-Proto: javascript", "Forwarded: for=1.2.3.4;host=evil.com", "Forwarded: proto=x",
		"X-Original-URL: /admin", "X-Rewrite-URL: /admin", "X-HTTP-Method-Override: DELETE",
	} {
		if err := w.cache.Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := body(t, w.get("http://example.com/a", field)); got == clean {
			t.Errorf("%s was answered with what is not for it", field)
		}
		if got := body(t, w.get("http://example.com/a")); got != clean {
			t.Errorf("%s has poisoned the URL with %s", field, got)
		}
	}
	before := w.count()
	w.get("http://example.com/a", "Forwarded: for=1.1.1.1;host=a.com")
	w.get("http://example.com/a", "Forwarded: for=2.2.2.2;host=a.com")
	w.want(before+1, "what says nothing of the URL")
	if err := w.cache.Invalidate(t.Context(), "http://example.com/a"); err != nil {
		t.Fatal(err)
	}
	w.get("http://example.com/a", "Forwarded: for=2.2.2.2;host=a.com")
	w.want(before+2, "Invalidate reaches what a proxy has asked for")
	w.get("http://example.com/a", "X-Forwarded-Host: www.shop.com", "X-Forwarded-Proto: https")
	if err := w.cache.Invalidate(t.Context(), "https://www.shop.com/a"); err != nil {
		t.Fatal(err)
	}
	w.get("http://example.com/a", "X-Forwarded-Host: www.shop.com", "X-Forwarded-Proto: https")
	w.want(before+4, "Invalidate of the URL that the proxy was asked for")
}

func longBodies(t *testing.T) {
	const size = 64 << 20
	w := newWorld(t, httpcache.Config{MaxBody: 1 << 20}, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Cache-Control", "max-age=60")
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		for range size / len(chunk) {
			_, _ = w.Write(chunk)
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	discard := discarding{header: make(http.Header)}
	w.handler.ServeHTTP(&discard, request(http.MethodGet, "http://example.com/a"))
	runtime.ReadMemStats(&after)
	if discard.n != size {
		t.Errorf("%d bytes have arrived, want %d", discard.n, size)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("%d bytes were allocated for a body of %d", grown, size)
	}
	if s := w.cache.Stats(); s.Pass.TooLarge != 1 || w.cache.Tiers().Cost > 1<<20 {
		t.Errorf("%+v", s)
	}
}

type discarding struct {
	header http.Header
	n      int
}

func (d *discarding) Header() http.Header { return d.header }
func (d *discarding) WriteHeader(int)     {}
func (d *discarding) Write(p []byte) (int, error) {
	d.n += len(p)
	return len(p), nil
}

func headGet(t *testing.T) {
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Method == http.MethodHead {
			if r.URL.Path == "/with-length" {
				w.Header().Set("Content-Length", "5")
			}
			answer(w, "", "Cache-Control: max-age=60")
			return
		}
		answer(w, "hello", "Cache-Control: max-age=60")
	})
	for _, url := range []string{"http://example.com/with-length", "http://example.com/without"} {
		w.do(http.MethodHead, url)
		for range 2 {
			if got := body(t, w.get(url)); got != "hello" {
				t.Errorf("%q, want the body", got)
			}
		}
	}
}

func everyVariant(t *testing.T) {
	version := atomic.Int32{}
	var during func()
	w := newWorld(t, httpcache.Config{}, nil)
	w.say = func(rw http.ResponseWriter, r *http.Request, _ int) {
		if r.Method == http.MethodPost {
			version.Add(1)
			answer(rw, "done")
			return
		}
		said := fmt.Sprint(version.Load(), r.Header.Get("Accept-Language"))
		if during != nil {
			f := during
			during = nil
			f()
		}
		answer(rw, said, "Cache-Control: max-age=600, stale-while-revalidate=600, stale-if-error=600", "Vary: Accept-Language")
	}
	languages := []string{"de", "en", "fr"}
	check := func(what string) {
		t.Helper()
		for _, l := range languages {
			if got, want := body(t, w.get("http://example.com/a", "Accept-Language: "+l)), fmt.Sprint(version.Load(), l); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
	}
	check("first")
	w.do(http.MethodPost, "http://example.com/a")
	check("after a write")
	version.Add(1)
	if err := w.cache.Invalidate(t.Context(), "http://example.com/a"); err != nil {
		t.Fatal(err)
	}
	check("after Invalidate")
	// A write while the first variant, and while a further one, is under way.
	for _, prime := range []int{0, 1} {
		if err := w.cache.Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, l := range languages[:prime] {
			w.get("http://example.com/a", "Accept-Language: "+l)
		}
		during = func() { w.do(http.MethodPost, "http://example.com/a") }
		w.get("http://example.com/a", "Accept-Language: "+languages[prime])
		after(0)
		check(fmt.Sprintf("after a write that overtook a load with %d variants", prime))
	}
	for range languages {
		check("again")
	}
	w.do(http.MethodPost, "http://example.com/a", "Accept-Language: de")
	if n := slices.Index(languages, "de"); n != 0 {
		t.Fatal(n)
	}
	check("after a write of a variant")
}

func byteEqual(t *testing.T) {
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
		data := strings.Repeat(r.URL.Path+r.Header.Get("Accept-Language"), 500)
		answer(w, data, "Cache-Control: max-age=600", "Vary: Accept-Language", "Sum: "+strconv.Itoa(int(crc32.ChecksumIEEE([]byte(data)))))
	})
	server := httptest.NewServer(w.handler)
	defer server.Close()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 100 {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprint(server.URL, "/", (i+j)%10), nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Accept-Language", strconv.Itoa(j%3))
				response, err := server.Client().Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				data := body(t, response)
				_ = response.Body.Close()
				want := strings.Repeat(r.URL.Path+strconv.Itoa(j%3), 500)
				if data != want || response.Header.Get("Sum") != strconv.Itoa(int(crc32.ChecksumIEEE([]byte(data)))) {
					t.Errorf("%s: %d bytes, not its own", r.URL, len(data))
				}
			}
		})
	}
	all.Wait()
	if n := w.count(); n > 30 {
		t.Errorf("%d requests for 30 answers", n)
	}
}

func trailers(t *testing.T) {
	w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set(http.TrailerPrefix+"X-Early", "1")
		answer(w, "hello", "Cache-Control: max-age=60")
		w.Header().Set("X-Sum", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "1")
	})
	server := httptest.NewServer(w.handler)
	defer server.Close()
	for i := range 2 {
		r, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = body(t, r)
		_ = r.Body.Close()
		if got := r.Trailer.Get("X-Sum"); got != "1" && i == 0 {
			t.Errorf("the trailer has not reached its client: %v", r.Trailer)
		}
		if i == 1 && (len(r.Trailer) > 0 || r.Header.Get("X-Sum")+r.Header.Get("Trailer") != "") {
			t.Errorf("stored: %v %v", r.Trailer, r.Header)
		}
	}
	w.want(1, "stored")
}

func storedHeaders(t *testing.T) {
	w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60", "X-A: 1", "X-A: 2", "Vary: Foo"))
	meddling := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Outer", "of this request")
		w.handler.ServeHTTP(rw, r)
		for name, values := range rw.Header() {
			for i := range values {
				values[i] = "changed"
			}
			rw.Header()[name] = append(values, "more")
		}
	})
	var first http.Header
	for i := range 4 {
		rec := &keeping{ResponseRecorder: httptest.NewRecorder()}
		meddling.ServeHTTP(rec, request(http.MethodGet, "http://example.com/a"))
		if rec.sent.Del("Cache-Status"); i == 1 {
			first = rec.sent
		}
		if i > 1 && fmt.Sprint(rec.sent) != fmt.Sprint(first) {
			t.Errorf("%v, want %v", rec.sent, first)
		}
	}
	w.want(1, "stored")
	// What stands before the cache sets its own fields for each request: they are not stored.
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, request(http.MethodGet, "http://example.com/a"))
	if rec.Header()["X-Outer"] != nil || rec.Header()["X-A"][1] != "2" {
		t.Errorf("header %v", rec.Header())
	}
}

// keeping keeps a copy of the header that was sent.
type keeping struct {
	*httptest.ResponseRecorder
	sent http.Header
}

func (k *keeping) WriteHeader(status int) {
	k.sent = k.Header().Clone()
	k.ResponseRecorder.WriteHeader(status)
}
