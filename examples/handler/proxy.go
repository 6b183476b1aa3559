package main

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// newProxy is a reverse proxy behind a cache, which does all that the specifications allow and not
// only what is safe for every site: no visitor's own answer may be marked as public there.
func newProxy(cfg httpcache.Config, to *url.URL, transport http.RoundTripper) (*httpcache.Cache, http.Handler, error) {
	cfg.Heuristic = 0.1
	cfg.StaleIfError = time.Minute
	cfg.Targeted = []string{"CDN-Cache-Control"}
	cfg.StoreSetCookie = true
	cache, err := httpcache.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	return cache, cache.Handler(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.SetXForwarded()
		},
		Transport: transport,
		ErrorLog:  slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
	}), nil
}

// newTransport reaches the server behind a proxy.
func newTransport() *http.Transport {
	return &http.Transport{
		DisableCompression:    true, // bodies pass as the server sends them
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       time.Minute,
		ResponseHeaderTimeout: 30 * time.Second,
		ForceAttemptHTTP2:     true,
	}
}
