// Package warm fills caches before anyone asks.
//
// An [Engine] runs the warmup loaders of its [Target] caches, and plain functions beside them, as
// tasks: at start in the background, at the fire times of a cron expression and of an interval,
// before the entries of a loader expire, and by a call. Tasks run in the order of their
// dependencies, priorities and registration, a bounded number at a time, each under its own timeout
// and safe from the panics of the others. Of runs there is one at a time: a call joins a run that
// does the same or waits its turn, and what the clock starts is skipped while one runs.
//
//	engine, err := warm.New(warm.Config{Schedule: "0 3 * * *"})
//	if err != nil { ... }
//	if err := engine.Add(brands, reports); err != nil { ... } // caches with registered loaders
//	if err := engine.Start(ctx); err != nil { ... }           // returns at once
//	<-engine.Ready()                                          // required tasks are done
//	...
//	err = engine.Stop(shutdownCtx)
//
// [ConfigFromEnv] reads the configuration from the environment; package admin serves an engine over
// HTTP.
//
// With Config.Redis the engines of a fleet run each task once for all of them: one asks the source,
// the others fill their memory from Redis with what that one has left there, most wanted first.
// Which one it is the ledger in Redis decides, see docs/warming.md.
package warm
