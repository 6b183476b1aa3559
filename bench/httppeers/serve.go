package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/signal"
	"syscall"
	"time"

	"github.com/gregjones/httpcache"
)

// serve is a peer in a process of its own: serve KIND ADDR ORIGIN.
func serve(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("serve: %d arguments, want KIND ADDR ORIGIN", len(args))
	}
	kind, addr, origin := args[0], args[1], args[2]
	var handler http.Handler
	switch kind {
	case "bare":
		handler = bare{small(), large()}
	case "gregjones":
		cached := httpcache.NewMemoryCacheTransport()
		cached.Transport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256}
		to := &url.URL{Scheme: "http", Host: origin}
		handler = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: cached}
	default:
		return fmt.Errorf("serve: there is no %q", kind)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	server := &http.Server{Addr: addr, Handler: handler, ReadHeaderTimeout: time.Minute}
	closed := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer closed()
	if err := server.ListenAndServe(); ctx.Err() == nil {
		return err
	}
	return nil
}

// bare answers what a cache would, from nothing but two slices.
type bare struct{ small, large []byte }

func (b bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := b.small
	if r.URL.Path == "/100k" {
		body = b.large
	}
	answer(w, "max-age=3600", body)
}
