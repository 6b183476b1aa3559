package main

// httpHit is the guards of what makes a hit of the HTTP cache cheap.
var httpHit = []mutant{
	{
		guard: "httpcache: a key is remembered with its URI", file: httpCacheDir + "recent.go",
		old: "recent.uri == uri && ", new: "", test: "TestRecentKeys$",
	},
	{
		guard: "httpcache: a key is remembered with its host", file: httpCacheDir + "recent.go",
		old: "recent.host == host && ", new: "", test: "TestRecentKeys$",
	},
	{
		guard: "httpcache: a key is remembered with its scheme", file: httpCacheDir + "recent.go",
		old: " && recent.scheme == scheme", new: "", test: "TestRecentKeys$",
	},
	{
		guard: "httpcache: a key that is remembered is short", file: httpCacheDir + "recent.go",
		old: "len(key) <= longestRecent && ", new: "", test: "TestRecentKeys$",
	},
	{
		guard: "httpcache: a key has its longest length", file: httpCacheDir + "recent.go",
		old: "len(b) > longestKey || ", new: "", test: "TestRecentKeys$",
	},
	{
		guard: "httpcache: what is asked for once takes no slot of what is asked for often", file: httpCacheDir + "recent.go",
		old: "rand.Uint32()%recentTurns == 0", new: "rand.Uint32() >= 0", test: "TestRecentKeys_often",
	},
	{
		guard: "httpcache: a hit's key is remembered", file: httpCacheDir + "recent.go",
		old: "return recent.key", new: "return strings.Clone(recent.key)", test: "TestHit_allocates",
	},
	{
		guard: "httpcache: a request for events passes", file: httpCacheDir + "request.go",
		old: "strings.IndexByte(accept, '-') >= 0 && ", new: "strings.IndexByte(accept, '+') >= 0 && ", test: "TestSafety/upgrades",
	},
	{
		guard: "httpcache: the origin's Cache-Status is sent", file: httpCacheDir + "value.go",
		old: "v.told = v.all(statusField)", new: "", test: "TestRFC/9211/hit",
	},
	{
		guard: "httpcache: the origin's Cache-Status is sent by other nodes", file: httpCacheDir + "codec.go",
		old: "v.body, v.told = r.data, v.all(statusField)", new: "v.body = r.data", test: "TestCodec_status",
	},
}
