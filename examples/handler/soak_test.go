package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/warmcache/warmcache/internal/redistest"
)

const (
	soakPages = 100
	soakRate  = 150 // requests a second, whatever becomes of those before
	// soakMost bounds the requests under way: while there are as many, the machine is the limit and
	// not the cache. At the rate, with every answer taking a second, there are less than half.
	soakMost = 400
)

// visitors ask a site through the cache, in an open loop.
type visitors struct {
	t         *testing.T
	addr      string
	transport *http.Transport
	wg        sync.WaitGroup
	phase     atomic.Int64 // even: nothing is wrong with the origin, nor was when a request under way began

	asked, refused, given, gone, unsent atomic.Int64

	mu     sync.Mutex
	faults map[string]int
	under  map[int64]bool     // requests that are under way
	took   [2][]time.Duration // of pages: while all was well, and while it was not
	floor  map[string]int     // the version that a change has brought, after it was answered
}

func (v *visitors) fault(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if len(v.faults) < 20 || v.faults[text] > 0 {
		v.faults[text]++
	}
}

func (v *visitors) enter() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	id := v.asked.Add(1)
	v.under[id] = true
	return id
}

func (v *visitors) leave(id int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.under, id)
}

// busy reports whether as many requests are under way as may be.
func (v *visitors) busy() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.under) >= soakMost
}

// visit makes one request of a random kind, and checks what comes back.
func (v *visitors) visit(ctx context.Context) {
	id := v.enter()
	defer v.leave(id)
	kind := [...]string{"page", "page", "page", "page", "page", "page", "page", "item", "item", "own"}[rand.IntN(10)]
	if rand.IntN(50) == 0 {
		kind = "long"
	}
	path := fmt.Sprintf("/%s/%d", kind, rand.IntN(soakPages))
	language, client := [...]string{"de", "en"}[rand.IntN(2)], strconv.FormatInt(id, 10)
	method := http.MethodGet
	if kind == "item" && rand.IntN(10) == 0 {
		method = http.MethodPost
	}
	v.mu.Lock()
	least := v.floor[path]
	v.mu.Unlock()
	leaves := rand.IntN(50) == 0
	if leaves { // a visitor who does not wait
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(int(5*time.Millisecond))))
		defer cancel()
	}
	phase, began := v.phase.Load(), time.Now()
	code, body, err := v.fetch(ctx, method, path, language, client)
	switch {
	case leaves && ctx.Err() != nil:
		v.gone.Add(1)
		return
	case errors.Is(err, errLate):
		v.unsent.Add(1)
		return
	}
	if err != nil || code != http.StatusOK {
		v.refused.Add(1)
		if calm := phase%2 == 0 && phase == v.phase.Load(); kind == "page" || calm {
			v.fault("%s %s: %d %.80q, %v (calm %v)", method, kind, code, body, err, calm)
		}
		return
	}
	v.given.Add(1)
	version, err := checkBody(body, path, language, client)
	switch {
	case err != nil:
		v.fault("%s %s: %v", method, kind, err)
	case version < least && method == http.MethodGet:
		v.fault("%s: version %d after a change to %d was answered", path, version, least)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if kind == "page" {
		v.took[phase%2] = append(v.took[phase%2], time.Since(began))
	}
	if method == http.MethodPost {
		v.floor[path] = max(v.floor[path], version)
	}
}

// errLate is a request that this busy machine has sent after the time that the server allows.
var errLate = errors.New("it was not sent in time")

func (v *visitors) fetch(ctx context.Context, method, path, language, client string) (code int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, v.addr+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Accept-Language", language)
	r.Header.Set("X-Client", client)
	var dialed, wrote atomic.Int64
	began := time.Now()
	r = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectDone:  func(string, string, error) { dialed.Store(int64(time.Since(began))) },
		WroteRequest: func(httptrace.WroteRequestInfo) { wrote.Store(int64(time.Since(began))) },
	}))
	res, err := v.transport.RoundTrip(r)
	if err != nil {
		at, last := time.Duration(dialed.Load()), time.Duration(wrote.Load())
		if at > 0 && last-at > readHeaderTimeout/2 {
			return 0, "", errLate
		}
		return 0, "", fmt.Errorf("%w; connected after %v, written after %v, ended after %v", err, at, last, time.Since(began))
	}
	defer res.Body.Close() //nolint:errcheck // it is read to its end, or broke off
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// settle waits for the requests that began while something was wrong, and for those that may have
// joined one of them.
func (v *visitors) settle() {
	for range 2 {
		mark := v.asked.Load()
		redistest.Eventually(v.t, time.Minute, func() error {
			v.mu.Lock()
			defer v.mu.Unlock()
			for id := range v.under {
				if id <= mark {
					return fmt.Errorf("%d requests are under way", len(v.under))
				}
			}
			return nil
		})
	}
}

