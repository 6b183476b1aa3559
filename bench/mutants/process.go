package main

// processGuards is what is kept in one process: generations, flights, leases, callbacks.
var processGuards = []mutant{
	{
		guard: "a fill is refused when the key's generation has moved", file: "tiercache/internal/memory/write.go",
		old: "return g.Load() == gen && (", new: "return (", test: "TestInvalidate_aLoadThatBeganBefore", pkg: "tiercache",
	},
	{
		guard: "flights are keyed by generation", file: "tiercache/flight.go",
		old: "f.gen == o.gen && ", new: "", test: "TestInvalidate_aLoadThatBeganBefore",
	},
	{
		guard: "what Redis has yet to hear of is not read there", file: "tiercache/load.go",
		old: "!c.journal.Bypass(f.text) && c.forecast", new: "c.forecast", test: "TestPending_isNotReadInRedis/Get$",
	},
	{
		guard: "nor read there for a batch", file: "tiercache/load.go",
		old: "case l.c.journal.Bypass(f.text):", new: "case false:", test: "TestPending_isNotReadInRedis/GetMany",
	},
	{
		guard: "a failed load leaves a back-off mark", file: "tiercache/settle.go",
		old: "l.backOff(ctx, broken)", new: "for _, a := range broken {\n\t\tl.release(ctx, []string{a.f.text})\n\t}", test: "TestBackOff_",
	},
	{
		guard: "a leader looks at memory once more", file: "tiercache/miss.go",
		old: "without(fls, c.landed)", new: "without(fls, func(*flight[K, V]) bool { return false })", test: "TestFlight_aReaderThatComesLate.*/Get$",
	},
	{
		guard: "recursion is found by key", file: "tiercache/recursion.go",
		old: "if !l.over.Load() && l.loads.leads(id) {", new: "if false {", test: "TestRecursion",
	},
	{
		guard: "recursion of two that cross is found", file: "tiercache/recursion.go",
		old: "if !other.waitsFor(l) {\n\t\treturn nil\n\t}\n\trefusing", new: "if true {\n\t\treturn nil\n\t}\n\trefusing", test: "TestRecursion_ofTwo",
	},
	{
		guard: "a reader's generation is not that of a write under way", file: "tiercache/internal/memory/generation.go",
		old: "c.settled = g.CompareAndSwap(c.Gen, c.Gen+1)", new: "c.settled = g.Load() == c.Gen",
		test: "TestExpire_whatWasReadInBetween", pkg: "tiercache",
	},
	{
		guard: "of two Sets memory takes the one that Redis has", file: "tiercache/internal/memory/write.go",
		old: "func(g *atomic.Uint64, _ *Item[V]) bool { return cl.take(g) })", new: "func(g *atomic.Uint64, _ *Item[V]) bool { return cl.take(g) || true })",
		test: "TestSet_ofTwo", pkg: "tiercache",
	},
	{
		guard: "what a lost lease brought is not kept in memory either", file: "tiercache/settle.go",
		old: "case errors.Is(a.stored, redistier.ErrLeaseLost):", new: "case false:",
		test: "TestLease_whatIsRefused",
	},
	{
		guard: "a lease is renewed while its load runs", file: "tiercache/renewal.go",
		old: "_ = c.remote.Renew(c.stopped, batch)", new: "_ = batch",
		test: "TestLease_isRenewed",
	},
	{
		guard: "a load that was ended by Close leaves no back-off mark", file: "tiercache/settle.go",
		old: " && !errors.Is(a.err, ErrClosed) {", new: " {",
		test: "TestPilot_closeAtAnyMoment",
	},
	{
		guard: "a callback that ends the goroutine leaves no lease", file: "tiercache/call.go",
		old: "if cl.held == leased && !cl.committed {", new: "if cl.held == leased && !cl.committed && cl.err != nil {", test: "TestPilot_callbacksThatMisbehave/Goexit_in_Tags",
	},
	{
		guard: "a callback that ends the goroutine ends the renewal", file: "tiercache/call.go",
		old: "\tcl.kept.end()\n\tif cl.held", new: "\tif cl.held", test: "TestPilot_renewalEnds",
	},
	{
		guard: "a caller's time is looked at before each step", file: "tiercache/miss.go",
		old: "\tcase l.waits():\n", new: "\tcase true:\n", test: "TestPilot_deadlineHolds",
	},
	{
		guard: "a caller's time is looked at before it reads many", file: "tiercache/miss.go",
		old: " || !l.waits() {\n", new: " {\n", test: "TestPilot_deadlineHolds",
	},
	{
		guard: "SoftTimeout ends the wait for the loader", file: "tiercache/call.go",
		old: "soft = timer.C", new: "_ = timer", test: "TestFresh_softTimeout",
	},
	{
		guard: "SoftTimeout ends the wait for a flight", file: "tiercache/wait.go",
		old: "\t\tcase <-soft:\n\t\t\tsoft = nil\n\t\t\tif c.fallback(f, old, c.memory.Clock.Now()) != nil {", new: "\t\tcase <-soft:\n\t\t\tsoft = nil\n\t\t\tif false {",
		test: "TestPilot_softTimeoutHolds",
	},
	{
		guard: "memory keeps nothing younger for what is older", file: "tiercache/internal/memory/write.go",
		old: " || have.Read <= it.Read || have.Epoch != it.Epoch)", new: " || true)",
		test: "TestMemory_keepsWhatIsYounger", pkg: "tiercache",
	},
	{
		guard: "tags that are known late are compared with what they were before the load", file: "tiercache/settle.go",
		old: "return redistier.Unended(l.tokens, now, tags.Names) &&", new: "return now != nil &&",
		test: "TestTags_",
	},
	{
		guard: "absence is remembered", file: "tiercache/settle.go",
		old: "return l.c.newAbsence(read).Stamp(a.f.seen)", new: "return nil",
		test: "TestFresh_negativeEntries",
	},
	{
		guard: "absence is not concluded from half an answer", file: "tiercache/call.go",
		old: "said.err = cmp.Or(cl.err, ErrNotFound)", new: "said.err = ErrNotFound", test: "TestGetMany_partial",
	},
	{
		guard: "a flight is detached from its first caller", file: "tiercache/miss.go",
		old: "leadContext{context.WithoutCancel(ctx), fls[0].lead} // loaders", new: "leadContext{ctx, fls[0].lead} // loaders", test: "TestLease_whoWaitsForAnotherNodeIsNotBoundToWhoCameFirst",
	},
	{
		guard: "Goexit of a loader is an error", file: "tiercache/call.go",
		old: "err := ErrGoexit // stands", new: "var err error // stands", test: "TestFlight_panicsAndGoexit/Goexit",
	},
	{
		guard: "a panic of a loader is an error", file: "tiercache/call.go",
		old: "\tdefer func() {\n\t\tif v := recover(); v != nil {\n\t\t\terr = failure.NewPanicError(v)\n\t\t}\n\t\tcl.done <- err", new: "\tdefer func() {\n\t\tif v := any(nil); v != nil {\n\t\t\terr = failure.NewPanicError(v)\n\t\t}\n\t\tcl.done <- err",
		test: "TestFlight_panicsAndGoexit/panic",
	},
	{
		guard: "without a source nothing is leased", file: "tiercache/load.go",
		old: "c.forecast.miss() && l.asks(f) &&", new: "c.forecast.miss() &&", test: "TestGet_withoutASourceWritesNothing",
	},
	{
		guard: "nor for a batch", file: "tiercache/load.go",
		old: " && !l.unasked(f) && ", new: " && ", test: "TestGet_withoutASourceWritesNothing",
	},
	{
		guard: "a newcomer is not the first to go", file: "tiercache/internal/memory/write.go",
		old: "sl.reads.Store(1) //", new: "//", test: "TestMemory_aNewcomerIsNotTheFirstToGo",
	},
	{
		guard: "what Ristretto refused speaks for a larger window when it comes back", file: "tiercache/internal/memory/policy.go",
		old: "if sl.refused.Swap(false) {", new: "if false {", test: "TestMemory_aWindowGrowsAndShrinksWithTheReads", pkg: "tiercache",
	},
	{
		guard: "what Ristretto gave up speaks for a smaller one", file: "tiercache/internal/memory/share.go",
		old: "if origin(from) == leftPolicy {", new: "if false {", test: "TestMemory_aWindowGrowsAndShrinksWithTheReads", pkg: "tiercache",
	},
	{
		guard: "of two versions of a key the later one arrives later", file: "tiercache/warming_write.go",
		old: "room = 0 //", new: "//", test: "TestWarm_theLastVersionCountsWhereverTheOthersAre",
	},
	{
		guard: "what was under way when a run was halted is taken back", file: "tiercache/warming_land.go",
		old: "	w.c.disown(context.WithoutCancel(w.ctx), own)\n", new: "	if w.halt == nil {\n\t\tw.c.disown(context.WithoutCancel(w.ctx), own)\n\t}\n", test: "TestWarm_whatWasUnderWayWhenTheRunWasHaltedIsTakenBack",
	},
	{
		guard: "a write that arrives after it was taken back is refused", file: "tiercache/internal/redistier/scripts.go",
		old: "redis.pcall('SET', KEYS[1], ARGV[3] .. ARGV[5], 'NX', 'PX', ARGV[4])", new: "", test: "TestWarm_aWriteThatArrivesAfterItWasTakenBack", pkg: "tiercache",
	},
	{
		guard: "the hold of a record that was taken back is for that one alone", file: "tiercache/internal/redistier/scripts.go",
		old: "if #head == 5 and (age < 0", new: "if (age < 0", test: "TestWarm_aWriteThatArrivesAfterItWasTakenBack", pkg: "tiercache",
	},
	{
		guard: "the hold of a record that was taken back refuses that one", file: "tiercache/internal/redistier/scripts.go",
		old: "if string.sub(head, 6) == string.sub(ARGV[1], 17, 32) then return -1 end\n", new: "", test: "TestWarm_aWriteThatArrivesAfterItWasTakenBack", pkg: "tiercache",
	},
	{
		guard: "what is taken back later is the run's own record", file: "tiercache/internal/redistier/write.go",
		old: "case first.Own != 0:", new: "case false:", test: "TestWarm_whatIsTakenBackLaterIsTheRunsOwn", pkg: "tiercache",
	},
	{
		guard: "one late answer before a warm run does not keep it from Redis", file: "tiercache/wait.go",
		old: "const tries, again = 3,", new: "const tries, again = 1,", test: "TestWarm_aLateAnswerBeforeTheRunCostsNothing",
	},
	{
		guard: "a hook that ends the goroutine holds no warm run", file: "tiercache/warming_write.go",
		old: "\t\t\tdefer close(s.done)\n\t\t\ts.errs, s.err = w.toRedis(writes)\n", new: "\t\t\ts.errs, s.err = w.toRedis(writes)\n\t\t\tclose(s.done)\n",
		test: "TestWarm_aHookThatEndsTheGoroutineHoldsNoRun",
	},
	{
		guard: "a hydration is polite beside reads", file: "tiercache/pacer.go",
		old: "if answered != m.last {", new: "if false {", test: "TestPacer",
	},
}
