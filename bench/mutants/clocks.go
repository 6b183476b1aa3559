package main

// clockGuards is the clocks of servers, ages in long calls, failed writes, and keys.
var clockGuards = []mutant{
	{
		guard: "a server's clock that goes back is noticed", file: "tiercache/internal/backplane/serverclock.go",
		old: "case was.Low-high > int64(ClockTolerance):", new: "case false:", test: "TestClock_aStepBack", pkg: "tiercache",
	},
	{
		guard: "the clock of a master that joins is compared with the others'", file: "tiercache/internal/backplane/serverclock.go",
		old: "\t\twas = s.latest()\n", new: "", test: "TestServerClocks_joins",
	},
	{
		guard: "ages are corrected by the steps that are known", file: "tiercache/internal/redistier/tier.go",
		old: "left := whole - m.aged(m.Keys.Value(text), whole-pttl, whole)", new: "left := pttl", test: "TestClock_aStepBack", pkg: "tiercache",
	},
	{
		guard: "what was gone before a step is not waited for", file: "tiercache/internal/backplane/serverclock.go",
		old: "if before && lived {", new: "if before && (lived || true) {", test: "TestServerClocks_age",
	},
	{
		guard: "what was stored since a step is no older", file: "tiercache/internal/backplane/serverclock.go",
		old: "if before && lived {", new: "if lived && (before || true) {", test: "TestServerClocks_age",
	},
	{
		guard: "one step that two nodes saw is one", file: "tiercache/internal/backplane/serverclock.go",
		old: "\t\treturn\n\t}\n\tsteps :=", new: "\t}\n\tsteps :=", test: "TestServerClocks_age",
	},
	{
		guard: "drift adds up", file: "tiercache/internal/backplane/serverclock.go",
		old: "\t\tnow.Low, now.High = was.Low, was.High\n", new: "", test: "TestServerClocks_drift",
	},
	{
		guard: "a node that starts later hears of steps", file: "tiercache/internal/backplane/serverclock.go",
		old: "err = conn.Client.Set(ctx, key, mine, redisconn.Forever).Err()", new: "err = nil", test: "TestClock_aStepBack|TestClock_stepsAreKept", pkg: "tiercache",
	},
	{
		guard: "steps that Redis has lost are told again", file: "tiercache/internal/backplane/serverclock.go",
		old: "(!s.Any() || now-s.asked < int64(clockEvery))", new: "true", test: "TestClock_stepsAreKept", pkg: "tiercache",
	},
	{
		guard: "more life than was given is a miss", file: "tiercache/internal/redistier/tier.go",
		old: "left > rec.Life()+lifeTolerance {", new: "false {", test: "TestClock_moreLifeThanGiven", pkg: "tiercache",
	},
	{
		guard: "an own record is known by its id", file: "tiercache/outdated.go",
		old: "if f.Own {", new: "if false {", test: "TestClock_aNodeFindsWhatItHasSet",
	},
	{
		guard: "a suspended machine validates its memory", file: "tiercache/internal/backplane/heartbeat.go",
		old: "\tch.unsuspended()\n", new: "", test: "TestSuspend_",
	},
	{
		guard: "a Set is as old as its call", file: "tiercache/set.go",
		old: "c.clone(value), s.read, s.ttl)", new: "c.clone(value), c.memory.Clock.Now(), s.ttl)", test: "TestSetMany_agesWhileItRuns",
	},
	{
		guard: "a SetMany encodes as it sends", file: "tiercache/set.go",
		old: "if len(s.writes) >= redistier.BatchKeys || s.bytes >= redistier.BatchBytes {", new: "if false {", test: "TestSetMany_agesWhileItRuns",
	},
	{
		guard: "a Set that fails ends what stood there", file: "tiercache/set.go",
		old: "\t\t\ts.ended = append(s.ended, key)\n\t\t\ts.failed", new: "\t\t\ts.failed", test: "TestSet_thatFails",
	},
	{
		guard: "a callback's panic fails its key alone", file: "tiercache/set.go",
		old: "\tdefer c.recovered(&err)\n\tone :=", new: "\tone :=", test: "TestSetMany_aCallbackThatPanics",
	},
	{
		guard: "a TTL below zero is over", file: "tiercache/item.go",
		old: "if w.Life < time.Millisecond || it.TTL < 0 {", new: "if w.Life < time.Millisecond {", test: "TestTTL_belowZero",
	},
	{
		guard: "what is over is not servable", file: "tiercache/item.go",
		old: "if ttl >= 0 {\n\t\tit.Late", new: "if true {\n\t\tit.Late", test: "TestTTL_belowZero",
	},
	{
		guard: "MemoryTTL cuts no TTL unless it is set", file: "tiercache/config.go",
		old: "cfg.MemoryTTL = record.MaxLife", new: "cfg.MemoryTTL = cfg.TTL", test: "TestTTL_above",
	},
	{
		guard: "a key's text leads back to it", file: "tiercache/keys.go",
		old: "if err = failure.FromUser(err); err == nil && back != key {", new: "if false {", test: "TestKeys_thatDoNotComeBack",
	},
	{
		guard: "a promoted text form is refused", file: "tiercache/internal/roundtrip/promoted.go",
		old: "has(f.Type, method) && isPromoted(t, method)", new: "has(f.Type, method) && false", test: "TestPromotedText",
	},
	{
		guard: "a type's own text form is not refused", file: "tiercache/internal/roundtrip/promoted.go",
		old: "has(f.Type, method) && isPromoted(t, method)", new: "has(f.Type, method)", test: "TestPromotedText",
	},
	{
		guard: "an unreadable notice begins an epoch", file: "tiercache/keys.go",
		old: "\tc.onEpoch()\n", new: "", test: "TestKeys_unreadableNotice",
	},
	{
		guard: "a notice that reads as another key is unreadable", file: "tiercache/keys.go",
		old: "if err = failure.FromUser(err); err == nil && back != text {", new: "if false {", test: "TestKeys_unreadableNotice",
	},
	{
		guard: "a hold ends stale copies", file: "tiercache/load.go",
		old: "\t\tl.c.bury(f, got.Buried)\n", new: "", test: "TestHold_thatIsSeen",
	},
	{
		guard: "trust counts from when Redis was asked", file: "tiercache/item.go",
		old: "it.Filled = now\n\tit.Fresh = now +", new: "it.Filled = c.memory.Clock.Now()\n\tit.Fresh = now +", test: "TestTrust_countsFromTheQuestion",
	},
	{
		guard: "trust ends for flights, too", file: "tiercache/flight.go",
		old: "(f.asks() || !o.asks()) && f.heard()", new: "(f.asks() || !o.asks())", test: "TestTrust_endsForFlights",
	},
	{
		guard: "a clock that is asked seldom stays exact", file: "tiercache/internal/clock/coarse.go",
		old: "\t\th.asked.Store(0)\n", new: "", test: "TestCoarse_isExactForWhoAsksSeldom",
	},
}