// crowd sends visitors at the rate, until the context ends; then it waits for those under way.
func (v *visitors) crowd(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	began, sent := time.Now(), 0
	for ctx.Err() == nil {
		for due := int(time.Since(began).Seconds() * soakRate); sent < due; sent++ {
			if v.busy() {
				v.unsent.Add(1)
				continue
			}
			v.wg.Go(func() { v.visit(context.WithoutCancel(ctx)) })
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	v.wg.Wait()
}

// prime has the cache hold every page in both languages.
func (v *visitors) prime() {
	for i := range soakPages {
		for _, language := range []string{"de", "en"} {
			path := fmt.Sprintf("/page/%d", i)
			code, body, err := v.fetch(v.t.Context(), http.MethodGet, path, language, "0")
			if _, wrong := checkBody(body, path, language, "0"); err != nil || code != http.StatusOK || wrong != nil {
				v.t.Fatalf("%s: %d, %v, %v", path, code, err, wrong)
			}
		}
	}
}

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // no heap has 2^63 bytes
}

// soakTime is SOAK, or a short time without it.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SOAK")
	if text == "" {
		return 6 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("SOAK: %v", err)
	}
	return d
}

// TestSoakProxy loads -proxy while its server is killed, slowed, broken and restored. Pages that
// may be served stale are served, no body is wrong or another's, a change is seen by who asks after
// its answer, and in the end nothing is left. SOAK is how long it takes at least; without it each
// trouble comes once.
func TestSoakProxy(t *testing.T) {
	long, before := soakTime(t), heap()
	t.Run("load", func(t *testing.T) { soak(t, long) })
	redistest.Eventually(t, 10*time.Second, func() error {
		if left := heap() - before; left > 4<<20 {
			return fmt.Errorf("%d bytes are left", left)
		}
		return goleak.Find()
	})
}

func soak(t *testing.T, long time.Duration) {
	t.Helper()
	server := newSoakOrigin(t)
	addr, log, stop := start(t, nil, "-proxy", "http://"+server.addr)
	v := &visitors{
		t: t, addr: addr, transport: &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true},
		faults: make(map[string]int), under: make(map[int64]bool), floor: make(map[string]int),
	}
	defer v.transport.CloseIdleConnections()
	v.prime()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); v.crowd(ctx) }()
	bouts := []func(long time.Duration){
		func(long time.Duration) { server.kill(); <-time.After(long); server.restore() },
		func(long time.Duration) { server.trouble.Store(int32(failing)); <-time.After(long) },
		func(long time.Duration) { server.trouble.Store(int32(slow)); <-time.After(long) },
	}
	for end, n := time.Now().Add(long), 0; n < len(bouts) || time.Now().Before(end); n++ {
		<-time.After(long / 12)
		v.phase.Add(1)
		bouts[n%len(bouts)](long / 6)
		server.trouble.Store(int32(well))
		<-time.After(slowness + time.Second/2) // what was slowed has ended
		v.settle()
		v.phase.Add(1)
	}
	cancel()
	<-ended
	v.transport.CloseIdleConnections()
	stop()
	redistest.Eventually(t, 10*time.Second, func() error {
		if n := server.open.Load(); n > 0 {
			return fmt.Errorf("%d connections to the server are left", n)
		}
		return nil
	})
	v.report(server, log)
}

// report fails for each fault, and where too little happened for their absence to mean something.
func (v *visitors) report(server *soakOrigin, log *logs) {
	for text, n := range v.faults {
		v.t.Errorf("%d times: %s", n, text)
	}
	var p50, p99 [2]time.Duration
	for i, took := range v.took {
		slices.Sort(took)
		if n := len(took); n > 0 {
			p50[i], p99[i] = took[n/2], took[n*99/100]
		}
	}
	v.t.Logf("%d requests: %d answered, %d failed while the server did, %d left; %d more were not sent by a busy machine; the server was asked %d times, %d answers were cut; pages took, while all was well and while not, %v, p99 %v",
		v.asked.Load(), v.given.Load(), v.refused.Load(), v.gone.Load(), v.unsent.Load(), server.asked.Load(), server.cut.Load(), p50, p99)
	if n := server.waited.Load(); n > 0 {
		v.t.Errorf("%d visitors waited for pages that could be served stale", n)
	}
	if v.given.Load() < v.asked.Load()/2 || v.refused.Load() == 0 || server.cut.Load() == 0 {
		v.t.Error("too little happened: want most answered, some failed, and some answers cut")
	}
	if v.t.Failed() {
		lines := strings.SplitAfter(log.String(), "\n")
		v.t.Log(strings.Join(lines[:min(50, len(lines))], ""))
	}
}
