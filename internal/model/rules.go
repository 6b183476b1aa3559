package model

// Rule is a rule of the protocol, with the guarantee that is lost without it.
type Rule struct {
	Rule     Rules
	Name     string
	Text     string
	Scenario string // in which the exploration finds a history without it
}

// Table lists the rules.
func Table() []Rule {
	return []Rule{
		{SecondBump, "second move", "an invalidation moves the key's generation again after Redis has executed it", "a load and a Delete"},
		{JoinSameGeneration, "joining", "a read joins only a flight of the key's present generation and epoch", "a load and a Delete"},
		{FillSameGeneration, "filling", "a flight fills memory only if the generation has not moved since it began", "a load and a Delete"},
		{Lease, "lease", "a load is committed only while its lease stands", "a load under way"},
		{DropLease, "dropped lease", "an invalidation deletes the lease", "a load under way"},
		{NoticeAfterDelete, "one script", "the notice is published by the script that deletes, after it has", "a load and a Delete"},
		{SetCompares, "compare and swap", "Set fills memory only if no other invalidation was heard of meanwhile", "two Sets"},

		{Numbers, "numbers", "notices are numbered; a gap, shown by a later notice or a digest, begins an epoch", "lost notices"},
		{EpochOnSubscribe, "subscription", "a new subscription begins an epoch", "a node dies"},
		{Trust, "trust", "memory is trusted while notices are heard, else for DegradedTTL", "lost notices"},
		{TrustTokens, "trust in tokens", "known tokens are trusted while notices are heard", "lost notices of a Clear"},
		{EpochForgetsTokens, "tokens of an epoch", "an epoch forgets the known tokens", "lost notices of a Clear"},

		{ClearTokenBefore, "token of before", "a record holds the cache's token of before its source read", "tags and Clear"},
		{TagCount, "count", "a value is stored only if its tags were last ended before its source read", "tags and Clear"},
		{TagOrigin, "origin of the count", "and only if the count is that of the same mark", "tags and Clear on a full Redis"},

		{Disbelieve, "disbelief", "a node disbelieves records older than an invalidation in its journal", "failover"},
		{Bypass, "bypass", "a node does not ask Redis about what it has yet to tell it", "lost replies"},
		{Replay, "replay", "what Redis may not have executed is said again", "lost replies"},
		{ReplayAfterTry, "replay after the try", "but only when the try that failed can take effect no more", "lost replies"},
		{UntilReplicated, "journal until replicated", "an invalidation stays in the journal until every connected replica has it", "failover"},
		{StampAfterReply, "stamp after the reply", "a replica has it that has acknowledged an offset read after the reply", "failover"},
		{Replid, "histories", "a takeover is known by the replication ID, not by the server's run_id", "failover"},
		{UnstampedIsBeyond, "unstamped", "an invalidation not known to lie before the branch is replayed", "failover"},
		{AnswerOfBefore, "answers of before", "and so is one that was answered across a takeover", "failover"},
		{LostHistoryEnds, "lost history", "the caches are ended where the branch lies before what the journal has forgotten", "failover"},
		{RestartEnds, "restart", "the caches are ended where the server was restarted from a snapshot", "restart"},

		{Hold, "hold", "an invalidation leaves a hold, which refuses warm writes", "warm runs"},
		{Confirm, "confirmation", "a warm write is taken back if an invalidation may have overtaken it", "warm runs on a full Redis"},
		{ConfirmAfterDigest, "digest", "it is confirmed only after a digest of every node", "warm runs on a full Redis"},
		{ValidateOnBreak, "break", "where notices were lost, it is taken back if a hold may be gone", "warm runs on a full Redis"},
		{WarmKeepsYounger, "younger", "a warm write replaces only what is older", "warm runs"},

		{StepCorrects, "clock steps", "a step back of the server's clock is taken off what PTTL says", "clock steps"},
		{StepIsEpoch, "epoch of a step", "and begins an epoch", "clock steps"},
		{CountIsTime, "count as time", "the count never falls behind one that was given out", "tags in a Cluster"},
	}
}

