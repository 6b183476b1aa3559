package httpcache_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// over is a client through a cache's Transport, over loopback, with what stands behind.
func over(t *testing.T, cfg httpcache.Config, say http.HandlerFunc) (*http.Client, string) {
	t.Helper()
	cache, err := httpcache.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(say)
	direct := &http.Transport{}
	t.Cleanup(func() {
		_ = cache.Close()
		direct.CloseIdleConnections()
		server.Close()
	})
	return &http.Client{Transport: cache.Transport(direct)}, server.URL
}

func TestTransport_trailers(t *testing.T) {
	t.Parallel()
	client, url := over(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		answer(w, "hello", "Cache-Control: max-age=60")
		w.Header().Set("X-Sum", "1")
		w.Header().Set(http.TrailerPrefix+"X-More", "2")
	})
	for i := range 2 {
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, res); got != "hello" {
			t.Errorf("%q", got)
		}
		_ = res.Body.Close()
		sum, more := res.Trailer.Get("X-Sum"), res.Trailer.Get("X-More")
		if i == 0 && (sum != "1" || more != "2") || i == 1 && sum+more != "" {
			t.Errorf("answer %d: trailers %v", i, res.Trailer)
		}
	}
}

func TestTransport_interim(t *testing.T) {
	t.Parallel()
	client, url := over(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		answer(w, "hello", "Cache-Control: max-age=60")
	})
	n := 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error {
		n++
		return nil
	}})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, res); got != "hello" || n != 1 {
		t.Errorf("%q after %d interim answers, want one", got, n)
	}
	_ = res.Body.Close()
}

// TestTransport_refresh has a refresh behind fail while its client still reads: the two share
// nothing.
func TestTransport_refresh(t *testing.T) {
	t.Parallel()
	inTime(t, "fails", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, nil)
		n := 0
		rt := w.cache.Transport(tripper(func(r *http.Request) (*http.Response, error) {
			if n++; n > 1 {
				return nil, errDown
			}
			rec := httptest.NewRecorder()
			answer(rec, string(bytes.Repeat([]byte("x"), 1000)), "Cache-Control: max-age=2, stale-while-revalidate=60")
			return rec.Result(), nil
		}))
		for range 2 {
			r, err := rt.RoundTrip(httptest.NewRequest(http.MethodGet, "http://example.com/a", http.NoBody))
			if err != nil {
				t.Fatal(err)
			}
			after(0)
			if data, err := io.ReadAll(r.Body); len(data) != 1000 || err != nil {
				t.Errorf("%d bytes, %v", len(data), err)
			}
			_ = r.Body.Close()
			after(3 * time.Second)
		}
	})
}

// TestTransport_end has nothing of a request left once its body was read, closed or not.
func TestTransport_end(t *testing.T) {
	t.Parallel()
	inTime(t, "read", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, nil)
		seen := make(chan context.Context, 1)
		rt := w.cache.Transport(tripper(func(r *http.Request) (*http.Response, error) {
			seen <- r.Context()
			rec := httptest.NewRecorder()
			answer(rec, "hello", "Cache-Control: no-store")
			return rec.Result(), nil
		}))
		r, err := rt.RoundTrip(request(http.MethodGet, "http://example.com/a", "Cache-Control: no-store"))
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, r); got != "hello" {
			t.Errorf("%q", got)
		}
		defer r.Body.Close() //nolint:errcheck // it is at its end
		select {
		case <-(<-seen).Done():
		case <-time.After(time.Minute):
			t.Error("the request's context is left")
		}
	})
}

func TestTransport_writes(t *testing.T) {
	t.Parallel()
	client, url := over(t, httpcache.Config{TagHeader: "Surrogate-Key"}, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "hello", "Cache-Control: max-age=60", "Surrogate-Key: a")
	})
	res, err := client.Post(url, "text/plain", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.Header["Surrogate-Key"] != nil || res.Header.Get("Cache-Status") != "warmcache; fwd=method" {
		t.Errorf("%v", res.Header)
	}
}
