package main

// journalGuards is what a node keeps of its own invalidations, and how it meets failovers.
var journalGuards = []mutant{
	{
		guard: "what a former server confirms late is replayed", file: "tiercache/internal/journal/journal.go",
		old: "case n.Takeovers != j.progress.Takeovers.Load():", new: "case false:", test: "TestJournal_replays",
	},
	{
		guard: "nothing is forgotten before every replica has it", file: "tiercache/internal/journal/journal.go",
		old: " || e.round > replicated", new: "", test: "TestJournal_forgets",
	},
	{
		guard: "what is forgotten is known to be", file: "tiercache/internal/journal/journal.go",
		old: "j.forgot = max(j.forgot, e.round)", new: "", test: "TestJournal_forgets",
	},
	{
		guard: "a failed Set is waited for until it is void", file: "tiercache/internal/journal/journal.go",
		old: "case e == nil || e.at > n.Made || n.Made < e.void:", new: "case e == nil || e.at > n.Made:", test: "TestJournal_waitsFor",
	},
	{
		guard: "a replay that a later write has overtaken settles nothing", file: "tiercache/internal/journal/journal.go",
		old: "case e == nil || e.at > n.Made || n.Made < e.void:", new: "case e == nil || n.Made < e.void:", test: "TestJournal_writeDuring",
	},
	{
		guard: "too much that is pending is one Clear", file: "tiercache/internal/journal/journal.go",
		old: "case j.pending >= mostPending:", new: "case false:", test: "TestJournal_tooMuch",
	},
	{
		guard: "a pending Clear covers what fails meanwhile", file: "tiercache/internal/journal/journal.go",
		old: "clearing.at = max(clearing.at, e.at)", new: "", test: "TestJournal_tooMuch",
	},
	{
		guard: "a Set that comes late does nothing", file: "tiercache/internal/redistier/scripts.go",
		old: "> tonumber(ARGV[5]) then return 3 end", new: "> tonumber(ARGV[5]) then end", test: "TestSet_thatComesLateDoesNothing", pkg: "tiercache",
	},
	{
		guard: "a replica that passes heartbeats on is not trusted", file: "tiercache/internal/backplane/heartbeat.go",
		old: "min(last.back, last.answered)", new: "last.back", test: "TestTrust_",
	},
	{
		guard: "connections to a former master are closed", file: "tiercache/internal/backplane/heartbeat.go",
		old: "ch.shed(client, func(a beatAnswer) bool { return a.Replica })", new: "", test: "TestFailover/old_connections_stay_open/Delete", pkg: "tiercache",
	},
	{
		guard: "a process whose identity another one has takes another", file: "tiercache/internal/backplane/subscription.go",
		old: "n.Node == ch.Node() && !ch.mine(int64(n.Number))", new: "false", test: "TestIdentity_", pkg: "tiercache",
	},
	{
		guard: "a former master is not believed", file: "tiercache/internal/backplane/history.go",
		old: "if l.isRetired(a, now) {", new: "if false {", test: "TestLineage_retired",
	},
	{
		guard: "what lies beyond a branch is told again", file: "tiercache/internal/backplane/history.go",
		old: "h.stamps = parent.before(a.branch)", new: "h.stamps = parent.stamps", test: "TestLineage_promotion",
	},
	{
		guard: "data of which nothing is known ends the cache", file: "tiercache/internal/backplane/history.go",
		old: "t.Lost = true", new: "t = nil", test: "TestLineage_nothingExact",
	},
	{
		guard: "after Expire an older record is not fresh", file: "tiercache/outdated.go",
		old: "f.Left = min(f.Left, f.Record.Stale)", new: "", test: "TestFailover/a_lagging_replica_is_promoted/Expire",
	},
	{
		guard: "the earliest moment of a source read counts", file: "tiercache/outdated.go",
		old: "asked-int64(f.Age())-rounding,", new: "now-int64(f.Age())+rounding,", test: "TestFailover/it_is_promoted_late",
	},
	{
		guard: "the server is asked which data it has", file: "tiercache/internal/redistier/history.go",
		old: "&& m.channel.Knows(a.History())", new: "", test: "TestFailover/it_is_promoted_late", pkg: "tiercache",
	},
}
