package main

const httpURLsDir = "tiercache/httpcache/urls/"

// httpAround is the guards around the HTTP cache: its sources of URLs, and the example's end.
var httpAround = []mutant{
	{
		guard: "urls: a redirect does not leave the host", file: httpURLsDir + "sitemapfile.go",
		old: "if req.URL.Host != at.Host || req.URL.Scheme != at.Scheme {", new: "if false {",
		test: "TestSitemap_refuses",
	},
	{
		guard: "urls: other hosts are not emitted", file: httpURLsDir + "sitemapfile.go",
		old: "case !slices.Contains(r.hosts, plainHost(u.Host)), r.Accept", new: "case len(r.hosts) < 0 && !slices.Contains(r.hosts, plainHost(u.Host)), r.Accept",
		test: "TestSitemap",
	},
	{
		guard: "urls: a document is bounded", file: httpURLsDir + "sitemapfile.go",
		old: "n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])", new: "n, err := b.r.Read(p); b.left += int64(n)",
		test: "TestSitemap_refuses",
	},
	{
		guard: "urls: indexes stand at most so deep", file: httpURLsDir + "sitemapfile.go",
		old: "if len(children) > 0 && depth == deepestIndex {", new: "if len(children) > 0 && depth == deepestIndex+9 {",
		test: "TestSitemap_refuses",
	},
	{
		guard: "urls: a sitemap is read once", file: httpURLsDir + "sitemapfile.go",
		old: "r.seen[name] = true", new: "", test: "TestSitemap",
	},
	{
		guard: "urls: elements stand at most so deep", file: httpURLsDir + "sitemapxml.go",
		old: "if len(d.path) == deepestXML {", new: "if len(d.path) == 1<<20 {", test: "TestSitemap_refuses",
	},
	{
		guard: "urls: what users requested is left out", file: httpURLsDir + "accesslog.go",
		old: `r.user != "-"`, new: "false", test: "TestAccessLog_lines",
	},
	{
		guard: "urls: a target is a path", file: httpURLsDir + "accesslog.go",
		old: "return r <= ' ' || r >= 0x7f || r == '#'", new: "return false", test: "TestAccessLog_lines",
	},
	{
		guard: "urls: counting is bounded", file: httpURLsDir + "accesslog.go",
		old: "if len(c.hits) > c.distinct {", new: "if false {", test: "TestAccessLog_manyURLs",
	},
	{
		guard: "urls: a file is bounded", file: httpURLsDir + "logfile.go",
		old: "if limit -= int64(len(text)); limit < 0 {", new: "if false {", test: "TestAccessLog_MaxBytes",
	},
	{
		guard: "examples/handler: connections to the server are closed at the end", file: "examples/handler/serve.go",
		old: "defer transport.CloseIdleConnections()", new: "", test: "TestSoakProxy",
	},
}
