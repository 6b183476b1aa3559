package httpcache_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// world is an origin behind a cache. The origin counts its answers in the field N.
type world struct {
	t       *testing.T
	cache   *httpcache.Cache
	handler http.Handler

	mu    sync.Mutex
	asked []*http.Request
	say   func(w http.ResponseWriter, r *http.Request, n int)
}

// newWorld makes a cache in front of an origin that answers with say.
func newWorld(t *testing.T, cfg httpcache.Config, say func(w http.ResponseWriter, r *http.Request, n int)) *world {
	t.Helper()
	cache, err := httpcache.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cache.Close() })
	w := &world{t: t, cache: cache, say: say}
	w.handler = cache.Handler(http.HandlerFunc(w.origin))
	return w
}

func (o *world) origin(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.asked = append(o.asked, r)
	n, say := len(o.asked), o.say
	o.mu.Unlock()
	w.Header().Set("N", strconv.Itoa(n))
	say(w, r, n)
}

// count is how many requests have reached the origin.
func (o *world) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.asked)
}

// last is the last request that has reached the origin.
func (o *world) last() *http.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked[len(o.asked)-1]
}

// request is a request with fields, each "Name: value".
func request(method, url string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, url, nil)
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Add(name, value)
	}
	return r
}

// reply is an answer that has come to its end.
type reply struct {
	Status     string
	StatusCode int
	Header     http.Header
	text       string
}

// do sends a request through the cache.
func (o *world) do(method, url string, fields ...string) reply {
	o.t.Helper()
	rec := httptest.NewRecorder()
	o.handler.ServeHTTP(rec, request(method, url, fields...))
	return reply{fmt.Sprint(rec.Code, " ", http.StatusText(rec.Code)), rec.Code, rec.Result().Header, rec.Body.String()}
}

// get is do for GET.
func (o *world) get(url string, fields ...string) reply {
	o.t.Helper()
	return o.do(http.MethodGet, url, fields...)
}

// body is a reply's, or that of a client's response.
func body(t *testing.T, r any) string {
	t.Helper()
	switch r := r.(type) {
	case reply:
		return r.text
	case *http.Response:
		data, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	default:
		t.Fatalf("no body in %T", r)
		return ""
	}
}

// answers is an origin that says the same each time; each field is "Name: value", and "status: N"
// is the status.
func answers(text string, fields ...string) func(w http.ResponseWriter, r *http.Request, n int) {
	return func(w http.ResponseWriter, _ *http.Request, _ int) { answer(w, text, fields...) }
}

func answer(w http.ResponseWriter, text string, fields ...string) {
	status := http.StatusOK
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if name == "status" {
			_, _ = fmt.Sscan(value, &status)
			continue
		}
		w.Header().Add(name, value)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// want fails unless that many requests have reached the origin.
func (o *world) want(n int, what string) {
	o.t.Helper()
	if got := o.count(); got != n {
		o.t.Errorf("%s: %d requests have reached the origin, want %d", what, got, n)
	}
}

// inTime runs a test in virtual time.
func inTime(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		bubbletest.Test(t, test)
	})
}

// after lets virtual time pass.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// date is a time as HTTP writes it.
func date(at time.Time) string { return at.UTC().Format(http.TimeFormat) }
