// Package tiercache is a cache of typed values in two tiers: this process's memory and, where there
// is one, a Redis shared by all processes. Behind both stands a source of truth, which is read once
// however many callers miss a key at once.
//
//	cache, err := tiercache.New(tiercache.Config[string, Brand]{
//		Name: "brand_stats",
//		TTL:  time.Hour,
//		Load: func(ctx context.Context, name string) (Brand, error) { return db.Brand(ctx, name) },
//	})
//	…
//	brand, err := cache.Get(ctx, "Nike")
//
// # Tiers
//
// A read asks memory, then Redis, then the source, and fills on its way back what was passed by.
// Memory is bounded by Config.Capacity; a full one keeps what is read often. Redis is optional: see
// [NewRedis]. While it does not answer, memory and the source serve, after one short deadline, and
// soon without even that.
//
// # What holds
//
//   - Read your writes: after Set, Delete or Expire has returned, no later read in this process
//     sees what was there before,
//     whatever loads were under way; such loads are stored nowhere.
//   - One load: callers that miss a key at once cause one read of the source, in all processes on
//     one Redis.
//   - Nobody else's trouble: a caller that cancels or times out fails alone; a loader's panic is an
//     error to those who wait for it.
//   - Age is kept: a value is as old as its source read, in whichever tier it stands, and expires
//     by that. Wall clocks play no role.
//   - What is unreadable in Redis is a miss, and counted in [Stats].
//   - A write that could not reach Redis returns [ErrDegraded].
//
// Other processes' memories hear of an invalidation within a hop. Where notices may have been
// missed, what they hold is checked against Redis before it counts as fresh; while none can be
// heard it is served for Config.DegradedTTL at most.
//
// Commit to the source first, then invalidate.
//
// # Warming
//
// A [Loader] streams entries that are worth having before anybody asks. [Cache.Warm] runs it;
// package warm runs loaders of many caches on a schedule.
package tiercache
