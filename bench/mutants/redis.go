package main

// redisGuards is scripts, tokens and operations on Redis.
var redisGuards = []mutant{
	{
		guard: "an invalidation ends leases", file: "tiercache/internal/redistier/scripts.go",
		old: `body + "\nredis.call('DEL', KEYS[2])" + publish`, new: `body + publish`,
		test: "TestInvalidate_anotherNodesLoad", pkg: "tiercache",
	},
	{
		guard: "a lease is asked for before the value", file: "tiercache/internal/redistier/lease.go",
		old:  "\tcmds = append(cmds, &b.set)\n\tif how.who {\n\t\tb.holder = redis.NewStringCmd(ctx, \"get\", b.args[1])\n\t\tcmds = append(cmds, b.holder)\n\t}\n\treturn b.Ask(ctx, text, name, cmds)",
		new:  "\tcmds = append(b.Ask(ctx, text, name, cmds), &b.set)\n\tif how.who {\n\t\tb.holder = redis.NewStringCmd(ctx, \"get\", b.args[1])\n\t\tcmds = append(cmds, b.holder)\n\t}\n\treturn cmds",
		test: "TestLease_isAskedForBeforeTheValue", pkg: "tiercache",
	},
	{
		guard: "a script is sent once", file: "tiercache/internal/redisconn/exec.go",
		old: "func (OnceScript) NoRetry() bool { return true }", new: "func (OnceScript) NoRetry() bool { return false }", test: "TestSet_isSentOnce", pkg: "tiercache",
	},
	{
		guard: "heartbeats alone confirm no warm write", file: "tiercache/internal/backplane/gap.go",
		old: "case ch.pubs.settled(ch.candidate, now, ch.patience()):", new: "case true:", test: "TestConfirm_waitsForTheDigestsOfEveryNode", pkg: "tiercache",
	},
	{
		guard: "what nobody confirms is taken back when a hold would be over", file: "tiercache/confirm.go",
		old: " || now-u.at > int64(c.redis.cfg.HoldLife) {", new: " || false {", test: "TestConfirm_takesBackWhatNobodyConfirmsInTime",
	},
	{
		guard: "a hold refuses warm writes", file: "tiercache/internal/redistier/scripts.go",
		old: ">= tonumber(ARGV[3])) then return -1 end", new: ">= tonumber(ARGV[3])) then end",
		test: "TestHold_refusesAWarmWriteThatBeganBefore", pkg: "tiercache",
	},
	{
		guard: "a warm write replaces nothing younger", file: "tiercache/internal/redistier/scripts.go",
		old: "and life - left <= age then return 0 end", new: "and false then return 0 end", test: "TestWarm_whatIsThereAlready|TestWarm_makesNothingYoung", pkg: "tiercache",
	},
	{
		guard: "one load a fleet", file: "tiercache/internal/redistier/lease.go",
		old: `bidding{mode: "NX"})`, new: `bidding{})`, test: "TestFlight_oneLoadAFleet", pkg: "tiercache",
	},
	{
		guard: "who waits for a lease does not take it", file: "tiercache/internal/redistier/lease.go",
		old: `bidding{mode: "NX", who: true})`, new: `bidding{who: true})`, test: "TestFlight_oneLoadAFleet", pkg: "tiercache",
	},
	{
		guard: "PTTL goes before GET", file: "tiercache/internal/redistier/tier.go",
		old: "append(cmds, redisconn.OncePTTL{DurationCmd: &l.pttl}, &l.Get)", new: "append(cmds, &l.Get, redisconn.OncePTTL{&l.pttl})",
		test: "TestLook_", pkg: "tiercache",
	},
	{
		guard: "a commit is refused without the lease's token", file: "tiercache/internal/redistier/scripts.go",
		old: "if redis.call('GET', KEYS[2]) ~= ARGV[1] then\n  local have", new: "if false then\n  local have",
		test: "TestInvalidate_anotherNodesLoad", pkg: "tiercache",
	},
	{
		guard: "a retried commit knows its own record", file: "tiercache/internal/redistier/scripts.go",
		old: "if have == ARGV[4] then return 1 end", new: "",
		test: "TestLease_aRetry", pkg: "tiercache",
	},
	{
		guard: "a retried request for a lease knows its own token", file: "tiercache/internal/redistier/lease.go",
		old: "if holder == token && f.Err == nil {", new: "if false {",
		test: "TestLease_aRetry", pkg: "tiercache",
	},
	{
		guard: "Delete works on a full Redis", file: "tiercache/internal/redistier/scripts.go",
		old: "then redis.call('DEL', KEYS[1]) end`)\n\n\t// expireScript", new: "then end`)\n\n\t// expireScript",
		test: "TestClearAndTagsOnAFullRedis", pkg: "tiercache",
	},
	{
		guard: "a Set that does not fit leaves nothing old", file: "tiercache/internal/redistier/scripts.go",
		old: "  redis.call('DEL', KEYS[1])\n  answer = 2", new: "  answer = 2",
		test: "TestFault_redisFull", pkg: "tiercache",
	},
	{
		guard: "a Set is told to the others", file: "tiercache/internal/redistier/scripts.go",
		old: `"\nredis.call('PUBLISH', ARGV[1], ARGV[2])\nreturn answer"`, new: `"\nreturn answer"`,
		test: "TestOtherNodesHearOf/Set$", pkg: "tiercache",
	},
	{
		guard: "a restart ends a cache once", file: "tiercache/internal/redistier/scripts.go",
		old: "if redis.call('GET', KEYS[1]) == ARGV[3] then return 1 end", new: "",
		test: "TestRestart_", pkg: "tiercache",
	},
	{
		guard: "what Redis has left bounds memory", file: "tiercache/internal/redistier/tier.go",
		old: "min(left, rec.Life())", new: "rec.Life()",
		test: "TestMemoryNeverOutlivesRedis", pkg: "tiercache",
	},
	{
		guard: "a record's durations bound PTTL", file: "tiercache/internal/redistier/tier.go",
		old: "left > rec.Life()+lifeTolerance {", new: "false {",
		test: "TestRecord_hasNoMore", pkg: "tiercache",
	},
	{
		guard: "a half-open breaker lets one through", file: "tiercache/internal/redisconn/breaker.go",
		old: "case b.state == HalfOpen && !b.probing:", new: "case b.state == HalfOpen:",
		test: "TestBreaker",
	},
	{
		guard: "a late answer is a failure", file: "tiercache/internal/redisconn/outcome.go",
		old: "case err == nil && took < bound/slowShare:", new: "case err == nil:",
		test: "TestJudge_",
	},
	{
		guard: "clients that read from replicas are refused", file: "tiercache/redis.go",
		old: "if err := redisconn.Usable(client); err != nil {", new: "if err := redisconn.Usable(client); err != nil && false {",
		test: "TestNewRedis_refusesClients",
	},
	{
		guard: "an operation has a deadline of its own", file: "tiercache/internal/redisconn/attempt.go",
		old: "bounded, cancel := c.deadlines.Within(ctx, bound)", new: "bounded, cancel := context.WithCancel(ctx)",
		test: "TestFault_redisFrozen", pkg: "tiercache",
	},
	{
		guard: "a full Redis serves what it has", file: "tiercache/internal/redistier/tier.go",
		old: "if all[i].Err == nil || all[i].Ok {", new: "if all[i].Err == nil {",
		test: "TestPilot_forecastOnAFullRedis", pkg: "tiercache",
	},
	{
		guard: "a probe that never returns blocks no other", file: "tiercache/internal/redisconn/operation.go",
		old: "defer func() {\n\t\topened, closed := op.breaker.report(", new: "func() {\n\t\topened, closed := op.breaker.report(",
		test: "TestBreaker_aProbe",
	},
}
