package httpcache_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache/httpcache"
	"github.com/warmcache/warmcache/warm"
)

var (
	_ warm.Target    = (*httpcache.Cache)(nil)
	_ warm.Inspector = (*httpcache.Cache)(nil)
)

// these are URLs to be warmed.
func these(header http.Header, urls ...string) httpcache.URLs {
	return func(_ context.Context, emit func(string, http.Header) error) error {
		for _, url := range urls {
			if err := emit(url, header); err != nil {
				return err
			}
		}
		return nil
	}
}

// TestRegisterURLs_handler fetches through what the user names: one of two handlers, a mux that
// finds the path's values.
func TestRegisterURLs_handler(t *testing.T) {
	inTime(t, "named", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{Logger: quiet()}, nil)
		var asked atomic.Int64
		say := func(who string) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				answer(w, who+r.PathValue("name"), "Cache-Control: max-age=60")
			}
		}
		one, two, inner := http.NewServeMux(), w.cache.Handler(say("two ")), http.NewServeMux()
		one.Handle("/brands/{name}", w.cache.Handler(say("one ")))
		inner.Handle("/brands/{name}", say("one "))
		for name, h := range map[string]http.Handler{"http://one.com/brands/a": inner, "http://two.com/a": two} {
			if err := w.cache.RegisterURLs(name[7:14], these(nil, name), httpcache.WarmOptions{Handler: h}); err != nil {
				t.Fatal(err)
			}
		}
		for n := 1; n <= 2; n++ {
			if _, err := w.cache.Warm(t.Context()); err != nil {
				t.Fatal(err)
			}
			if asked.Load() != int64(2*n) { // never from what is cached
				t.Errorf("run %d: the handlers were asked %d times, want each once a run", n, asked.Load())
			}
		}
		w.handler = one
		if r := w.get("http://one.com/brands/a"); r.text != "one a" || r.Header.Get("Age") == "" {
			t.Errorf("%q, %v", r.text, r.Header)
		}
		w.handler = two
		if r := w.get("http://two.com/a"); r.text != "two " || r.Header.Get("Age") == "" {
			t.Errorf("%q, %v", r.text, r.Header)
		}
	})
}

func TestRegisterURLs(t *testing.T) {
	inTime(t, "warm from the first request on", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{Logger: quiet()}, func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.URL.Path == "/private" {
				answer(w, "secret", "Cache-Control: private")
				return
			}
			after(5 * time.Second)
			answer(w, r.URL.Path+r.Header.Get("Accept-Encoding"), "Cache-Control: max-age=60", "Vary: Accept-Encoding")
		})
		header := http.Header{"accept-encoding": {"br, gzip"}}
		err := w.cache.RegisterURLs("site", these(header, "http://example.com/a", "http://example.com/private", "http://example.com/b"), httpcache.WarmOptions{Concurrency: 1})
		if err != nil {
			t.Fatal(err)
		}
		results, err := w.cache.Warm(t.Context())
		if err != nil || len(results) != 1 || results[0].Memory != 4 {
			t.Fatalf("%+v, %v; want two answers and their indexes", results, err)
		}
		before := w.count()
		for _, path := range []string{"/a", "/b"} {
			r := w.get("http://example.com"+path, "Accept-Encoding: gzip, br")
			if got := body(t, r); got != path+"br, gzip" {
				t.Errorf("%q for %s", got, path)
			}
		}
		w.want(before, "warmed URLs")
		if got := w.get("http://example.com/b", "Accept-Encoding: gzip, br").Header.Get("Age"); got != "5" {
			t.Errorf("Age %s, want 5 s, of which the handler took all: the run's beginning does not count", got)
		}
		// A later run keeps the indexes that are there, and so the variants that nobody has warmed.
		w.get("http://example.com/a", "Accept-Encoding: zstd")
		after(10 * time.Second)
		if _, err := w.cache.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		before = w.count()
		w.get("http://example.com/a", "Accept-Encoding: zstd")
		w.want(before, "a variant that was not warmed, after a warm run")
	})
	inTime(t, "what fails", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{Logger: quiet()}, answers("secret", "Cache-Control: private"))
		if err := w.cache.RegisterURLs("site", these(nil, "http://example.com/a", "not a URL"), httpcache.WarmOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.cache.Warm(t.Context()); err == nil {
			t.Error("a run that stored nothing is no success")
		}
		if err := w.cache.RegisterURLs("none", nil, httpcache.WarmOptions{}); err == nil {
			t.Error("RegisterURLs without URLs")
		}
		w.cache.Handler(http.NotFoundHandler())
		if _, err := w.cache.Warm(t.Context()); err == nil {
			t.Error("it is not known through which of two handlers to fetch")
		}
	})
}

