package main

// ledgerGuards is the guards of the rooms that order tasks and remember their passes.
var ledgerGuards = []mutant{
	{
		guard: "order: a task waits for what it comes after", file: "internal/order/order.go",
		old: "return !slices.ContainsFunc(deps, waits)", new: "return true || slices.ContainsFunc(deps, waits)", test: "TestSort",
	},
	{
		guard: "ledger: a chunk is believed to be no larger than it is", file: "warm/internal/ledger/manifest.go",
		old: "n <= 0 || size > uint64(len(rest)-n)", new: "n <= 0", test: "TestLedger_aDamagedManifest",
	},
	{
		guard: "ledger: a claim knows its own token again", file: "warm/internal/ledger/claim.go",
		old: "if holder == ARGV[1] then return {0, ARGV[1], last[1] or ''} end\n", new: "", test: "TestLedger_aPass",
	},
}
