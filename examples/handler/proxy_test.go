package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

// origin is a server whose pages are fresh for an hour, and which counts its requests.
func origin(t *testing.T) (addr string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("CDN-Cache-Control", "max-age=3600")
		_, _ = fmt.Fprintf(w, "%s %s is page %d", r.Method, r.URL.RequestURI(), n)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func TestReport(t *testing.T) {
	t.Parallel()
	addr, _, stop := start(t, nil)
	for i, want := range []string{"fwd=uri-miss", "hit", "hit"} {
		a := ask(t, http.MethodGet, addr+"/report?week=7")
		if a.code != http.StatusOK || !strings.Contains(a.body, `week "7"`) || !strings.Contains(a.header.Get("Cache-Status"), want) {
			t.Errorf("request %d: %d %q, Cache-Status %q; want 200 and %s", i+1, a.code, a.body, a.header.Get("Cache-Status"), want)
		}
	}
	if a := ask(t, http.MethodGet, addr+"/nowhere"); a.code != http.StatusNotFound {
		t.Errorf("another page: %d, want 404", a.code)
	}
	stop()
}

func TestProxy(t *testing.T) {
	t.Parallel()
	server, asked := origin(t)
	addr, _, _ := start(t, map[string]string{"ADMIN_TOKEN": "sekret"}, "-proxy", server+"/app")
	for range 3 {
		if a := ask(t, http.MethodGet, addr+"/a?b=c"); a.body != "GET /app/a?b=c is page 1" {
			t.Errorf("%d %q", a.code, a.body)
		}
	}
	if a := ask(t, "PURGE", addr+"/a?b=c"); a.code < 400 || asked.Load() != 1 {
		t.Errorf("PURGE without a token: %d, and the server was asked %d times", a.code, asked.Load())
	}
	if a := ask(t, "PURGE", addr+"/a?b=c", "Authorization", "Bearer sekret"); a.code != http.StatusNoContent {
		t.Errorf("PURGE: %d %q, want 204", a.code, a.body)
	}
	if a := ask(t, http.MethodGet, addr+"/a?b=c"); a.body != "GET /app/a?b=c is page 2" {
		t.Errorf("after PURGE: %d %q", a.code, a.body)
	}
	if a := ask(t, http.MethodPost, addr+"/a?b=c"); a.body != "POST /app/a?b=c is page 3" {
		t.Errorf("POST: %d %q", a.code, a.body)
	}
	if a := ask(t, http.MethodGet, addr+"/a?b=c"); a.body != "GET /app/a?b=c is page 4" {
		t.Errorf("after POST: %d %q", a.code, a.body)
	}
}

// What -warm names is there before anybody asks for it; after a restart with Redis the server is
// asked for nothing.
func TestProxy_warm(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"access.log":  strings.Repeat("192.0.2.7 - - [27/Nov/2026:04:43:52 +0000] \"GET /a HTTP/1.1\" 200 9\n192.0.2.7 - - [t] \"GET /b?c=d HTTP/1.1\" 304 -\n", 2),
		"sitemap.xml": "<urlset><url><loc>https://www.example.com/a</loc></url><url><loc>https://www.example.com/b?c=d</loc></url></urlset>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, asked := origin(t)
			file := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			shared := "redis://" + redistest.Start(t).Addr()
			for _, again := range []string{"", "again"} {
				addr, log, stop := start(t, nil, "-proxy", server, "-redis", shared, "-warm", file, "-base", "http://www.example.com")
				redistest.Eventually(t, time.Minute, func() error {
					if !strings.Contains(log.String(), "warm: run ended") {
						return errors.New("it is not warm:\n" + log.String())
					}
					return nil
				})
				for _, path := range []string{"/a", "/b?c=d"} {
					a := ask(t, http.MethodGet, addr+path, "Host", "www.example.com")
					if want := "GET " + path + " is page "; !strings.HasPrefix(a.body, want) || !strings.Contains(a.header.Get("Cache-Status"), "; hit") {
						t.Errorf("%s %s: %q, Cache-Status %q; want %q and a hit\n%s", path, again, a.body, a.header.Get("Cache-Status"), want, log)
					}
				}
				stop()
			}
			if n := asked.Load(); n != 2 {
				t.Errorf("the server was asked %d times, want once a page", n)
			}
		})
	}
}
