package main

// memoryGuards is what the memory tier promises a writer.
var memoryGuards = []mutant{
	{
		guard: "what comes back leaves the newest entry", file: "tiercache/internal/memory/window.go",
		old: "return sl == w.newest && sl.cost <= w.room", new: "return false", test: "TestMemory_whatComesBackLeavesTheNewest",
	},
	{
		guard: "the policy's part grows for a large entry", file: "tiercache/internal/memory/large.go",
		old: "\t\t\tm.rebalance()\n\t\t\treturn\n", new: "\t\t\treturn\n", test: "TestLarge_borrowsAndReturnsRoom",
	},
	{
		guard: "the policy's part shrinks when its large entry is gone", file: "tiercache/internal/memory/large.go",
		old: "needed = max(needed, s.heaviest)", new: "needed = had", test: "TestLarge_borrowsAndReturnsRoom",
	},
	{
		guard: "large entries have a window", file: "tiercache/internal/memory/memory.go",
		old: "m.large.apart = len(m.shards) > 1", new: "m.large.apart = false", test: "TestLarge_allOfThem", pkg: "tiercache",
	},
	{
		guard: "large entries that nobody reads give way", file: "tiercache/internal/memory/large.go",
		old: "m.policy.Del(sl.hash)", new: "", test: "TestLarge_byItsWorth", pkg: "tiercache",
	},
	{
		guard: "what was ended is taken out before the policy is asked", file: "tiercache/internal/memory/policy.go",
		old: "\tm.release()\n\tif m.policy", new: "\tif m.policy", test: "TestEnded_leavesBeforeRoomIsAskedFor",
	},
	{
		guard: "a warm run finds the room of what was ended", file: "tiercache/internal/memory/memory.go",
		old: "\tm.releaseNow()\n\t_, cost", new: "\t_, cost", test: "TestEnded_leavesBeforeRoomIsAskedFor",
	},
	{
		guard: "windows are widened before the policy shrinks", file: "tiercache/internal/memory/share.go",
		old: "m.shards[i].window.resize(d.room)", new: "defer m.shards[i].window.resize(d.room)", test: "TestMemory_theBorderMovesPastNobody",
	},
	{
		guard: "a window is given no more than it has room for", file: "tiercache/internal/memory/share.go",
		old: "room -= s.window.cost", new: "", test: "TestMemory_theBorderMovesPastNobody",
	},
	{
		guard: "what is dearer than the window passes it by", file: "tiercache/internal/memory/window.go",
		old: "if sl.cost > w.room {", new: "if false {", test: "TestLarge_passesTheWindowBy",
	},
	{
		guard: "the large entries may all have left", file: "tiercache/internal/memory/large.go",
		old: "len(l.kept) == 0 || ", new: "", test: "TestLarge_allHaveLeft",
	},
	{
		guard: "what was ended is taken out by itself", file: "tiercache/internal/memory/release.go",
		old: "if e.done.Load() == e.asked.Load() {", new: "if true {", test: "TestEnded_takesOutNothingElse", pkg: "tiercache",
	},
	{
		guard: "what was ended waits no longer than it is too early", file: "tiercache/internal/memory/sweep.go",
		old: "again.Reset(early)", new: "_ = again", test: "TestEnded_isTakenOutWithinHalfASecond",
	},
	{
		guard: "one version of a key is withdrawn", file: "tiercache/internal/memory/write.go",
		old: "have.ID == id && m.take(s, sl)", new: "have != nil && m.take(s, sl)", test: "TestWithdraw_takesOneVersion",
	},
	{
		guard: "what is withdrawn is refused to who has found it", file: "tiercache/internal/memory/write.go",
		old: "m.gen(hash).Add(withdrawal)", new: "_ = withdrawal", test: "TestWithdraw_takesOneVersion",
	},
	{
		guard: "what is withdrawn was not invalidated", file: "tiercache/internal/memory/generation.go",
		old: "%withdrawal == 0", new: " == 0", test: "TestWithdraw_takesOneVersion",
	},
	{
		guard: "what was taken back while it was looked for is looked for again", file: "tiercache/hydrate.go",
		old: "const looks = 3", new: "const looks = 1", test: "TestTakeBack_whatWasFoundBeforeIsNotKept",
	},
	{
		guard: "taking back refuses one record", file: "tiercache/internal/redistier/scripts.go",
		old: "ARGV[3] .. ARGV[5], 'PX'", new: "ARGV[3], 'PX'", test: "TestTakeBack_costsNobodyElseAnything", pkg: "tiercache",
	},
	{
		guard: "another node's take-back is about one record", file: "tiercache/notices.go",
		old: "if n.Kind == backplane.KindBack {", new: "if false {", test: "TestTakeBack_costsNobodyElseAnything",
	},
}
