package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// trouble is what an origin does to its requests.
type trouble int32

const (
	well    trouble = iota
	slow            // every answer takes longer than anybody waits for
	failing         // 503, or half an answer and then a cut connection
)

// slowness is what slow adds to an answer.
const slowness = time.Second

// soakOrigin is a server whose bodies carry what they are, and a checksum of it. It can be killed
// and restored, on the same address.
type soakOrigin struct {
	t       *testing.T
	addr    string
	trouble atomic.Int32
	asked   atomic.Int64
	cut     atomic.Int64 // answers that ended half way
	open    atomic.Int64 // connections
	waited  atomic.Int64 // pages that a visitor waited for

	mu       sync.Mutex
	server   *http.Server
	ended    chan struct{}
	versions map[string]int // of what POST changes
}

func newSoakOrigin(t *testing.T) *soakOrigin {
	t.Helper()
	o := &soakOrigin{t: t, addr: "127.0.0.1:0", versions: make(map[string]int)}
	o.restore()
	t.Cleanup(o.kill)
	return o
}

// restore begins to listen, after it was killed too.
func (o *soakOrigin) restore() {
	o.t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", o.addr)
	if err != nil {
		o.t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.addr = listener.Addr().String()
	server, ended := &http.Server{Handler: o, ReadHeaderTimeout: time.Minute, ConnState: o.count}, make(chan struct{})
	o.server, o.ended = server, ended
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			o.t.Error(err)
		}
	}()
}

func (o *soakOrigin) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		o.open.Add(1)
	case http.StateClosed:
		o.open.Add(-1)
	case http.StateActive, http.StateIdle, http.StateHijacked:
	}
}

// kill closes the listener and every connection.
func (o *soakOrigin) kill() {
	o.mu.Lock()
	server, ended := o.server, o.ended
	o.mu.Unlock()
	_ = server.Close() // the listener's error is Serve's
	<-ended
}

func (o *soakOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.asked.Add(1)
	switch trouble(o.trouble.Load()) {
	case well:
	case slow:
		select {
		case <-time.After(slowness):
		case <-r.Context().Done():
			return
		}
	case failing:
		if rand.IntN(2) == 0 {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		defer o.half()
	}
	h := w.Header()
	h.Set("Cache-Control", "max-age=1, stale-while-revalidate=120, stale-if-error=120")
	h.Set("Vary", "Accept-Language")
	kind, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if client := r.Header.Get("X-Client"); kind == "page" && client != "" && client != "0" {
		o.waited.Add(1) // a refresh has no client's fields, and who primes is 0
	}
	version := o.version(r.URL.Path, r.Method == http.MethodPost)
	switch kind {
	case "own": // is of who asked, and of nobody else
		h.Set("Cache-Control", "no-store")
	case "item": // changes by POST: never stale by what it says
		h.Set("Cache-Control", "max-age=60")
	}
	body := soakBody(r.URL.Path, r.Header.Get("Accept-Language"), r.Header.Get("X-Client"), kind, version)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("ETag", `"`+body[len(body)-sha256.Size*2:]+`"`)
	if trouble(o.trouble.Load()) == failing {
		body = body[:len(body)/2]
	}
	_, _ = w.Write([]byte(body)) // the connection may have been cut
}

// half ends an answer half way.
func (o *soakOrigin) half() {
	o.cut.Add(1)
	panic(http.ErrAbortHandler)
}

// version is how often a path was changed; a change counts before its answer goes out.
func (o *soakOrigin) version(path string, change bool) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if change {
		o.versions[path]++
	}
	return o.versions[path]
}

// soakBody is a body of some length that depends on its path, from a hundred bytes to over the
// MaxBody of a cache, with its checksum at the end.
func soakBody(path, language, client, kind string, version int) string {
	if kind != "own" {
		client = "" // it may be given to anybody
	}
	sum := sha256.Sum256([]byte(path))
	size := 100 + int(sum[0])*64
	if kind == "long" {
		size = 1<<20 + 1000
	}
	head := fmt.Sprintf("%s|%s|%s|%d|", path, language, client, version)
	text := head + strings.Repeat(hex.EncodeToString(sum[:]), 1+size/(sha256.Size*2))
	check := sha256.Sum256([]byte(text))
	return text + hex.EncodeToString(check[:])
}

// checkBody reports what is wrong with a body for who asked, and its version.
func checkBody(body, path, language, client string) (version int, err error) {
	text, sum, ok := cutEnd(body, sha256.Size*2)
	if check := sha256.Sum256([]byte(text)); !ok || hex.EncodeToString(check[:]) != sum {
		return 0, fmt.Errorf("%d bytes with a wrong checksum: %.60q…", len(body), body)
	}
	parts := strings.SplitN(text, "|", 5)
	if len(parts) < 5 || parts[0] != path || parts[1] != language || parts[2] != "" && parts[2] != client {
		return 0, fmt.Errorf("it is another's: %.60q…, asked for %s by %s in %s", body, path, client, language)
	}
	if strings.HasPrefix(path, "/own/") && parts[2] != client {
		return 0, fmt.Errorf("it is of client %q, and was asked for by %s", parts[2], client)
	}
	return strconv.Atoi(parts[3])
}

func cutEnd(s string, n int) (before, end string, ok bool) {
	if len(s) < n {
		return s, "", false
	}
	return s[:len(s)-n], s[len(s)-n:], true
}
