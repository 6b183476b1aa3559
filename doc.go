// Package warmcache is the front page of a two-tier cache that starts warm.
//
// A Cache answers from this process's memory in tens of nanoseconds, from Redis in tens of
// microseconds, and from the source of truth otherwise, once for everybody who asks. Warmup loaders
// fill both tiers before anyone does: at start in the background, on a cron schedule, before
// expiry, or by a call.
//
//   - [github.com/warmcache/warmcache/tiercache]: Cache[K, V], the two tiers, loads, invalidation,
//     warm writes
//   - [github.com/warmcache/warmcache/schedule]: cron expressions and a scheduler, usable alone
//   - [github.com/warmcache/warmcache/warm]: the engine that runs warmup loaders; warm/admin shows
//     and steers it over HTTP
//   - [github.com/warmcache/warmcache/loaders]: five caches of a brand-diagnosis service with their
//     SQL
//
// Begin with the quickstart:
//
//	go run github.com/warmcache/warmcache/examples/quickstart
//
// and go on to examples/brandapi, a service that starts warm. docs/ has a page a feature, and
// docs/adr says why things are as they are, one decision a file.
package warmcache
