// Package httpcache is a shared HTTP cache by RFC 9111 in front of any [http.Handler] and, as an
// [http.RoundTripper], of any client or reverse proxy. It keeps answers in both tiers of package
// tiercache: a fleet asks the origin one question at a time, and a write anywhere ends every
// variant of its URL everywhere.
//
//	cache, err := httpcache.New(httpcache.Config{Redis: redis})
//	...
//	http.Handle("/", cache.Handler(site))
//
// The zero Config is safe for a site with log-ins: only answers that say for how long they are
// fresh are stored; no answer with a Set-Cookie is; and one that was given to a Cookie or an
// Authorization is stored only where it says that it is for everybody.
//
// A Cache is a target of package warm: RegisterURLs names URLs to be fetched before anybody asks
// for them, and LearnHot learns those that are asked for most.
package httpcache
