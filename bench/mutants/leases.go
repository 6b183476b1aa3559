package main

// leaseGuards is leases, back-offs, refreshes, and what user code may do to them:
// docs/adr/0005-leases-and-back-off.md.
var leaseGuards = []mutant{
	{
		guard: "another node's mark binds nobody who has nothing to serve", file: "tiercache/lease.go",
		old: "case failed, f.force && stealable", new: "case failed:\n\t\t\tl.c.end(f, nil, 0, errBackOff)\n\t\tcase f.force && stealable", test: "TestBackOff_aSickNode",
	},
	{
		guard: "failures in a row bind their node", file: "tiercache/backoff.go",
		old: "failed.row >= bindingRow && ", new: "failed.row < 0 && ", test: "TestBackOff_aSourceThatIsDown",
	},
	{
		guard: "a mark is taken from exactly that holder", file: "tiercache/internal/redistier/scripts.go",
		old: "if holder ~= ARGV[1] and holder ~= ARGV[2] then return 0 end", new: "", test: "TestBackOff_aLiveLease", pkg: "tiercache",
	},
	{
		guard: "a mark has the stale served", file: "tiercache/lease.go",
		old: "case failed && !f.force && l.c.servable", new: "case false && l.c.servable", test: "TestBackOff_theMarkOfAnotherNode",
	},
	{
		guard: "a refresh joins no refresh that has read", file: "tiercache/flight.go",
		old: "return f.force && !f.asked", new: "return f.force", test: "TestRefresh_readsTheSource.*/joins_no_Refresh",
	},
	{
		guard: "a refresh joins no other load", file: "tiercache/flight.go",
		old: "return f.force && !f.asked", new: "return !f.asked", test: "TestRefresh_readsTheSource.*/joins_no_Get$",
	},
	{
		guard: "refreshes wait in a crowd", file: "tiercache/flight.go",
		old: "f.after = f.crowd(first)", new: "", test: "TestRefresh_manyAtOnce",
	},
	{
		guard: "a refresh that waits is in the graph of waits", file: "tiercache/miss.go",
		old: "f.lead.await(first.lead); err != nil", new: "f.lead.await(new(lead)); err != nil", test: "TestRefresh_behindItself",
	},
	{
		guard: "a stolen lease is not stolen again", file: "tiercache/lease.go",
		old: `holder != "" && holder[0] != stolenMark`, new: `holder != ""`, test: "TestRefresh_aStorm|TestRefresh_shares",
	},
	{
		guard: "what another node loaded before the call is no refresh", file: "tiercache/flight.go",
		old: "if f.asked || read <= f.since {", new: "if f.asked {", test: "TestRefresh_shares|TestRefresh_aStorm",
	},
	{
		guard: "lost leases are looked after while own loads run", file: "tiercache/lease.go",
		old: "\tgo func() {\n\t\tdefer func() {\n\t\t\tif v := recover()", new: "\tfunc() {\n\t\tdefer func() {\n\t\t\tif v := recover()", test: "TestGetMany_aSlowKey",
	},
	{
		guard: "recursion is sought once a lead", file: "tiercache/recursion.go",
		old: "if !seen[other] {", new: "if true {", test: "TestRecursion_isSoughtOnceALead",
	},
	{
		guard: "a panic states no absence", file: "tiercache/internal/failure/panic.go",
		old: "return Alien(err)", new: "return FromUser(err)", test: "TestAbsence_isStated", pkg: "tiercache",
	},
	{
		guard: "an error of LoadMany states no absence", file: "tiercache/call.go",
		old: "return failure.Alien(err)", new: "return failure.OfLoader(err)", test: "TestAbsence_isStated",
	},
	{
		guard: "another cache's ErrClosed is not this one's", file: "tiercache/internal/failure/user.go",
		old: " && target != ErrClosed", new: "", test: "TestUserError_anotherCaches", pkg: "tiercache",
	},
	{
		guard: "Is of a user's error may panic", file: "internal/usercode/error.go",
		old: "func (g *guarded) Is(target error) (is bool) {\n\tdefer func() {\n\t\tif recover() != nil {", new: "func (g *guarded) Is(target error) (is bool) {\n\tdefer func() {\n\t\tif false {",
		test: "TestUserError_methods", pkg: "tiercache",
	},
	{
		guard: "Error of a user's error may panic", file: "internal/usercode/error.go",
		old: "if v := recover(); v != nil {\n\t\t\ttext =", new: "if v := any(nil); v != nil {\n\t\t\ttext =", test: "TestUserError_", pkg: "tiercache",
	},
	{
		guard: "a codec's error is guarded", file: "tiercache/item.go",
		old: "return value, failure.FromUser(err)", new: "return value, err", test: "TestUserError_ofCodecs",
	},
	{
		guard: "a child's cut-off is not the parent's", file: "tiercache/call.go",
		old: "if cl.cutOff {", new: "if errors.Is(cl.err, errCutOff) {", test: "TestUserError_aChild",
	},
	{
		guard: "a key may have no hash", file: "tiercache/read.go",
		old: "if v := recover(); v != nil {", new: "if v := any(nil); v != nil {", test: "TestUserError_aKey",
	},
	{
		guard: "a refresh behind a hit needs a loader", file: "tiercache/read.go",
		old: " || !a.brought() && (a.nobody || !c.sourced) {", new: " {", test: "TestAbsence_isNotConcluded.*/a_refresh_behind",
	},
	{
		guard: "who has a loader joins nobody who has none", file: "tiercache/flight.go",
		old: " && (f.asks() || !o.asks())", new: "", test: "TestAbsence_isNotConcluded.*/GetOrLoad",
	},
	{
		guard: "who has no loader is no answer of a source", file: "tiercache/load.go",
		old: "if l.asks(f) {", new: "if true {", test: "TestGet_withoutASource|TestAbsence",
	},
	{
		guard: "a miss with nobody to ask is no load", file: "tiercache/read.go",
		old: "if !a.brought() && c.nobodyKnows(hash, a) {", new: "if false {", test: "TestAbsence_aMiss",
	},
}
