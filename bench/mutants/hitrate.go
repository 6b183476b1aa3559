package main

// hitrateGuards is what keeps bench/hitrate honest.
var hitrateGuards = []mutant{
	{
		guard: "hitrate: the source's log must agree", file: "bench/hitrate/outcome.go",
		old: "case !near(hits, bySource):", new: "case false && !near(hits, bySource):", test: "TestOutcome",
	},
	{
		guard: "hitrate: the caches' counters must agree", file: "bench/hitrate/outcome.go",
		old: "case !near(hits, o.CacheHits):", new: "case false && !near(hits, o.CacheHits):", test: "TestOutcome",
	},
}
