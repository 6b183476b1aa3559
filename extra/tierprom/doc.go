// Package tierprom shows caches and their warm-up to Prometheus. It is a module of its own, so that
// tiercache needs no Prometheus.
//
//	metrics := tierprom.New()
//	cache, err := tiercache.New(tiercache.Config[string, Brand]{Name: "brands", Observer: metrics, …})
//	err = metrics.AddCaches(cache)
//	err = metrics.SetEngine(engine)
//	prometheus.MustRegister(metrics)
//
// Counters and gauges are read from Stats and Status at each scrape, as database/sql's are from
// DBStats, and cost nothing between two. Only the histogram of load durations is fed as things
// happen: by the cache, to which the [Collector] is an Observer.
//
// alerts.yml, beside this file, holds alert rules for these metrics. docs/metrics.md has a table of
// them.
package tierprom
