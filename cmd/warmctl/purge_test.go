package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/tiercache/httpcache"
	"github.com/warmcache/warmcache/warm/admin"
)

// cached is a site behind an HTTP cache that grants PURGE to the token; counts says how often each
// of its paths was asked.
type cached struct {
	addr  string
	mu    sync.Mutex
	asked map[string]int
}

func serveCached(t *testing.T) *cached {
	t.Helper()
	cache, err := httpcache.New(httpcache.Config{TagHeader: "Surrogate-Key", Purge: admin.Bearer(token)})
	if err != nil {
		t.Fatal(err)
	}
	c := &cached{asked: make(map[string]int)}
	server := httptest.NewServer(cache.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.asked[r.Host+r.URL.RequestURI()]++
		c.mu.Unlock()
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Header().Set("Surrogate-Key", "pages "+strings.Trim(r.URL.Path, "/"))
		_, _ = fmt.Fprint(w, r.URL.Path)
	})))
	c.addr = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// get asks for a path as a host's visitor, and returns how often the site was asked for it so far.
func (c *cached) get(t *testing.T, host, path string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.addr+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close() //nolint:errcheck // nothing is read
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", path, res.Status)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[r.Host+path]
}

func TestPurge(t *testing.T) {
	t.Parallel()
	c := serveCached(t)
	env := []string{"ADMIN_TOKEN=" + token}
	want := func(host, path string, asked int) {
		t.Helper()
		for range 2 {
			if got := c.get(t, host, path); got != asked {
				t.Errorf("the site was asked for %s %d times, want %d", path, got, asked)
			}
		}
	}
	want("", "/a?b=1", 1)
	want("", "/c", 1)
	call(t, env, "purge", c.addr+"/a?b=1").want(t, 0, "purged "+c.addr+"/a?b=1")
	want("", "/a?b=1", 2)
	want("", "/c", 1)

	call(t, env, "purge", "-tag", "a", "-addr", c.addr).want(t, 0, "purged what is tagged a at "+c.addr)
	want("", "/a?b=1", 3)
	want("", "/c", 1)
	call(t, env, "purge", "-tag", "pages", "-json", c.addr).golden(t, `[{"url": "`+c.addr+`", "tags": ["pages"]}]`)
	want("", "/a?b=1", 4)
	want("", "/c", 2)

	want("www.example.com", "/a", 1)
	call(t, env, "purge", "http://www.example.com/a", "-addr", c.addr).want(t, 0, "purged http://www.example.com/a")
	want("www.example.com", "/a", 2)

	call(t, nil, "purge", c.addr+"/c").want(t, 1, "set ADMIN_TOKEN")
	call(t, []string{"ADMIN_TOKEN=another"}, "purge", c.addr+"/c").want(t, 1, "the service says 40", "wrong bearer token")
	want("", "/c", 2)
}

// What is sent, to whom, and what answers other than 204 mean.
func TestPurge_wire(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	answer := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("%s %s%s %s %q %s", r.Method, r.Host, r.RequestURI, r.Header.Get("Authorization"), r.Header["Cache-Group-Invalidation"], r.Header.Get("X-Forwarded-Proto")))
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "http://elsewhere.example/"+token, http.StatusFound)
		case "/none":
			http.NotFound(w, r)
		case "/busy":
			http.Error(w, "Redis is told later; "+token, http.StatusServiceUnavailable)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(answer))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	env := []string{"ADMIN_TOKEN=" + token}
	call(t, env, "purge", server.URL+"/a", server.URL+"/none", server.URL+"/b").want(t, 1, "purged "+server.URL+"/a", "/none: "+server.URL+" answers 404: no HTTP cache of ours", "purged "+server.URL+"/b")
	call(t, env, "purge", "https://www.example.com/x", "-addr", host, "-header", "X-Forwarded-Proto: https").want(t, 0, "purged https://www.example.com/x")
	call(t, env, "purge", "-tag", `a "b" \c`, "-tag", "d", "-addr", host).want(t, 0)
	for path, want := range map[string]string{"/moved": "leads to http://elsewhere.example/***", "/busy": "the service says 503: Redis is told later; ***"} {
		got := call(t, env, "purge", server.URL+path)
		if got.want(t, 1, want); strings.Contains(got.out+got.err, token) {
			t.Errorf("the token is shown: %s%s", got.out, got.err)
		}
	}
	want := []string{
		"PURGE " + host + "/a Bearer " + token + " [] ",
		"PURGE " + host + "/none Bearer " + token + " [] ",
		"PURGE " + host + "/b Bearer " + token + " [] ",
		"PURGE www.example.com/x Bearer " + token + " [] https",
		"PURGE " + host + "/ Bearer " + token + ` ["\"a \\\"b\\\" \\\\c\"" "\"d\""] `,
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, seen[:min(len(want), len(seen))]); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestPurge_usage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                         "no URL given",
		"/page":                    "want an absolute URL",
		"http://u:pw@h/page":       "want an absolute URL",
		"http://h/page#part":       "want an absolute URL",
		"-tag t http://a http://b": "one URL at most",
		"-tag= http://h":           "want 1 to 1024 characters",
		"-header x http://h/page":  `want "Name: value"`,
		"-addr ftp://h http://h/a": "-addr: want a URL",
	} {
		call(t, nil, append([]string{"purge"}, strings.Fields(args)...)...).want(t, 2, want)
	}
	call(t, nil, "purge", "http://127.0.0.1:1/a").want(t, 1, "no service answers at http://127.0.0.1:1")
}
