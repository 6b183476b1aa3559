package main

const httpCacheDir = "tiercache/httpcache/"

// httpCache is the guards of tiercache/httpcache, and of what it needs of tiercache.
var httpCache = []mutant{
	{
		guard: "httpcache: a Set-Cookie is not stored", file: httpCacheDir + "rules.go",
		old: `len(a.header["Set-Cookie"]) > 0`, new: "false", test: "TestSafety/a_cookie",
	},
	{
		guard: "httpcache: an answer to a credential is not stored", file: httpCacheDir + "rules.go",
		old: "!c.cfg.Private && a.credential &&", new: "false &&", test: "TestSafety/an_answer_to_a_credential",
	},
	{
		guard: "httpcache: private is not stored", file: httpCacheDir + "rules.go",
		old: "case !c.cfg.Private && d.private:", new: "case false:", test: "TestRFC/9111_§3$/^private$",
	},
	{
		guard: "httpcache: no-store is not stored", file: httpCacheDir + "rules.go",
		old: ", d.noStore && !d.understand:", new: ":", test: "TestRFC/9111_§3$/no-store",
	},
	{
		guard: "httpcache: 206 is not stored", file: httpCacheDir + "rules.go",
		old: "a.status == http.StatusPartialContent, ", new: "", test: "TestRFC/9111_§3$/not_206",
	},
	{
		guard: "httpcache: an event stream is not stored", file: httpCacheDir + "rules.go",
		old: `case isEventStream(a.header.Get("Content-Type")):`, new: "case false:", test: "TestRFC/9111_§3$/an_event_stream",
	},
	{
		guard: "httpcache: hop-by-hop fields are not stored", file: httpCacheDir + "rules.go",
		old: "case isHop(name), ", new: "case ", test: "TestRFC/9111_§3.1",
	},
	{
		guard: "httpcache: what Connection names is not stored", file: httpCacheDir + "rules.go",
		old: "slices.ContainsFunc(named, is), ", new: "slices.ContainsFunc(named[:0], is), ", test: "TestRFC/9111_§3.1",
	},
	{
		guard: "httpcache: two lifetimes that differ are none", file: httpCacheDir + "fields.go",
		old: "if *to >= 0 && *to != n {", new: "if false {", test: "TestRFC/9111_§4.2.1/two_that_differ",
	},
	{
		guard: "httpcache: a date must be in GMT", file: httpCacheDir + "fields.go",
		old: "case len(text) == len(imfDate):", new: "case len(text) >= len(imfDate)-2:", test: "TestRFC/9111_§4.2.1/Expires_with",
	},
	{
		guard: "httpcache: Age counts", file: httpCacheDir + "rules.go",
		old: `age := parseAge(a.header["Age"])`, new: "age := time.Duration(0)", test: "TestRFC/9111_§4.2.3/Age_counts",
	},
	{
		guard: "httpcache: strict answers are never served stale", file: httpCacheDir + "rules.go",
		old: "	if !v.strict {", new: "	v.strict = false\n	if !v.strict {", test: "TestRFC/9111_§4.2.4/never_after",
	},
	{
		guard: "httpcache: a stale answer has its window", file: httpCacheDir + "send.go",
		old: "v.behind > 0 && over <= v.behind", new: "v.behind > 0", test: "TestRFC/9111_§4.2.4/not_after_the_window",
	},
	{
		guard: "httpcache: stale-if-error has its window", file: httpCacheDir + "attempt.go",
		old: "a.over() <= a.old.onError", new: "true", test: "TestRFC/9111_§4.2.4/stale-if-error_for_a_5xx",
	},
	{
		guard: "httpcache: a refresh behind does not stand for a credential", file: httpCacheDir + "send.go",
		old: " && !v.personal", new: "", test: "TestRFC/9111_§4.2.4/after_Authorization",
	},
	{
		guard: "httpcache: one refresh at a time", file: httpCacheDir + "refresh.go",
		old: "if !v.asking.CompareAndSwap(false, true) {", new: "v.asking.Store(true)\n	if c.counts.refreshes.n.Load() > 1e9 {", test: "TestRFC/9111_§4.2.4/stale-while",
	},
	{
		guard: "httpcache: a 304 about something else confirms nothing", file: httpCacheDir + "validate.go",
		old: `return etag == "" || v.etag == "" || weakly(etag) == weakly(v.etag)`, new: "return etag != \"x\"", test: "TestRFC/9111_§4.3$/a_304_about",
	},
	{
		guard: "httpcache: a 304 leaves the fields of the body", file: httpCacheDir + "validate.go",
		old: `case "Content-Length", "Content-Encoding", "Content-Range":`, new: `case "X":`, test: "TestRFC/9111_§3.2",
	},
	{
		guard: "httpcache: a write ends what was before its first byte", file: httpCacheDir + "unsafe.go",
		old: "end = before.ending(h)\n			end()", new: "end = before.ending(h)", test: "TestRFC/9111_§4.4/before",
	},
	{
		guard: "httpcache: a write ends once more what was read meanwhile", file: httpCacheDir + "unsafe.go",
		old: "	defer func() { end() }() // also where the handler panics after its header\n", new: "	_ = end\n", test: "TestRFC/9111_§4.4/and_again",
	},
	{
		guard: "httpcache: a Location of another origin is let be", file: httpCacheDir + "unsafe.go",
		old: "err != nil || string(appendURL(nil, u.Scheme, u.Host, \"\")) != w.site", new: "err != nil",
		test: "TestRFC/9111_§4.4/not_another",
	},
	{
		guard: "httpcache: waiters go on at the header", file: httpCacheDir + "lead.go",
		old: "	case l.v == nil:\n		l.why = &c.counts.uncacheable\n		l.verdict(said{v: &value{kind: kindPass}})", new: "	case l.v == nil:\n		l.why = &c.counts.uncacheable",
		test: "TestSafety/200_uncacheable",
	},
	{
		guard: "httpcache: a short answer is not stored", file: httpCacheDir + "verdict.go",
		old: "case size >= 0 && size != int64(len(body))", new: "case size < -1", test: "TestSafety/half_an_answer.*/short",
	},
	{
		guard: "httpcache: a client that has gone does not end the answer", file: httpCacheDir + "lead.go",
		old: "context.WithCancel(context.WithoutCancel(client))", new: "context.WithCancel(client)", test: "TestSafety/half_an_answer.*/client_gone",
	},
	{
		guard: "httpcache: a write that fails is collected", file: httpCacheDir + "writer.go",
		old: "if err != nil && kept &&", new: "if kept = false; err != nil && kept &&", test: "TestSafety/half_an_answer.*/client_gone",
	},
	{
		guard: "httpcache: a reverse proxy says in a warm-up that an answer was cut", file: httpCacheDir + "refresh.go",
		old: "if ctx.Value(http.ServerContextKey) == nil {", new: "if false {", test: "TestSafety/half_an_answer.*/upstream_cut",
	},
	{
		guard: "httpcache: an abort goes on", file: httpCacheDir + "attempt.go",
		old: "		panic(panicked)\n", new: "", test: "TestSafety/an_abort/http/though",
	},
	{
		guard: "httpcache: an upgrade passes", file: httpCacheDir + "request.go",
		old: `case "Upgrade", `, new: "case ", test: "TestSafety/upgrades",
	},
	{
		guard: "httpcache: a stream ends with its client", file: httpCacheDir + "lead.go",
		old: "		l.free()\n	}\n}", new: "	}\n}", test: "TestSafety/a_stream",
	},
	{
		guard: "httpcache: Vary selects", file: httpCacheDir + "refresh.go",
		old: "missing := without(names, p.names)", new: "missing := without(nil, p.names)", test: "TestSafety/no_variant",
	},
	{
		guard: "httpcache: variants are bounded", file: httpCacheDir + "vary.go",
		old: "	if len(s.keys) >= most {\n		return false", new: "	if false {\n		return false", test: "TestSafety/variants",
	},
	{
		guard: "httpcache: a coding selects", file: httpCacheDir + "vary.go",
		old: `!strings.EqualFold(coding, "identity")`, new: "false", test: "TestSafety/a_coding",
	},
	{
		guard: "httpcache: X-Forwarded-Host is part of the key", file: httpCacheDir + "key.go",
		old: `{partHost, "X-Forwarded-Host"}`, new: `{partHost, "X-Nothing"}`, test: "TestSafety/an_unkeyed",
	},
	{
		guard: "httpcache: Invalidate reaches what a proxy has asked for", file: httpCacheDir + "unsafe.go",
		old: "keys, tags = append(keys, key), append(tags, urlTag+key)", new: "keys = append(keys, key)", test: "TestSafety/an_unkeyed",
	},
	{
		guard: "httpcache: a long body is let go", file: httpCacheDir + "writer.go",
		old: "if int64(len(t.body)+len(p)) > t.most {", new: "if false {", test: "TestSafety/a_long_body",
	},
	{
		guard: "httpcache: stored values are copied", file: httpCacheDir + "value.go",
		old: "h[f.name] = texts[f.lo:f.hi:f.hi]", new: "h[f.name] = v.texts[f.lo:f.hi:f.hi]",
		test: "TestSafety/stored_headers",
	},
	{
		guard: "httpcache: what stood in the header before is not stored", file: httpCacheDir + "attempt.go",
		old: "before, had := a.outer[name]; !had || !slices.Equal(before, values)", new: "_, had := a.outer[name]; !had || true", test: "TestSafety/stored_headers",
	},
	{
		guard: "httpcache: HEAD goes through", file: httpCacheDir + "handler.go",
		old: "x.r.Method == http.MethodHead, x.is.partial", new: "x.is.partial", test: "TestSafety/HEAD",
	},
	{
		guard: "httpcache: a group ends the variants under way", file: httpCacheDir + "refresh.go",
		old: "index.tags, index.lifetime = v.tags, v.lifetime", new: "index.lifetime = v.lifetime", test: "TestGroups_endTheLoadsUnderWay",
	},
	{
		guard: "httpcache: PURGE needs leave", file: httpCacheDir + "unsafe.go",
		old: "if err := c.cfg.Purge(r); err != nil {", new: "if err := c.cfg.Purge(r); false {", test: "TestPurge/who_may_not",
	},
	{
		guard: "tiercache: what is never stale is not", file: "tiercache/reload.go",
		old: "return min(max(d, 0), record.MaxLife)", new: "return c.cfg.StaleFor + 1e12", test: "TestStaleness",
	},
	{
		guard: "tiercache: a nil loader asks nobody", file: "tiercache/load.go",
		old: "if f.brought() || f.nobody {", new: "if f.brought() {", test: "TestGetOrReload_nobody",
	},
}
