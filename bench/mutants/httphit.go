package main

// httpHit is the guards of what makes a hit of the HTTP cache cheap.
func httpHit() []mutant {
	const dir = "tiercache/httpcache/"
	return []mutant{
		{
			guard: "httpcache: a key is remembered with its URI", file: dir + "recent.go",
			old: "recent.uri == uri && ", new: "", test: "TestRecentKeys$",
		},
		{
			guard: "httpcache: a key is remembered with its host", file: dir + "recent.go",
			old: "recent.host == host && ", new: "", test: "TestRecentKeys$",
		},
		{
			guard: "httpcache: a key is remembered with its scheme", file: dir + "recent.go",
			old: " && recent.scheme == scheme", new: "", test: "TestRecentKeys$",
		},
		{
			guard: "httpcache: a key that is remembered is short", file: dir + "recent.go",
			old: "len(key) <= longestRecent && ", new: "", test: "TestRecentKeys$",
		},
		{
			guard: "httpcache: a key has its longest length", file: dir + "recent.go",
			old: "len(b) > longestKey || ", new: "", test: "TestRecentKeys$",
		},
		{
			guard: "httpcache: what is asked for once takes no slot of what is asked for often", file: dir + "recent.go",
			old: "rand.Uint32()%recentTurns == 0", new: "rand.Uint32() >= 0", test: "TestRecentKeys_often",
		},
		{
			guard: "httpcache: a hit's key is remembered", file: dir + "recent.go",
			old: "return recent.key", new: "return strings.Clone(recent.key)", test: "TestHit_allocates",
		},
		{
			guard: "httpcache: a request for events passes", file: dir + "request.go",
			old: "strings.IndexByte(accept, '-') >= 0 && ", new: "strings.IndexByte(accept, '+') >= 0 && ", test: "TestSafety/upgrades",
		},
		{
			guard: "httpcache: the origin's Cache-Status is sent", file: dir + "value.go",
			old: "v.told = v.all(statusField)", new: "", test: "TestRFC/9211/hit",
		},
		{
			guard: "httpcache: the origin's Cache-Status is sent by other nodes", file: dir + "codec.go",
			old: "v.body, v.told = r.data, v.all(statusField)", new: "v.body = r.data", test: "TestCodec_status",
		},
	}
}
