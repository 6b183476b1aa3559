package main

// hotKeys is the guards of docs/hot.md.
var hotKeys = []mutant{
	{
		guard: "hot keys: reads are sampled at random", file: "tiercache/internal/topk/topk.go",
		old: "return uint32(high^low)&s.interval.Load() == 0", new: "_ = high ^ low; return uint32(hash>>32)&s.interval.Load() == 0",
		test: "TestSketch_periodicReads",
	},
	{
		guard: "hot keys: a count is halved each half-life", file: "tiercache/internal/topk/topk.go",
		old: "fade := float32(math.Exp2(-1. / StepsPerHalf))", new: "fade := float32(1)", test: "TestSketch_forgets",
	},
	{
		guard: "hot keys: what is read no more fades", file: "tiercache/internal/topk/topk.go",
		old: "c.Reads = min(c.Reads*fade, ", new: "c.Reads = max(c.Reads*fade, 0*", test: "TestSketch_coversTheTop|TestSketch_forgets",
	},
	{
		guard: "hot keys: three samples at least", file: "tiercache/internal/topk/topk.go",
		old: "return c.Reads >= least })", new: "return c.Reads >= 0*least })", test: "TestSketch_chanceIsNotHot",
	},
	{
		guard: "hot keys: what the source lacks is forgotten", file: "tiercache/settle.go",
		old: "l.c.unlearn(a.f)", new: "", test: "TestHot_whatIsGoneIsForgotten",
	},
	{
		guard: "hot keys: the set in Redis is bounded", file: "tiercache/internal/redistier/hotset.go",
		old: "redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[1] - 1)", new: "", test: "TestHot_inRedis", pkg: "tiercache",
	},
	{
		guard: "hot keys: a replay takes no room from what lives", file: "tiercache/hot_warm.go",
		old: "case room > 0:", new: "case true:", test: "TestHot_replayFromRedis",
	},
}