// Scenarios lists the bounds within which the protocol is explored.
func Scenarios() []Scenario {
	only := func(n uint8) [2]uint8 { return [2]uint8{n, 0} }
	other := func(n uint8) [2]uint8 { return [2]uint8{0, n} }
	both := func(n uint8) [2]uint8 { return [2]uint8{n, n} }
	keyDeeds := []deed{deleteKey}
	return []Scenario{
		{Name: "a load and a Delete", Deeds: keyDeeds, Budget: Budget{Writes: both(1), Loads: both(1)}},
		{Name: "a load under way", Cold: true, Deeds: keyDeeds, Budget: Budget{Writes: only(2), Loads: other(2)}},
		{Name: "two Sets", Deeds: []deed{setKey}, Budget: Budget{Writes: both(1), Loads: other(1)}},
		{Name: "lost notices", Deeds: keyDeeds, Budget: Budget{Writes: only(1), Loads: both(1), Lose: 1, Cut: 1}},
		{Name: "a load and a dead link", Cold: true, Deeds: keyDeeds, Budget: Budget{Writes: only(1), Loads: other(2), Cut: 1}},
		{Name: "a node dies", Deeds: keyDeeds, Budget: Budget{Writes: only(1), Loads: other(1), Cut: 1, Die: 1}},
		{Name: "lost notices of a Clear", Deeds: []deed{clearAll}, Budget: Budget{Writes: only(1), Loads: other(2), Cut: 1}},
		{Name: "tags and Clear", Cold: true, Deeds: []deed{endTag, clearAll}, Budget: Budget{Writes: only(2), Loads: both(1)}},
		{Name: "tags and Clear on a full Redis", Cold: true, Deeds: []deed{endTag, clearAll}, Budget: Budget{Writes: only(1), Loads: other(2), Evict: 2}},
		{Name: "failover", Replica: true, Deeds: keyDeeds, Budget: Budget{Writes: only(1), Loads: both(1), Detach: 1, Failover: 1}},
		{Name: "restart", Restart: true, Deeds: keyDeeds, Budget: Budget{Writes: only(1), Loads: other(1), Failover: 1}},
		{Name: "lost replies", Deeds: []deed{deleteKey, setKey}, Budget: Budget{Writes: both(1), Loads: only(1), Fail: 1}},
		{Name: "warm runs", Deeds: keyDeeds, Budget: Budget{Writes: only(1), Loads: only(1), Runs: other(1), Lose: 1}},
		{Name: "warm runs on a full Redis", Deeds: keyDeeds, Budget: Budget{Writes: only(1), Runs: other(1), Lose: 1, Evict: 1}},
		{Name: "clock steps", Budget: Budget{Loads: both(2), Step: 1, Tick: 4}},
		{Name: "tags and a failover", Cold: true, Replica: true, Deeds: []deed{endOther, endTag}, InOrder: true, Budget: Budget{Writes: only(2), Loads: other(1), Failover: 1}},
		{Name: "tags in a Cluster", Cold: true, Replica: true, Cluster: true, Deeds: []deed{endOther, endTag}, InOrder: true, Budget: Budget{Writes: only(2), Loads: other(1), Failover: 1}},
		{Name: "several faults", Replica: true, Deeds: keyDeeds, Depth: 14, Budget: Budget{
			Writes: only(1), Loads: other(1), Fail: 1, Cut: 1, Failover: 1,
		}},
		{Name: "everything at once", Replica: true, Deeds: []deed{deleteKey, setKey, endTag, clearAll}, Depth: 5, Budget: Budget{
			Writes: both(2), Loads: both(2), Runs: both(1), Fail: 1, Lose: 1, Cut: 1, Detach: 1, Failover: 1, Evict: 1, Step: 1, Tick: 2,
		}},
	}
}
