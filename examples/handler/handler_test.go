package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newHandler(t *testing.T, next http.HandlerFunc) *cached {
	t.Helper()
	c, err := newCached("pages", next)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) //nolint:errcheck // it has no error to tell
	return c
}

// get answers a request with these headers, name after value.
func get(t *testing.T, h http.Handler, method, uri string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, uri, http.NoBody)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestCached_asks_once(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		c := newHandler(t, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			<-time.After(2 * time.Second)
			w.Header().Set("Content-Type", "text/x-report")
			io.WriteString(w, r.URL.Query().Get("week")) //nolint:errcheck // a recorder
		})
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				r := get(t, c, http.MethodGet, "/report?week=7")
				if got := r.Body.String(); r.Code != http.StatusOK || got != "7" || r.Header().Get("Content-Type") != "text/x-report" {
					t.Errorf("answer %d %q %v", r.Code, got, r.Header())
				}
			})
		}
		all.Wait()
		<-time.After(10 * time.Second)
		r := get(t, c, http.MethodGet, "/report?week=7")
		if n := asked.Load(); n != 1 || r.Header().Get("X-Cache") != "memory" || r.Header().Get("Age") != "12" {
			t.Errorf("asked %d times, then X-Cache %q and Age %q; want once, memory and 12", n, r.Header().Get("X-Cache"), r.Header().Get("Age"))
		}
		if got := get(t, c, http.MethodGet, "/report?week=8").Body.String(); got != "8" || asked.Load() != 2 {
			t.Errorf("another query: %q after %d questions, want 8 and 2", got, asked.Load())
		}
	})
}

func TestCached_keeps_what_may_be_kept(t *testing.T) {
	for name, tt := range map[string]struct {
		next   http.HandlerFunc
		method string
		header []string
		asked  int32 // in two requests
		status int
	}{
		"a page":               {func(http.ResponseWriter, *http.Request) {}, http.MethodGet, nil, 1, 200},
		"its head":             {func(http.ResponseWriter, *http.Request) {}, http.MethodHead, nil, 1, 200},
		"a change":             {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) }, http.MethodPost, nil, 2, 201},
		"a visitor with token": {func(http.ResponseWriter, *http.Request) {}, http.MethodGet, []string{"Authorization", "Bearer x"}, 2, 200},
		"a visitor we know":    {func(http.ResponseWriter, *http.Request) {}, http.MethodGet, []string{"Cookie", "id=1"}, 2, 200},
		"nothing there":        {http.NotFound, http.MethodGet, nil, 1, 404},
		"a failure":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, http.MethodGet, nil, 2, 503},
		"a panic":              {func(http.ResponseWriter, *http.Request) { panic("no") }, http.MethodGet, nil, 2, 502},
		"a cookie for somebody": {
			func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Set-Cookie", "id=1") },
			http.MethodGet, nil, 2, 200,
		},
		"what must not be kept": {
			func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "private, max-age=5") },
			http.MethodGet, nil, 2, 200,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			c := newHandler(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				tt.next(w, r)
			})
			for range 2 {
				if r := get(t, c, tt.method, "/page", tt.header...); r.Code != tt.status {
					t.Errorf("status %d, want %d", r.Code, tt.status)
				}
			}
			if n := asked.Load(); n != tt.asked {
				t.Errorf("the handler was asked %d times, want %d", n, tt.asked)
			}
		})
	}
}

func TestCached_gives_the_handler_no_headers(t *testing.T) {
	var seen http.Header
	c := newHandler(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header
		w.Header()["Vary"] = []string{"Accept"}
	})
	r := get(t, c, http.MethodGet, "/page", "Accept-Language", "de", "X-User", "7")
	if diff := cmp.Diff(http.Header{}, seen); diff != "" {
		t.Errorf("the handler sees headers (-want +got):\n%s", diff)
	}
	r.Header()["Vary"][0] = "spoiled"
	if got := get(t, c, http.MethodGet, "/page").Header().Get("Vary"); got != "Accept" {
		t.Errorf("Vary is %q after an answer was changed, want Accept", got)
	}
}

func TestCached_bridges_failures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := http.StatusOK
		c := newHandler(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, http.StatusText(status)) //nolint:errcheck // a recorder
		})
		want := func(code int, text string) {
			t.Helper()
			synctest.Wait()
			if r := get(t, c, http.MethodGet, "/page"); r.Code != code || r.Body.String() != text {
				t.Errorf("status %d, want %d with %q", r.Code, code, text)
			}
		}
		want(200, "OK")
		status = http.StatusInternalServerError
		<-time.After(5 * time.Minute)
		want(200, "OK") // the old page
		status = http.StatusGone
		<-time.After(5 * time.Minute)
		want(410, "Gone") // a page that was taken away is no failure
		status = http.StatusOK
		<-time.After(11 * time.Second)
		want(200, "OK")
	})
}
