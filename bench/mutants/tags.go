package main

// tagGuards is tokens, tags and the trust in what is remembered of Redis.
var tagGuards = []mutant{
	{
		guard: "tokens are not remembered while notices are not heard", file: "tiercache/coherence.go",
		old: "if !c.redis.channel.Coherent() {\n\t\tfrom", new: "if false {\n\t\tfrom", test: "TestDeaf_",
	},
	{
		guard: "tags that ended during a load end it", file: "tiercache/endings.go",
		old: "e.ended[tag] > count", new: "e.ended[tag] > count+1<<40", test: "TestEndedByTagIsEndedAlsoWhenItsLoadWasUnderWay|TestOtherNodesHearOf",
	},
	{
		guard: "what is forgotten of tags counts as ended", file: "tiercache/endings.go",
		old: "count < e.exact ||", new: "", test: "TestEndings_",
	},
	{
		guard: "entries are looked at before ends of tags are forgotten", file: "tiercache/endings.go",
		old: "\trestamp()\n", new: "", test: "TestTags_othersEndNoEntry/memory",
	},
	{
		guard: "a look stamps an entry anew", file: "tiercache/endings.go",
		old: "tags.Count.Store(e.count.Load())", new: "", test: "TestEndings_",
	},
	{
		guard: "a tag that ended beyond the mark of before refuses", file: "tiercache/internal/redistier/tokens.go",
		old: " || ended > n {", new: " {", test: "TestTags_ownTagEndedUnheard", pkg: "tiercache",
	},
	{
		guard: "a hash of tags that is new refuses what began before it", file: "tiercache/internal/redistier/tokens.go",
		old: "run != now || m < n", new: `run+now == "" || m < n`, test: "TestTags_ownTagEndedUnheard", pkg: "tiercache",
	},
	{
		guard: "what a node has heard of tags stands whatever Redis counts", file: "tiercache/settle.go",
		old: " && l.c.tokens.stand(tags)", new: "", test: "TestTags_countsThatRepeat",
	},
	{
		guard: "a warm entry whose tag was ended is refused", file: "tiercache/warming_write.go",
		old: "(!redistier.Unended(w.tokens, now, tags.Names) ||", new: "(now == nil ||", test: "TestTags_ownTagEndedUnheard",
	},
	{
		guard: "a read does not take a load's answer whose tag was ended in between", file: "tiercache/wait.go",
		old: "if waited && c.overtaken(f, w.since) {", new: "if false {", test: "TestTags_aReadJoins",
	},
	{
		guard: "other tags begin no flight", file: "tiercache/flight.go",
		old: "f.seen.Epoch == o.seen.Epoch && f.serves(o)", new: "f.seen == o.seen && f.serves(o)", test: "TestTags_aReadJoins",
	},
	{
		guard: "a tag is ended on a full Redis", file: "tiercache/internal/redistier/scripts.go",
		old: "else\n  redis.call('UNLINK', KEYS[1])\nend", new: "end", test: "TestClearAndTagsOnAFullRedis", pkg: "tiercache",
	},
	{
		guard: "a tag's end is told to Redis", file: "tiercache/internal/redistier/scripts.go",
		old: ", ARGV[3], mark .. '.' .. ARGV[5])", new: ")", test: "TestTags_ownTagEndedUnheard", pkg: "tiercache",
	},
	{
		guard: "tokens are in use", file: "tiercache/notices.go",
		old: "c.keepTokens(now)", new: "", test: "TestTokens_outliveEviction",
	},
	{
		guard: "the empty tag is refused", file: "tiercache/write.go",
		old: `if tag == "" {`, new: "if false {", test: "TestTags_theEmptyOne",
	},
}
