package tierprom

import "github.com/warmcache/warmcache/tiercache/httpcache"

// httpMetrics are the families of one HTTP cache; the label cache comes first.
func httpMetrics() []metric[httpcache.Stats] {
	label := []string{"cache"}
	return []metric[httpcache.Stats]{
		counter("tiercache_http_requests_total", "Requests, each counted once: by what became of it, and why where it passed the cache.",
			[]string{"cache", "result", "reason"}, func(s httpcache.Stats, emit func(float64, ...string)) {
				for _, r := range []struct {
					n              uint64
					result, reason string
				}{
					{s.Hits, "hit", ""},
					{s.Stale, "stale", ""},
					{s.Validated, "validated", ""},
					{s.Collapsed, "collapsed", ""},
					{s.Misses, "miss", ""},
					{s.Errors, "error", ""},
					{s.Pass.Method, "pass", "method"},
					{s.Pass.Request, "pass", "request"},
					{s.Pass.Partial, "pass", "partial"},
					{s.Pass.Marked, "pass", "marked"},
					{s.Pass.Uncacheable, "pass", "uncacheable"},
					{s.Pass.TooLarge, "pass", "too_large"},
					{s.Pass.Variants, "pass", "variants"},
					{s.Pass.Waited, "pass", "waited"},
				} {
					emit(float64(r.n), r.result, r.reason)
				}
			}),
		counter("tiercache_http_refreshes_total", "Answers fetched behind the requests' backs.", label,
			func(s httpcache.Stats, emit func(float64, ...string)) { emit(float64(s.Refreshes)) }),
		counter("tiercache_http_invalidations_total", "URLs invalidated by unsafe methods, by PURGE and by the program.", label,
			func(s httpcache.Stats, emit func(float64, ...string)) { emit(float64(s.Invalidations)) }),
	}
}
