package main

// list is the guards of docs/coherence.md, in its order, each with the test that watches it.
func list() []mutant {
	return []mutant{
		{
			guard: "a fill is refused when the key's generation has moved", file: "tiercache/memory.go",
			old: "return g.Load() == gen && (", new: "return (", test: "TestInvalidate_aLoadThatBeganBefore",
		},
		{
			guard: "flights are keyed by generation", file: "tiercache/flight.go",
			old: "k := flightKey[K]{f.key, f.gen, f.seen}\n\tif", new: "k := flightKey[K]{f.key, 0, f.seen}\n\tif", test: "TestInvalidate_aLoadThatBeganBefore",
		},
		{
			guard: "an invalidation ends leases", file: "tiercache/scripts.go",
			old:  "then redis.call('DEL', KEYS[1]) end\nredis.call('DEL', KEYS[2])\nredis.call('PUBLISH', ARGV[1], ARGV[2])\nreturn 1`)\n\n\t// expireScript",
			new:  "then redis.call('DEL', KEYS[1]) end\nredis.call('PUBLISH', ARGV[1], ARGV[2])\nreturn 1`)\n\n\t// expireScript",
			test: "TestInvalidate_anotherNodesLoad",
		},
		{
			guard: "a notice takes the key out of memory", file: "tiercache/coherence.go",
			old: "had, gen := c.memory.remove(hash, key)", new: "had, gen := c.memory.get(hash, key), uint64(0)", test: "TestOtherNodesHearOf",
		},
		{
			guard: "without heartbeats memory is not trusted", file: "tiercache/coherence.go",
			old: "now < c.redis.channel.trust.Load() ||", new: "true ||", test: "TestSilentLinkEndsTrust",
		},
		{
			guard: "what Redis has yet to hear of is not read there", file: "tiercache/pilot.go",
			old: "if c.remote == nil || c.ledger.bypass(f.text) {", new: "if c.remote == nil {", test: "TestDeleteWhileRedisIsFrozenIsSaidWhenItThaws",
		},
		{
			guard: "a failed invalidation is said again", file: "tiercache/coherence.go",
			old: "if len(due) == 0 ||", new: "if true || len(due) == 0 ||", test: "TestDeleteWhileRedisIsFrozenIsSaidWhenItThaws",
		},
		{
			guard: "a record older than this node's invalidation is disbelieved", file: "tiercache/coherence.go",
			old: "f.ok && c.ledger.outdated(", new: "f.ok && false && c.ledger.outdated(", test: "TestRedisOfAnotherDayIsNotBelieved",
		},
		{
			guard: "tags that ended during a load end it", file: "tiercache/tokens.go",
			old: "if t.slot(tag).Load() > count {", new: "if t.slot(tag).Load() > count+1<<40 {", test: "TestEndedByTagIsEndedAlsoWhenItsLoadWasUnderWay|TestOtherNodesHearOf",
		},
		{
			guard: "a hold refuses warm writes", file: "tiercache/scripts.go",
			old: "string.sub(head, 1, 5) == 'WC01H' then return -1 end", new: "string.sub(head, 1, 5) == 'WC01H' then end",
			test: "TestHold_refusesAWarmWriteThatBeganBefore",
		},
		{
			guard: "warm writes are taken back when an invalidation has overtaken them", file: "tiercache/coherence.go",
			old: "c.confirm(c.redis.channel.settled.Load(), now)", new: "", test: "TestConfirm_takesBackAWarmWriteThatSlippedPastItsHold",
		},
		{
			guard: "a warm write replaces nothing younger", file: "tiercache/scripts.go",
			old: "and life - left <= age then return 0 end", new: "and false then return 0 end", test: "TestWarm_whatIsThereAlready|TestWarm_makesNothingYoung",
		},
		{
			guard: "a failed load leaves a back-off mark", file: "tiercache/settle.go",
			old: "l.backOff(ctx, broken)", new: "l.release(ctx, broken)", test: "TestBackOff_aFleet",
		},
		{
			guard: "a leader looks at memory once more", file: "tiercache/pilot.go",
			old: "if c.landed(f) {", new: "if false {", test: "TestGetLoadsOnceAndThenHits",
		},
		{
			guard: "one load a fleet", file: "tiercache/remote.go",
			old: `return m.lease(ctx, texts, token, "NX")`, new: `return m.lease(ctx, texts, token, "")`, test: "TestFlight_oneLoadAFleet",
		},
		{
			guard: "the checksum counts", file: "tiercache/record.go",
			old: "if uint64(checksum(data[:end])) != n.hex(end, trailerBytes) || n.bad {", new: "if n.bad {", test: "TestHostile|TestRecord",
		},
		{
			guard: "recursion is found by key", file: "tiercache/recursion.go",
			old: "if !l.over.Load() && l.loads.leads(id) {", new: "if false {", test: "TestRecursion",
		},
		{
			guard: "recursion of two that cross is found", file: "tiercache/recursion.go",
			old: "if other.waitsFor(l) {", new: "if false {", test: "TestRecursion",
		},
		{
			guard: "fleet: a claim looks at the ledger", file: "warm/ledger.go",
			old: "if meets and whole then return", new: "if false then return", test: "TestFleet_aNodeThatComesLaterAsksNobody",
		},
		{
			guard: "fleet: a claim respects the lock", file: "warm/ledger.go",
			old: "if holder and string.sub(holder, 1, 1) ~= '!' then return {2, holder} end\nif holder and ARGV[6] ~= '1' then return {3, ''} end", new: "", test: "TestFleet_oneLeaderAtATime",
		},
		{
			guard: "fleet: a claim respects the back-off", file: "warm/ledger.go",
			old: "if holder and ARGV[6] ~= '1' then return {3, ''} end", new: "", test: "TestFleet_aFailedRunWritesNoLedger",
		},
		{
			guard: "fleet: a batch is written under the lock", file: "warm/ledger.go",
			old:  "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\nredis.call('PEXPIRE', KEYS[1], ARGV[2])\nif ARGV[4]",
			new:  "if ARGV[4]",
			test: "TestFleet_aLeaderThatLostItsLockIsFencedOff",
		},
		{
			guard: "fleet: a late batch is taken back", file: "tiercache/warming.go", pkg: "./warm",
			old: "w.c.disown(context.WithoutCancel(w.ctx), own)", new: "_ = own", test: "TestFleet_aLeaderThatLostItsLockIsFencedOff",
		},
		{
			guard: "fleet: the ledger is written under the lock", file: "warm/ledger.go",
			old: "then return 1 end\n  return 0\nend\nlocal t", new: "then return 1 end\nend\nlocal t", test: "TestFleet_theLedgerIsWrittenByTheLocksHolderAlone",
		},
		{
			guard: "fleet: the lock is renewed", file: "warm/lead.go",
			old: "return h.ledger.renew(context.WithoutCancel(ctx), h.token)", new: "return nil", test: "TestFleet_theLeaderKeepsItsLock",
		},
	}
}
