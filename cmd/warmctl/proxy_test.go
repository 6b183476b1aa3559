package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/warm"
)

// front serves what stands between the program and services, and calls the program through it.
func front(t *testing.T, h http.Handler, args ...string) outcome {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	defer server.CloseClientConnections()
	return call(t, []string{"ADMIN_TOKEN=" + token}, append(args, "-addr", server.URL+"/admin")...)
}

func proxyTo(t *testing.T, s service) *httputil.ReverseProxy {
	t.Helper()
	to, err := url.Parse(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	to.Path = ""
	return httputil.NewSingleHostReverseProxy(to)
}

// A load balancer sends a request to this replica, the next to that one.
func TestRun_two_replicas(t *testing.T) {
	t.Parallel()
	one, two := serve(t), serve(t)
	proxies := []*httputil.ReverseProxy{proxyTo(t, one), proxyTo(t, two)}
	var n atomic.Int64
	turns := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { proxies[n.Add(1)%2].ServeHTTP(w, r) })
	for range 2 {
		front(t, turns, "run", "numbers").want(t, 0, "numbers ok: 3 items in ", "1 of 1 tasks ok, 3 items in ")
	}
	front(t, turns, "run", "broken").want(t, 1, "broken failed: 0 items", "0 of 1 tasks ok")
}

// held is nginx with proxy_buffering on: it passes on an answer once that is complete, but for one
// that asks it not to.
func held(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := &buffer{ResponseWriter: w}
		next.ServeHTTP(b, r)
		_, _ = io.Copy(w, &b.held)
	})
}

type buffer struct {
	http.ResponseWriter

	held bytes.Buffer
}

func (b *buffer) through() bool { return b.Header().Get("X-Accel-Buffering") == "no" }

func (b *buffer) WriteHeader(code int) {
	if b.through() || code/100 != 2 {
		b.ResponseWriter.WriteHeader(code)
	}
}

func (b *buffer) Write(p []byte) (int, error) {
	if b.through() {
		return b.ResponseWriter.Write(p)
	}
	return b.held.Write(p)
}

func (b *buffer) FlushError() error {
	if b.through() {
		return http.NewResponseController(b.ResponseWriter).Flush()
	}
	return nil
}

func TestRun_behind_a_buffering_proxy(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.gate <- struct{}{}
	front(t, held(proxyTo(t, s)), "run", "numbers", "slow").want(t, 0, "(1 of 2 tasks over)", "2 of 2 tasks ok")
	deaf := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // to the header too
		r.Header.Del("Accept-Encoding")
		rec := httptest.NewRecorder()
		proxyTo(t, s).ServeHTTP(rec, r)
		_, _ = w.Write(rec.Body.Bytes())
	})
	front(t, deaf, "run", "-json", "numbers").want(t, 0, `"status": "ok"`, `"trigger": "http"`)
}

// Whoever holds all event streams keeps nobody from running tasks.
func TestRun_all_event_streams_are_taken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	taken := 0
	for {
		res, err := http.Get(s.addr + "/api/cache/warmup/events")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close() //nolint:errcheck // it was never read
		if res.StatusCode != http.StatusOK {
			break
		}
		taken++
	}
	if taken == 0 {
		t.Fatal("no stream at all")
	}
	s.call(t, "run", "numbers").want(t, 0, "numbers ok: 3 items", "1 of 1 tasks ok")
}

// A service of an earlier version, or a proxy that lets no event pass: it answers execute at once,
// and the record is waited for.
func TestRun_without_progress(t *testing.T) {
	t.Parallel()
	s := serve(t)
	proxy := proxyTo(t, s)
	plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Accept")
		if strings.HasSuffix(r.URL.Path, "/events") {
			<-r.Context().Done()
			return
		}
		proxy.ServeHTTP(w, r)
	})
	s.gate <- struct{}{}
	got := front(t, plain, "run", "-json", "slow")
	got.want(t, 0)
	var r warm.RunStatus
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || len(r.Tasks) != 1 || r.Tasks[0].Items != 7 {
		t.Errorf("%v\n%s", err, got.out)
	}
}

// Every wait has an end: for a run that does not end, for a service that says nothing any more, and
// for one that knows no such run.
func TestRun_waits_are_bounded(t *testing.T) {
	t.Parallel()
	s := serve(t)
	began := time.Now()
	s.call(t, "run", "-timeout", "1s", "slow").want(t, 1, "is not over after 1s", "goes on in the service")
	s.gate <- struct{}{}

	frozen := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client goes away
		<-r.Context().Done()
	})
	front(t, frozen, "run", "-timeout", "1s", "numbers").want(t, 1, "did not answer within 1s")

	forgetful := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/execute") {
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"run_id":"lost","state":"running"}`)
			return
		}
		_, _ = io.WriteString(w, `{"warmup":{"current_run":null,"recent_runs":[]}}`)
	})
	front(t, forgetful, "run", "numbers").want(t, 1, "no longer knows run lost")
	if took := time.Since(began); took > 45*time.Second {
		t.Errorf("it took %v", took)
	}
	s.call(t, "run", "-timeout", "0s").want(t, 2, "-timeout 0s: want")
}
