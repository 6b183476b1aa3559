package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// newReport is a handler behind a cache: however many requests come, report runs once a minute for
// each week, and nobody waits for it but the first.
func newReport(cfg httpcache.Config) (*httpcache.Cache, http.Handler, error) {
	cache, err := httpcache.New(cfg) // the zero Config will do
	if err != nil {
		return nil, nil, err
	}
	site := http.NewServeMux()
	site.HandleFunc("GET /report", report)
	return cache, cache.Handler(site), nil
}

// report stands for a handler that is worth a cache. What it says of its answer is all that the
// cache goes by.
func report(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(2 * time.Second):
		w.Header().Set("Cache-Control", "max-age=60, stale-while-revalidate=600, stale-if-error=3600")
		_, _ = fmt.Fprintf(w, "the report of week %q, made at %s\n", r.FormValue("week"), time.Now().Format(time.TimeOnly))
	case <-r.Context().Done(): // nobody waits for it any longer
	}
}
