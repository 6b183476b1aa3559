package main

// edgeGuards is what holds at the edges: open slots, large values, observers, odd servers, large
// entries.
var edgeGuards = []mutant{
	{
		guard: "open slot: an invalidation goes step by step", file: "tiercache/internal/redistier/run.go",
		old: "if len(s.apart) > 0 && slices.ContainsFunc(errs, isOpenSlot) {", new: "if len(s.apart) > 99 && slices.ContainsFunc(errs, isOpenSlot) {", test: "TestCluster_anOpenSlot", pkg: "tiercache",
	},
	{
		guard: "open slot: the lease goes before the value", file: "tiercache/internal/redistier/scripts.go",
		old:  `{dropScript, 1}, {newScript("local answer = 1" + body + publish), 0}`,
		new:  `{newScript("local answer = 1" + body + publish), 0}, {dropScript, 1}`,
		test: "TestCluster_anOpenSlotUndoesNoInvalidation", pkg: "tiercache",
	},
	{
		guard: "open slot: a hold makes room for a commit", file: "tiercache/internal/redistier/scripts.go",
		old: "redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])\nreturn 1", new: "return 1", test: "TestCluster_anOpenSlot", pkg: "tiercache",
	},
	{
		guard: "open slot: what can't be committed gives its lease back", file: "tiercache/internal/redistier/write.go",
		old: "return append(args, token) }, ErrLeaseLost})", new: "return append(args, \"\") }, ErrLeaseLost})", test: "TestCluster_anOpenSlot", pkg: "tiercache",
	},
	{
		guard: "large values: a batch is read in parts", file: "tiercache/internal/redistier/tier.go",
		old: "Most: m.sizes.most,", new: "", test: "TestGetMany_largeValues", pkg: "tiercache",
	},
	{
		guard: "large values: what was too much is read in smaller parts", file: "tiercache/internal/redisconn/operation.go",
		old: "case load.Load() > 0 && op.fits(len(rest)) < len(at):", new: "case false:", test: "TestGetMany_largeValues", pkg: "tiercache",
	},
	{
		guard: "large values: what they take is no slowness", file: "tiercache/internal/redisconn/outcome.go",
		old: "max(0, took-good)", new: "took", test: "TestCargo_aLargeOperationMayTakeLonger",
	},
	{
		guard: "observer: Close does not wait for an observer that calls it", file: "tiercache/observer.go",
		old: "if telling == nil || observing() {", new: "if telling == nil {", test: "TestObserver_mayClose",
	},
	{
		guard: "servers: a Cluster's node is no single server", file: "tiercache/internal/backplane/heartbeat.go",
		old: "return beatAnswer{}, redisconn.ErrClusterNode", new: "_ = redisconn.ErrClusterNode", test: "TestNewRedis_refusesAClustersNode", pkg: "tiercache",
	},
	{
		guard: "servers: a wrapper hides no Cluster and no Ring", file: "tiercache/internal/redisconn/client.go",
		old: "if severalServers(client) {", new: "if severalServers(client) && false {", test: "TestNewRedis_refusesWhatHidesSeveralServers", pkg: "tiercache",
	},
	{
		guard: "servers: databases have channels of their own", file: "tiercache/internal/backplane/channel.go",
		old: "if db := redisconn.Database(ch.conn.Client); db != 0 {", new: "if db := redisconn.Database(ch.conn.Client); db < 0 {", test: "TestRedis_databasesHearNothingOfEachOther", pkg: "tiercache",
	},
	{
		guard: "servers: what a script needs is looked for", file: "tiercache/internal/backplane/missing.go",
		old: "if err = ch.lacks(\"EVAL\", err); err == nil {", new: "if err == nil {", test: "TestNewRedis_namesWhatIsMissing", pkg: "tiercache",
	},
	{
		guard: "servers: an outage that an operation ends is logged as ended", file: "tiercache/internal/redisconn/breaker.go",
		old: "b.close()\n\t\treturn false, true\n\tcase unanswered", new: "b.close()\n\t\treturn false, false\n\tcase unanswered", test: "TestBreaker_logsThatRedisAnswersAgain", pkg: "tiercache",
	},
	{
		guard: "Close leaves what pends to the next cache", file: "tiercache/cache.go",
		old: "c.journal = c.redis.inherit(c.name)", new: "c.journal = journal.New(c.name, c.redis.cfg.HoldLife, &c.redis.channel.Progress, c.redis.channel.Next)", test: "TestClose_whatPendsIsNotLost",
	},
}
