package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// pages is how many pages the origin's sitemap names.
const pages = 100

// slowness is what an answer takes that many ask for at once.
const slowness = 200 * time.Millisecond

// origin is the server behind every peer. It counts what it is asked for.
type origin struct {
	addr   string
	server *http.Server
	asked  atomic.Int64
	now    atomic.Int64 // under way
	most   atomic.Int64 // at the same time
}

func startOrigin(ctx context.Context) (*origin, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &origin{addr: listener.Addr().String()}
	o.server = &http.Server{Handler: o, ReadHeaderTimeout: time.Minute}
	go func() {
		if err := o.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Println("origin:", err)
		}
	}()
	return o, nil
}

func (o *origin) stop() { _ = o.server.Close() } // what is open then is of no use

// reset forgets what was counted.
func (o *origin) reset() {
	o.asked.Store(0)
	o.most.Store(0)
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch kind {
	case "ready":
		w.Header().Set("Cache-Control", "no-store")
		return
	case "sitemap.xml":
		o.sitemap(w)
		return
	}
	o.asked.Add(1)
	n := o.now.Add(1)
	defer o.now.Add(-1)
	for most := o.most.Load(); n > most && !o.most.CompareAndSwap(most, n); most = o.most.Load() {
	}
	switch kind {
	case "100k":
		answer(w, "max-age=3600", large())
	case "cold":
		<-time.After(slowness)
		answer(w, "max-age=3600", small())
	case "own":
		<-time.After(slowness)
		answer(w, "no-store", small())
	default:
		answer(w, "max-age=3600", small())
	}
}

// answer writes a body with five fields; net/http adds Date.
func answer(w http.ResponseWriter, control string, body []byte) {
	h := w.Header()
	h.Set("Cache-Control", control)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("ETag", `"v1"`)
	h.Set("Last-Modified", "Fri, 27 Nov 2026 04:00:00 GMT")
	_, _ = w.Write(body)
}

func small() []byte { return bytes.Repeat([]byte("0123456789abcdef"), 1<<10/16) }
func large() []byte { return bytes.Repeat([]byte("0123456789abcdef"), 100<<10/16) }

func (o *origin) sitemap(w http.ResponseWriter) {
	var b strings.Builder
	b.WriteString("<urlset>")
	for i := range pages {
		fmt.Fprintf(&b, "<url><loc>http://%s%s</loc></url>", o.addr, page(i))
	}
	b.WriteString("</urlset>")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(b.String()))
}

func page(i int) string { return "/page/" + strconv.Itoa(i) }
