// Package admin serves a warm.Engine over HTTP: its status, a lever to run tasks, its events, its
// readiness, and a page that shows all of it.
//
//	GET  /                           the page
//	GET  /api/cache/warmup/status    warm.Status as JSON
//	POST /api/cache/warmup/execute   runs tasks; to who accepts text/event-stream it shows their steps and the record
//	POST /api/cache/warmup/plan      a dry run: what a run would do, cost and evict
//	GET  /api/cache/warmup/hot       the hottest keys of a cache
//	GET  /api/cache/warmup/explain   why a read of a key would answer as it does
//	GET  /api/cache/warmup/events    progress as server-sent events
//	GET  /readyz                     200 once the engine is ready, 503 before and while it stops
//
// Execute changes something, plan asks the source, hot and explain show keys: these four ask
// Config.Authorize. What the other paths show are names, counts and times: no key, no value, and no
// error text of a loader. Whoever mustn't see those is kept out by what the handler is mounted
// behind.
//
// Every error is a JSON object with the one field "error".
package admin
