package main

const warmRunsGaps = "TestConfirm_whatTheNumbersTellOfAGap"

// warmRuns is the guards of warm runs in bad weather: docs/adr/0006-confirmation-of-warm-writes.md.
var warmRuns = []mutant{
	{
		guard: "warm runs: a cut subscription alone is no loss", file: "tiercache/internal/backplane/subscription.go",
		old: `ch.begin("subscribed", 0)`, new: `ch.missed("subscribed", 0)`, test: "TestConfirm_aCutSubscriptionAloneTakesNothingBack", pkg: "tiercache",
	},
	{
		guard: "warm runs: numbers that are missing are a loss", file: "tiercache/internal/backplane/channel.go",
		old: "\tch.Losses.Add(1)\n\tch.begin(why, n)", new: "	ch.begin(why, n)", test: warmRunsGaps + "/the_digest_tells", pkg: "tiercache",
	},
	{
		guard: "warm runs: who is never heard again may have said something", file: "tiercache/internal/backplane/gap.go",
		old: "\t\t\tpub.awaited = false\n\t\t\tch.Losses.Add(1)", new: "			pub.awaited = false", test: warmRunsGaps + "/who_said_it_is_never", pkg: "tiercache",
	},
	{
		guard: "warm runs: a stranger may have said something in the gap", file: "tiercache/internal/backplane/gap.go",
		old: "if ch.resumed && said > 0 {", new: "if false && said > 0 {", test: warmRunsGaps + "/who_said_it_was_never", pkg: "tiercache",
	},
	{
		guard: "warm runs: rare digests are waited for", file: "tiercache/internal/backplane/gap.go",
		old: "return 3 * ch.digestPause()", new: "return 3 * int64(digestEvery)", test: "TestConfirm_waitsForRareDigests",
	},
	{
		guard: "warm runs: what was never sent is not taken back", file: "tiercache/warming_land.go",
		old: "e.unsent = !mayStand(err)", new: "e.unsent = false", test: "TestConfirm_whatWasNeverSentIsNotTakenBack",
	},
	{
		guard: "warm runs: a hold is for runs that began before it", file: "tiercache/internal/redistier/scripts.go",
		old: "now - age + 1 >= tonumber(ARGV[3])) then", new: "true) then", test: "TestHold_letsARunStoreThatBeganAfterIt", pkg: "tiercache",
	},
	{
		guard: "warm runs: a value over MaxValueBytes is kept in memory", file: "tiercache/warming.go",
		old: "errors.Is(e.write.Err, record.ErrTooLarge) && !w.opts.DryRun", new: "false", test: "TestWarm_aValueOverMaxValueBytesIsInMemoryAsAfterAGet",
	},
	{
		guard: "warm runs: the engine hears of what is taken back later", file: "warm/task.go",
		old: "opts.TakenBack = func(n int) { e.takenBack(after, r, t, hold, n) }", new: "_ = after", test: "TestFleet_whatIsTakenBackAfterTheRunIsMadeGood",
	},
	{
		guard: "warm runs: complete is withdrawn", file: "warm/again.go",
		old: "err = hold.ledger.Withdraw(ctx, hold.token)", new: "err = nil", test: "TestFleet_whatIsTakenBackAfterTheRunIsMadeGood",
	},
	{
		guard: "warm runs: a task is made good", file: "warm/again.go",
		old: "return lost && !t.full &&", new: "return false && lost && !t.full &&", test: "TestFleet_whatIsTakenBackAfterTheRunIsMadeGood",
	},
	{
		guard: "warm runs: a full Redis is none that is away", file: "warm/fleet.go",
		old: "if !errors.Is(err, errRedisFull) && !s.e.mayWarmAlone(s.t) {", new: "if !s.e.mayWarmAlone(s.t) {",
		test: "TestFleet_onAFullRedisEachNodeWarmsItsMemoryOnce",
	},
	{
		guard: "warm runs: no rerun on a full Redis", file: "warm/again.go",
		old: "return lost && !t.full && !said.oom", new: "return lost",
		test: "TestFleet_onAFullRedisEachNodeWarmsItsMemoryOnce",
	},
	{
		guard: "warm runs: a pass of the future is not new", file: "warm/internal/ledger/claim.go", pkg: "warm",
		old: "ago >= 0 and ago <", new: "ago <", test: "TestFleet_aClockSetBackMakesNoPassNew",
	},
	{
		guard: "warm runs: a follower that finds nothing runs the task", file: "warm/fleet.go",
		old: "2*gone > out.Result.Emitted || 2*damaged > c.Chunks", new: "gone < 0", test: "TestFleet_aFollowerThatFindsNothingRunsTheTask",
	},
	{
		guard: "warm runs: @every is once an interval for all", file: "warm/clock.go",
		old: "case req.every == 0:", new: "default:", test: "TestFleet_everyIsOnceAnIntervalForAll",
	},
}
