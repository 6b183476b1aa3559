package main

// fleetGuards is the guards of a fleet that warms once: docs/warming.md.
var fleetGuards = []mutant{
	{
		guard: "fleet: a claim looks at the ledger", file: "warm/internal/ledger/claim.go", pkg: "warm",
		old: "if meets and whole then return", new: "if false then return", test: "TestFleet_aNodeThatComesLaterAsksNobody",
	},
	{
		guard: "fleet: a claim respects the lock", file: "warm/internal/ledger/claim.go", pkg: "warm",
		old: "if holder and string.sub(holder, 1, 1) ~= '!' then return {2, holder} end\nif holder and ARGV[6] ~= '1' then return {3, ''} end", new: "", test: "TestFleet_oneLeaderAtATime",
	},
	{
		guard: "fleet: a claim respects the back-off", file: "warm/internal/ledger/claim.go", pkg: "warm",
		old: "if holder and ARGV[6] ~= '1' then return {3, ''} end", new: "", test: "TestFleet_aFailedRunWritesNoLedger",
	},
	{
		guard: "fleet: a batch is written under the lock", file: "warm/internal/ledger/manifest.go", pkg: "warm",
		old:  "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\nredis.call('PEXPIRE', KEYS[1], ARGV[2])\nif ARGV[4]",
		new:  "if ARGV[4]",
		test: "TestFleet_aLeaderThatLostItsLockIsFencedOff",
	},
	{
		guard: "fleet: a late batch is taken back", file: "tiercache/warming_land.go", pkg: "warm",
		old: "w.c.disown(context.WithoutCancel(w.ctx), own)", new: "_ = own", test: "TestFleet_aLeaderThatLostItsLockIsFencedOff",
	},
	{
		guard: "fleet: the ledger is written under the lock", file: "warm/internal/ledger/pass.go", pkg: "warm",
		old: "then return 1 end\n  return 0\nend\nlocal t", new: "then return 1 end\nend\nlocal t", test: "TestFleet_theLedgerIsWrittenByTheLocksHolderAlone",
	},
	{
		guard: "fleet: the lock is renewed", file: "warm/lead.go",
		old: "return h.ledger.Renew(context.WithoutCancel(ctx), h.token)", new: "return nil", test: "TestFleet_theLeaderKeepsItsLock",
	},
}
