package main

// channelGuards is how nodes hear of each other, and what Redis has yet to hear.
var channelGuards = []mutant{
	{
		guard: "a notice takes the key out of memory", file: "tiercache/notices.go",
		old: "had, gen := c.memory.Remove(hash, key)", new: "had, gen := c.memory.Get(hash, key), uint64(0)", test: "TestOtherNodesHearOf",
	},
	{
		guard: "without heartbeats memory is not trusted", file: "tiercache/coherence.go",
		old: "now < c.redis.channel.Trust.Load() ||", new: "true ||", test: "TestSilentLinkEndsTrust",
	},
	{
		guard: "a failed invalidation is said again", file: "tiercache/notices.go",
		old: "if len(due) == 0 ||", new: "if true || len(due) == 0 ||", test: "TestDeleteWhileRedisIsFrozenIsSaidWhenItThaws",
	},
	{
		guard: "a record older than this node's invalidation is disbelieved", file: "tiercache/outdated.go",
		old: "\t\tcase journal.Outdated:\n\t\t\tf.Disbelieve()", new: "\t\tcase journal.Outdated:", test: "TestRedisOfAnotherDayIsNotBelieved",
	},
	{
		guard: "warm writes are taken back when an invalidation has overtaken them", file: "tiercache/notices.go",
		old: "c.confirm(c.redis.channel.Settled.Load(), now)", new: "", test: "TestConfirm_takesBackAWarmWriteThatSlippedPastItsHold",
	},
	{
		guard: "a number that is missing is a loss", file: "tiercache/internal/backplane/notice.go",
		old: "pub.missing[n] = now", new: "_ = n",
		test: "TestLostNotice/others", pkg: "tiercache",
	},
	{
		guard: "a digest shows that the last notice was lost", file: "tiercache/internal/backplane/notice.go",
		old: "case number > pub.high:", new: "case number > pub.high && !isDigest:",
		test: "TestLostNotice/last", pkg: "tiercache",
	},
	{
		guard: "notices may overtake each other", file: "tiercache/internal/backplane/notice.go",
		old: "if now-since > int64(reorderWindow) {", new: "if now >= since {",
		test: "TestNoticeOutOfOrder", pkg: "tiercache",
	},
	{
		guard: "what a node said before it was heard for the first time is missing", file: "tiercache/internal/backplane/notice.go",
		old: "if now < meeting {", new: "if true {", test: "TestNoticesOfANodeThatIsNew", pkg: "tiercache",
	},
	{
		guard: "a new subscription is a new epoch", file: "tiercache/internal/backplane/subscription.go",
		old: `ch.begin("subscribed", 0)`, new: "",
		test: "TestReconnect_whatAnother", pkg: "tiercache",
	},
	{
		guard: "entries of an older epoch are validated", file: "tiercache/coherence.go",
		old: "it.Epoch == c.epoch.Load() && c.tokens", new: "c.tokens",
		test: "TestReconnectValidates",
	},
	{
		guard: "a new epoch is not a flush", file: "tiercache/notices.go",
		old: "\tc.epoch.Add(1)\n\tc.observe", new: "\tc.endAll()\n\tc.observe",
		test: "TestEpoch_",
	},
	{
		guard: "another server is told what it may lack", file: "tiercache/notices.go",
		old: "forgotten := c.journal.Replay(t.Since)", new: "forgotten := false",
		test: "TestReplay_",
	},
	{
		guard: "a restarted server's snapshot is ended", file: "tiercache/notices.go",
		old: "ended := t.Restarted && !trusted || t.Lost", new: "ended := t.Lost",
		test: "TestSnapshotOfARestartedRedis/ended",
	},
	{
		guard: "TrustSnapshots keeps it", file: "tiercache/notices.go",
		old: "trusted := t.Restarted && c.redis.cfg.TrustSnapshots", new: "trusted := false",
		test: "TestSnapshotOfARestartedRedis/trusted",
	},
	{
		guard: "trust runs from a heartbeat's sending", file: "tiercache/internal/backplane/heartbeat.go",
		old: "last.back = max(last.back, sent)", new: "last.back = max(last.back, ch.Clock.Now())",
		test: "TestTrust_",
	},
	{
		guard: "of several masters the one that is furthest behind counts", file: "tiercache/internal/backplane/heartbeat.go",
		old: "i == 0 || sent < oldest", new: "i == 0 || sent > oldest",
		test: "TestTrust_",
	},
	{
		guard: "without a channel memory is trusted for DegradedTTL", file: "tiercache/coherence.go",
		old: " || now-read < int64(c.cfg.DegradedTTL)", new: "",
		test: "TestDegradedTTL/longer",
	},
	{
		guard: "unknown tokens make nothing fresh", file: "tiercache/coherence.go",
		old: "\tif err != nil {\n\t\treturn nil, err\n\t}\n\tvar doubtful []*redistier.Found", new: "\tif err != nil {\n\t\treturn nil, nil\n\t}\n\tvar doubtful []*redistier.Found",
		test: "TestTokens_",
	},
	{
		guard: "a record's tokens must be the current ones", file: "tiercache/coherence.go",
		old: "token != current[name] ||", new: `name == "none" ||`,
		test: "TestTokenThatWasEvicted",
	},
	{
		guard: "a tag that Redis has yet to hear of is ended", file: "tiercache/coherence.go",
		old: " || !own && c.journal.TagBypass(tag)", new: "",
		test: "TestClearAndTagsWhileRedisIsAway/InvalidateTags",
	},
	{
		guard: "notices that were missed take warm writes back", file: "tiercache/confirm.go",
		old: "heard := u.losses == c.redis.channel.Losses.Load() && u.at < settled", new: "heard := true",
		test: "TestConfirm_takesBackWhatWasWritten",
	},
}