func TestLearnHot_isReplayed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	say := func(w http.ResponseWriter, r *http.Request, _ int) {
		answer(w, r.URL.Path+r.Header.Get("Accept-Encoding"), "Cache-Control: max-age=600", "Vary: Accept-Encoding")
	}
	cfg := func() httpcache.Config {
		return httpcache.Config{Redis: connect(t, server.Client()), LearnHot: 10, Logger: quiet()}
	}
	w := newWorld(t, cfg(), say)
	redistest.Eventually(t, 30*time.Second, func() error {
		for range 200 {
			w.get("http://example.com/hot", "Accept-Encoding: gzip")
		}
		hot, err := w.cache.HotTexts(t.Context(), 10)
		if err == nil && len(hot) < 2 {
			err = errors.New("nothing is hot yet")
		}
		return err
	})
	keys, _ := server.Do("KEYS", "http:http*").([]any) // what was stored is lost, but not what is hot
	if len(keys) < 2 {
		t.Fatalf("keys %q", keys)
	}
	for _, key := range keys {
		server.Do("DEL", key)
	}
	restarted := newWorld(t, cfg(), say)
	redistest.Eventually(t, 30*time.Second, func() error { // it is shared after a while
		hot, err := restarted.cache.HotTexts(t.Context(), 10)
		if err == nil && len(hot) < 2 {
			err = errors.New("nothing is shared yet")
		}
		return err
	})
	engine, err := warm.New(warm.Config{Redis: connect(t, server.Client()), Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Add(restarted.cache); err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer engine.Stop(context.WithoutCancel(t.Context())) //nolint:errcheck // a test
	<-engine.Ready()
	redistest.Eventually(t, 30*time.Second, func() error {
		if restarted.cache.Tiers().Entries < 2 {
			return fmt.Errorf("%d entries", restarted.cache.Tiers().Entries)
		}
		return nil
	})
	before := restarted.count()
	if got := body(t, restarted.get("http://example.com/hot", "Accept-Encoding: gzip")); got != "/hotgzip" {
		t.Errorf("%q", got)
	}
	restarted.want(before, "a hot URL after a restart")
}

func TestPurge(t *testing.T) {
	allowed := func(r *http.Request) error {
		if r.Header.Get("Authorization") != "Bearer secret" {
			return errors.New("a token is needed")
		}
		return nil
	}
	say := func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Method == "PURGE" {
			answer(w, "the handler's", "status: 405")
			return
		}
		answer(w, "hello", "Cache-Control: max-age=60", "Vary: Foo", "Surrogate-Key: x y")
	}
	cfg := httpcache.Config{Purge: allowed, TagHeader: "Surrogate-Key"}
	inTime(t, "who may", func(t *testing.T) {
		w := newWorld(t, cfg, say)
		n := 0
		fill := func() {
			for _, foo := range []string{"1", "2"} {
				w.get("http://example.com/a?q", "Foo: "+foo)
			}
			n += 2
			w.want(n, "two variants")
		}
		for _, fields := range [][]string{{}, {"Surrogate-Key: y"}, {`Cache-Group-Invalidation: "x"`}} {
			fill()
			r := w.do("PURGE", "http://example.com/a?q", append(slices.Clone(fields), "Authorization: Bearer secret")...)
			if r.StatusCode != http.StatusNoContent {
				t.Errorf("%v: %s", fields, r.Status)
			}
		}
		fill()
	})
	inTime(t, "who may not", func(t *testing.T) {
		w := newWorld(t, cfg, say)
		w.get("http://example.com/a")
		if r := w.do("PURGE", "http://example.com/a"); r.StatusCode != http.StatusForbidden {
			t.Errorf("%s, want 403", r.Status)
		}
		w.get("http://example.com/a")
		w.want(1, "PURGE without a token")
	})
	inTime(t, "where Config names nobody", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, say)
		w.get("http://example.com/a")
		if r := w.do("PURGE", "http://example.com/a"); r.StatusCode != http.StatusMethodNotAllowed || body(t, r) != "the handler's" {
			t.Errorf("%s, want the handler's answer", r.Status)
		}
		w.get("http://example.com/a")
		w.want(2, "PURGE is the handler's")
	})
}
