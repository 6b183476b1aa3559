package httpcache_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// connect is a node's Redis.
func connect(t *testing.T, client redis.UniversalClient) *tiercache.Redis {
	t.Helper()
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: 2 * time.Second, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(); _ = client.Close() })
	return r
}

// fleet is two nodes before one origin.
func fleet(t *testing.T, server *redistest.Server, say func(w http.ResponseWriter, r *http.Request, n int)) (a, b *world) {
	t.Helper()
	a = newWorld(t, httpcache.Config{Redis: connect(t, server.Client()), Logger: quiet()}, say)
	b = newWorld(t, httpcache.Config{Redis: connect(t, server.Client()), Logger: quiet()}, say)
	b.handler = b.cache.Handler(http.HandlerFunc(a.origin))
	redistest.Eventually(t, 10*time.Second, func() error {
		if !a.cache.Tiers().Coherent || !b.cache.Tiers().Coherent {
			return errors.New("not coherent yet")
		}
		return nil
	})
	return a, b
}

func TestFleet_collapses(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	a, b := fleet(t, redistest.Start(t), func(w http.ResponseWriter, r *http.Request, _ int) {
		<-gate
		answer(w, "for "+r.Header.Get("Accept-Language"), "Cache-Control: max-age=600", "Vary: Accept-Language")
	})
	var all sync.WaitGroup
	started := make(chan struct{}, 100)
	for i := range 100 {
		node := []*world{a, b}[i%2]
		all.Go(func() {
			started <- struct{}{}
			language := []string{"de", "en"}[i/2%2]
			if got := body(t, node.get("http://example.com/a", "Accept-Language: "+language)); got != "for "+language {
				t.Errorf("%q for %s", got, language)
			}
		})
	}
	for range 100 {
		<-started
	}
	redistest.Eventually(t, 10*time.Second, func() error {
		if a.count() == 0 {
			return errors.New("nobody asks")
		}
		return nil
	})
	close(gate)
	all.Wait()
	a.want(2, "two nodes, 100 clients, two variants")
}

func TestFleet_invalidates(t *testing.T) {
	t.Parallel()
	a, b := fleet(t, redistest.Start(t), func(w http.ResponseWriter, r *http.Request, n int) {
		answer(w, strconv.Itoa(n), "Cache-Control: max-age=600, stale-while-revalidate=600", "Vary: Accept-Language", `Cache-Groups: "g"`)
	})
	for name, end := range map[string]func() error{
		"a write":          func() error { a.do(http.MethodPost, "http://example.com/a"); return nil },
		"Invalidate":       func() error { return a.cache.Invalidate(t.Context(), "http://example.com/a") },
		"InvalidateGroups": func() error { return a.cache.InvalidateGroups(t.Context(), "http://example.com", "g") },
		"Clear":            func() error { return a.cache.Clear(t.Context()) },
	} {
		before := make(map[string]string)
		for _, l := range []string{"de", "en"} {
			before[l] = body(t, b.get("http://example.com/a", "Accept-Language: "+l))
			if got := body(t, a.get("http://example.com/a", "Accept-Language: "+l)); got != before[l] {
				t.Errorf("before %s: %q on one node, %q on the other", name, got, before[l])
			}
		}
		if err := end(); err != nil {
			t.Fatal(name, err)
		}
		for l, old := range before {
			if got := body(t, a.get("http://example.com/a", "Accept-Language: "+l)); got == old {
				t.Errorf("after %s the node that did it serves %q", name, got)
			}
			redistest.Eventually(t, 10*time.Second, func() error {
				if got := body(t, b.get("http://example.com/a", "Accept-Language: "+l)); got == old {
					return fmt.Errorf("after %s the other node serves %q", name, got)
				}
				return nil
			})
		}
	}
}

func TestFleet_aWarmRedisServesWithoutTheOrigin(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	say := func(w http.ResponseWriter, r *http.Request, _ int) {
		answer(w, "for "+r.Header.Get("Accept-Language"), "Cache-Control: max-age=600", "Vary: Accept-Language", "X-A: 1", "X-A: 2", `ETag: "v1"`)
	}
	a, _ := fleet(t, server, say)
	first := a.get("http://example.com/a", "Accept-Language: de")
	a.get("http://example.com/b", "Accept-Language: de")
	redistest.Eventually(t, 10*time.Second, func() error { // the answer goes out before it is in Redis
		if n := a.cache.Tiers().Entries; n < 4 {
			return fmt.Errorf("%d entries", n)
		}
		return nil
	})
	restarted := newWorld(t, httpcache.Config{Redis: connect(t, server.Client()), Logger: quiet()}, say)
	second := restarted.get("http://example.com/a", "Accept-Language: de")
	if got, want := body(t, second), body(t, first); got != want || fmt.Sprint(second.Header["X-A"], second.Header["Etag"]) != fmt.Sprint(first.Header["X-A"], first.Header["Etag"]) {
		t.Errorf("%q %v, want %q %v", got, second.Header, want, first.Header)
	}
	if r := restarted.do(http.MethodHead, "http://example.com/b", "Accept-Language: de"); r.Header.Get("Content-Length") != "6" {
		t.Errorf("HEAD: %v", r.Header)
	}
	if r := restarted.get("http://example.com/b", "Accept-Language: de", `If-None-Match: "v1"`); r.StatusCode != http.StatusNotModified {
		t.Errorf("%s, want 304", r.Status)
	}
	if r := restarted.get("http://example.com/b", "Accept-Language: de", "Cache-Control: only-if-cached"); r.StatusCode != http.StatusOK {
		t.Errorf("%s, want the stored answer", r.Status)
	}
	restarted.want(0, "all of it is in Redis")
}

func TestFleet_withoutRedisItGoesOn(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, _ := fleet(t, server, answers("hello", "Cache-Control: max-age=600"))
	server.Kill()
	for range 3 {
		if got := body(t, a.get("http://example.com/a")); got != "hello" {
			t.Errorf("%q", got)
		}
	}
	a.do(http.MethodPost, "http://example.com/a")
	before := a.count()
	a.get("http://example.com/a")
	a.want(before+1, "a write with Redis away ends what this node has")
}
