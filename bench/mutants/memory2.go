package main

// memoryGuards is what the memory tier promises a writer.
func memoryGuards() []mutant {
	return []mutant{
		{
			guard: "what comes back leaves the newest entry", file: "tiercache/window.go",
			old: "return sl == w.newest && sl.cost <= w.room", new: "return false", test: "TestMemory_whatComesBackLeavesTheNewest",
		},
		{
			guard: "the policy's part grows for a large entry", file: "tiercache/memory_large.go",
			old: "\t\t\tm.rebalance()\n\t\t\treturn\n", new: "\t\t\treturn\n", test: "TestLarge_borrowsAndReturnsRoom",
		},
		{
			guard: "the policy's part shrinks when its large entry is gone", file: "tiercache/memory_large.go",
			old: "needed = max(needed, s.heaviest)", new: "needed = had", test: "TestLarge_borrowsAndReturnsRoom",
		},
		{
			guard: "large entries have a window", file: "tiercache/memory.go",
			old: "m.large.apart = len(m.shards) > 1", new: "m.large.apart = false", test: "TestLarge_allOfThem",
		},
		{
			guard: "large entries that nobody reads give way", file: "tiercache/memory_large.go",
			old: "m.policy.Del(sl.hash)", new: "", test: "TestLarge_byItsWorth",
		},
		{
			guard: "what was ended is taken out before the policy is asked", file: "tiercache/policy.go",
			old: "\tm.release()\n\tif m.policy", new: "\tif m.policy", test: "TestEnded_leavesBeforeRoomIsAskedFor",
		},
		{
			guard: "a warm run finds the room of what was ended", file: "tiercache/warming.go",
			old: "\tc.memory.releaseNow()\n", new: "", test: "TestEnded_leavesBeforeRoomIsAskedFor",
		},
		{
			guard: "what was ended is taken out by itself", file: "tiercache/memory_release.go",
			old: "if e.done.Load() == e.asked.Load() {", new: "if true {", test: "TestEnded_takesOutNothingElse",
		},
	}
}
