package main

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/tiercache/httpcache"
	"github.com/warmcache/warmcache/tiercache/httpcache/urls"
	"github.com/warmcache/warmcache/warm"
)

// warmUp returns an engine that fetches what a sitemap or an access log names: at start, each hour,
// and what is learned to be hot after a restart.
func warmUp(cache *httpcache.Cache, what, base string, shared *tiercache.Redis, log *slog.Logger) (*warm.Engine, error) {
	// As browsers ask. An answer that is not compressed is good for everybody else too.
	headers := []http.Header{{"Accept-Encoding": {"gzip, deflate, br, zstd"}}}
	sitemap := urls.Sitemap{Base: base, Headers: headers, Report: func(r urls.SitemapReport) {
		log.Info("sitemap read", slog.Int("urls", r.Emitted), slog.Int("files", r.Files), slog.Int("skipped", r.Skipped), slog.Int("broken", r.Broken))
	}}
	var source httpcache.URLs
	switch {
	case strings.HasPrefix(what, "http://"), strings.HasPrefix(what, "https://"):
		sitemap.URL = what
		source = sitemap.URLs
	case strings.HasSuffix(strings.TrimSuffix(what, ".gz"), ".xml"):
		sitemap.File = what
		source = sitemap.URLs
	default:
		accesses := urls.AccessLog{Files: []string{what}, Base: base, Headers: headers, Report: func(r urls.LogReport) {
			log.Info("access log read", slog.Int("urls", r.Emitted), slog.Int64("lines", r.Lines), slog.Int64("skipped", r.Skipped), slog.Int64("broken", r.Broken))
		}}
		source = accesses.URLs
	}
	if err := cache.RegisterURLs("urls", source, httpcache.WarmOptions{Required: true}); err != nil {
		return nil, err
	}
	engine, err := warm.New(warm.Config{Redis: shared, Priority: []string{}, Logger: log})
	if err != nil {
		return nil, err
	}
	return engine, engine.Add(cache)
}
