package main

// roomGuards are of what the walls between tiercache's rooms must not cost.
var roomGuards = []mutant{
	{
		guard: "a hit's leaves are inlined in the user's package", file: "tiercache/inline.go",
		old: "func useful(", new: "//go:noinline\nfunc useful(", test: "TestHitPathIsInlined",
	},
	{
		guard: "a heartbeat follows the subscription at once", file: "tiercache/internal/backplane/subscription.go",
		old: "\t\t\t\tch.beatNow()\n", new: "", test: "TestNewRedis_isCoherentAtOnce", pkg: "tiercache",
	},
}
