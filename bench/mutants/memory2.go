package main

// memoryGuards is what the memory tier promises a writer.
func memoryGuards() []mutant {
	return []mutant{
		{
			guard: "what comes back leaves the newest entry", file: "tiercache/window.go",
			old: "if s.keeps(sl, room) {", new: "if false {", test: "TestMemory_whatComesBackLeavesTheNewest",
		},
	}
}
