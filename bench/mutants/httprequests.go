package main

// httpRequests is the guards of tiercache/httpcache against what handlers, and what stands before
// the cache, do to requests, and against fields that are easily misread.
var httpRequests = []mutant{
	{
		guard: "httpcache: a handler's request is its own", file: httpCacheDir + "request.go",
		old: "b.URL, b.Header = &u, r.Header.Clone()", new: "b.URL = &u",
		test: "TestSafetyOfRequests/a_credential|TestSafetyOfRequests/a_coding",
	},
	{
		guard: "httpcache: a write is noted before its handler runs", file: httpCacheDir + "unsafe.go",
		old: "end = before.ending(h)\n", new: "end = c.writingOf(r).ending(h)\n", test: "TestSafetyOfRequests/a_write_whose",
	},
	{
		guard: "httpcache: a refresh has the path's values", file: httpCacheDir + "request.go",
		old: "b := ownRequest(r)\n", new: "b := newRequest(r.URL)\n	b.Host, b.RequestURI = r.Host, r.RequestURI\n",
		test: "TestSafetyOfRequests/a_refresh_has",
	},
	{
		guard: "httpcache: a refresh has no visitor's context", file: httpCacheDir + "refresh.go",
		old: "if x.is.credential {", new: "if false {", test: "TestSafetyOfRequests/a_refresh_is",
	},
	{
		guard: "httpcache: what forbids storing counts wherever it stands", file: httpCacheDir + "attempt.go",
		old: "if saysHowToStore(name", new: "if false && saysHowToStore(name", test: "TestSafetyOfRequests/what_forbids",
	},
	{
		guard: "httpcache: a request whose time is over is answered", file: httpCacheDir + "question.go",
		old: "close(q.left)\n		x.timeOver()", new: "close(q.left)", test: "TestSafetyOfRequests/a_request_whose",
	},
	{
		guard: "httpcache: a connection that is taken over has no answer", file: httpCacheDir + "writer.go",
		old: "if err == nil && t.fate == undecided {", new: "if err == error(errHalf) {", test: "TestSafetyOfRequests/a_connection",
	},
	{
		guard: "httpcache: a write that takes its connection over ends its URL", file: httpCacheDir + "unsafe.go",
		old: "		end = before.ending(nil)\n		end()\n", new: "", test: "TestSafetyOfRequests/a_connection",
	},
	{
		guard: "httpcache: a URL has no separators of keys", file: httpCacheDir + "recent.go",
		old: " || hasSeparator(b) {", new: " {", test: "TestSafetyOfRequests/a_separator",
	},
	{
		guard: "httpcache: who asks alone gets what is stale for an error", file: httpCacheDir + "alone.go",
		old: "if s.fails(status) {", new: "if false {", test: "TestRFC_faults/5861_stale-if-error_after_Cookie",
	},
	{
		guard: "httpcache: who asks alone gets what is stale for a panic", file: httpCacheDir + "alone.go",
		old: "if !returned && s.broken() {", new: "if !returned && false {", test: "TestRFC_faults/5861_stale-if-error_after_Cookie",
	},
	{
		guard: "httpcache: who has waited gets what is stale for an error", file: httpCacheDir + "question.go",
		old: "x.alone(x.why(answerOf(e)), &x.c.counts.waited, e)\n		return true\n	case <-x", new: "x.alone(x.why(answerOf(e)), &x.c.counts.waited, entry{})\n		return true\n	case <-x",
		test: "TestRFC_faults/5861_stale-if-error_for_those",
	},
	{
		guard: "httpcache: an error that breaks off is an error", file: httpCacheDir + "attempt.go",
		old: "	case a.failed != 0:\n", new: "", test: "TestRFC_faults/5861_stale-if-error_for_a_5xx",
	},
	{
		guard: "httpcache: private that names nothing is about the whole", file: httpCacheDir + "fields.go",
		old: "len(names) == 0 || ", new: "", test: "TestRFC_reading/9111_§5.2.2.7",
	},
	{
		guard: "httpcache: private that names what is no field is about the whole", file: httpCacheDir + "fields.go",
		old: "return !isToken(name)", new: "return false", test: "TestRFC_reading/9111_§5.2.2.7",
	},
	{
		guard: "httpcache: an open quote hides nothing", file: httpCacheDir + "fields.go",
		old: "if quoted && hidden >= 0 {", new: "if false {", test: "TestRFC_reading/9111_§5.2_no-store",
	},
	{
		guard: "httpcache: fields of no-cache are no private client's", file: httpCacheDir + "rules.go",
		old: "hidden := d.hidden\n", new: "hidden := d.hidden[:0]\n", test: "TestRFC_reading/9111_§5.2.2.4_no-cache=.…",
	},
	{
		guard: "httpcache: a Vary that cannot be read selects everything", file: httpCacheDir + "vary.go",
		old: " || !isToken(name)", new: "", test: "TestRFC_reading/9111_§4.1",
	},
	{
		guard: "httpcache: entity tags have no escapes", file: httpCacheDir + "validate.go",
		old: "range entityTags(line) {", new: "range members(line, ',') {", test: "TestRFC_reading/9110_§8.8.3",
	},
	{
		guard: "httpcache: If-Range wants a strong date", file: httpCacheDir + "send.go",
		old: " && !v.strongDate()", new: " && false", test: "TestRFC_reading/9110_§8.8.2.2",
	},
	{
		guard: "httpcache: a 204 is stored without a body", file: httpCacheDir + "verdict.go",
		old: "body, size = nil, -1", new: "size = -1", test: "TestRFC_reading/9110_§15.3.5",
	},
	{
		guard: "httpcache: Invalidate reaches a URL as it was sent", file: httpCacheDir + "unsafe.go",
		old: "; given != key {", new: "; given == \"\" {", test: "TestRFC_reading/9111_§4.4",
	},
	{
		guard: "httpcache: a port is left off by the scheme that was asked for", file: httpCacheDir + "key.go",
		old: " || is.forwarded && withoutPort(scheme, host) != host", new: "", test: "TestSafety_poison/a_default_port",
	},
	{
		guard: "httpcache: what is quoted in Forwarded is not divided", file: httpCacheDir + "key.go",
		old: "range members(member, ';') {", new: "range strings.SplitSeq(member, \";\") {", test: "TestSafety_poison/Forwarded.s_host",
	},
	{
		guard: "httpcache: what names the site is found", file: httpCacheDir + "request.go",
		old: `"X-Forwarded-Server", "X-Host":`, new: `"X-Nothing":`, test: "TestSafety_poison/X-",
	},
	{
		guard: "httpcache: a key that is remembered is that of all fields", file: httpCacheDir + "vary.go",
		old: " && slices.Equal(m.lines, lines)", new: "", test: "TestRFC/9111_§4.1/a_variant_each|TestRFC_reading/9111_§4.1_as_long",
	},
	{
		guard: "httpcache: a long body says its length", file: httpCacheDir + "send.go",
		old: "return size < buffer && ", new: "return ", test: "TestHit_length",
	},
	{
		guard: "httpcache: HEAD says the length of the body", file: httpCacheDir + "send.go",
		old: " && x.r.Method == http.MethodGet && x.r.Context()", new: " && x.r.Context()", test: "TestHit_length",
	},
	{
		guard: "httpcache: a warm-up goes through the handler that is named", file: httpCacheDir + "warm.go",
		old: "c.through(opts.Handler)", new: "c.only()", test: "TestRegisterURLs_handler",
	},
	{
		guard: "httpcache: a warm-up never goes through its own cache", file: httpCacheDir + "warm.go",
		old: "case ok && s.c == c:", new: "case ok && s.c == nil:", test: "TestRegisterURLs_handler",
	},
	{
		guard: "httpcache: a unit that nobody knows is ignored", file: httpCacheDir + "send.go",
		old: `if !strings.EqualFold(strings.Trim(unit, " \t"), "bytes") {`, new: "if unit == specs {", test: "TestRFC_partial/9110_§13,_§14_a_unit",
	},
	{
		guard: "httpcache: no range has the last zero bytes", file: httpCacheDir + "send.go",
		old: `!isLast || strings.Trim(last, "0") != ""`, new: `!isLast || last != "x"`, test: "TestRFC_partial/9110_§13,_§14_the_last_nothing",
	},
	{
		guard: "httpcache: a 304 about something else is asked about anew", file: httpCacheDir + "alone.go",
		old: "if s.said != nil && !s.old.confirmed(s.said) {", new: "if false {", test: "TestRFC_faults/9111_§4.3.4_a_304_about",
	},
	{
		guard: "httpcache: a Transport ends a request with its body", file: httpCacheDir + "transport.go",
		old: "	if err != nil {\n		b.p.cancel()\n	}\n", new: "", test: "TestTransport_end",
	},
	{
		guard: "httpcache: a Transport passes trailers", file: httpCacheDir + "transport.go",
		old: "b.response.Trailer = b.p.trailer", new: "_ = b.p.trailer", test: "TestTransport_trailers",
	},
	{
		guard: "httpcache: a Transport takes tags off", file: httpCacheDir + "transport.go",
		old: "	c.takeTags(response.Header)\n", new: "", test: "TestTransport_writes",
	},
}
