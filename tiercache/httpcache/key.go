package httpcache

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// The key of a URL is "scheme://host/path?query" as it was sent, and a line for each other thing
// that handlers build their own URLs from: what a proxy says of the first host, and a URL that was
// rewritten before us. The answers of a URL that differ by request fields are under further keys:
// the URL's, a zero byte, the index's id, and a line for each field that selects. What contains one
// of these two separators is no key.
const (
	partEnd  = "\n"
	levelEnd = "\x00"
	// longestKey bounds keys: what is longer passes.
	longestKey = 8 << 10
)

// The parts of a URL's key besides the URL, by the letter that begins their line.
const (
	partHost      = "h=" // X-Forwarded-Host
	partProto     = "p=" // X-Forwarded-Proto
	partForwarded = "f=" // host and proto of Forwarded
	partRewritten = "u=" // the URL that the handler sees
	partAuthority = "o=" // the Host that the handler sees, where the URL's may mean another
)

// forwardedFields are the fields by which a proxy says what it was asked for, or anybody does where
// no proxy takes them out; handlers build URLs from them.
func forwardedFields() [8]struct{ part, name string } {
	return [...]struct{ part, name string }{
		{partHost, "X-Forwarded-Host"},
		{partProto, "X-Forwarded-Proto"},
		{"n=", "X-Forwarded-Port"},
		{"b=", "X-Forwarded-Prefix"},
		{"s=", "X-Forwarded-Scheme"},
		{"v=", "X-Forwarded-Server"},
		{"x=", "X-Host"},
		{partForwarded, "Forwarded"},
	}
}

// asked is what a request asks for.
type asked struct {
	key   string // "" = no key
	url   int    // the key's first bytes are the URL
	plain bool   // nothing but the URL is in the key
}

// keyOf is the key of what a server's request asks for.
func (c *Cache) keyOf(r *http.Request, is traits) asked {
	if c.cfg.Key != nil {
		return customKey(c.cfg.Key(r))
	}
	scheme, host, uri := "http", r.Host, r.RequestURI
	if r.TLS != nil {
		scheme = "https"
	}
	if uri == "" || uri[0] != '/' { // a client's request, or one to a proxy
		uri = r.URL.RequestURI()
		if r.URL.Scheme != "" {
			scheme = r.URL.Scheme
		}
		if r.URL.Host != "" {
			host = r.URL.Host
		}
	}
	key, same := c.recent.of(scheme, host, uri), isSame(uri, r.URL)
	// Where a proxy has another scheme, a port that is this one's default is not that one's.
	other := host != r.Host && r.Host != "" || is.forwarded && withoutPort(scheme, host) != host
	if key == "" || same && !other && !is.forwarded {
		return asked{key, len(key), true}
	}
	var room [512]byte
	b := append(room[:0], key...)
	if other {
		b = appendPart(b, partAuthority, r.Host)
	}
	if !same {
		b = appendPart(b, partRewritten, r.URL.RequestURI())
	}
	if is.forwarded {
		b = appendForwarded(b, r.Header)
	}
	if len(b) > longestKey || bytes.IndexByte(b[len(key):], levelEnd[0]) >= 0 {
		return asked{}
	}
	return asked{string(b), len(key), len(b) == len(key)}
}

// customKey is a key of the user's.
func customKey(key string) asked {
	if key == "" || len(key) > longestKey || strings.ContainsAny(key, partEnd+levelEnd) {
		return asked{}
	}
	return asked{key, len(key), true}
}

// hasSeparator reports whether a URL has what stands between the parts of keys, or another control
// character: none can be sent. It looks at eight bytes at a time.
func hasSeparator(b []byte) bool {
	const blanks, tops = 0x2020202020202020, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		if word := binary.LittleEndian.Uint64(b); (word-blanks)&^word&tops != 0 { // a byte below ' '
			return true
		}
	}
	for _, c := range b {
		if c < ' ' {
			return true
		}
	}
	return false
}

func appendURL(b []byte, scheme, host, uri string) []byte {
	b = append(append(b, scheme...), "://"...)
	host = withoutPort(scheme, host)
	for i := range len(host) {
		c := host[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return append(b, uri...)
}

// withoutPort is the host without the port that its scheme has anyway.
func withoutPort(scheme, host string) string {
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

func appendPart(b []byte, part, value string) []byte {
	if strings.ContainsAny(value, partEnd+levelEnd) {
		return append(b, levelEnd...) // no key
	}
	return append(append(append(b, partEnd...), part...), value...)
}

func appendForwarded(b []byte, h http.Header) []byte {
	for _, f := range forwardedFields() {
		for _, value := range h[f.name] {
			if f.part == partForwarded {
				value = forwardedHost(value)
			}
			if value != "" {
				b = appendPart(b, f.part, value)
			}
		}
	}
	return b
}

// forwardedHost is a line of Forwarded (RFC 7239) with nothing but its hosts and protos, and what a
// careless reader could take for one.
func forwardedHost(line string) string {
	var kept []string
	for member := range members(line, ',') {
		var pairs []string
		for pair := range members(member, ';') {
			if low := strings.ToLower(pair); strings.Contains(low, "host") || strings.Contains(low, "proto") {
				pairs = append(pairs, pair)
			}
		}
		if len(pairs) > 0 {
			kept = append(kept, strings.Join(pairs, ";"))
		}
	}
	return strings.Join(kept, ",")
}

// isSame reports whether the URL that the handler sees is the one that was sent.
func isSame(uri string, u *url.URL) bool {
	if u.RawPath == "" {
		if rest, ok := strings.CutPrefix(uri, u.Path); ok {
			if rest == "" && u.RawQuery == "" || rest != "" && rest[0] == '?' && rest[1:] == u.RawQuery {
				return true
			}
		}
	}
	return uri == u.RequestURI()
}

// tagsOf are the tags by which Invalidate reaches the answer although its key has more to it than
// the URL: those of the URL as it was sent, and of the URL that the proxy was asked for.
func (a asked) tags() []string {
	if a.plain || a.key == "" {
		return nil
	}
	sent := a.key[:a.url]
	tags := []string{urlTag + sent}
	scheme, rest, _ := strings.Cut(sent, "://")
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return tags
	}
	host, uri := rest[:slash], rest[slash:]
	for part := range strings.SplitSeq(a.key[a.url:], partEnd) {
		switch {
		case strings.HasPrefix(part, partHost):
			host = firstOf(part[len(partHost):])
		case strings.HasPrefix(part, partProto):
			scheme = strings.ToLower(firstOf(part[len(partProto):]))
		}
	}
	if outer := urlTag + string(appendURL(nil, scheme, host, uri)); outer != tags[0] {
		tags = append(tags, outer)
	}
	return tags
}

const (
	urlTag   = "u "
	groupTag = "g "
)

func firstOf(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.Trim(first, " \t")
}

// siteOf is the scheme and the host that a request is for, in lower case: the origin of its groups.
func siteOf(r *http.Request) string {
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if r.URL.Scheme != "" {
		scheme = r.URL.Scheme
	}
	if r.URL.Host != "" {
		host = r.URL.Host
	}
	return string(appendURL(nil, scheme, host, ""))
}

// parseURL reads a URL of the user's.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("httpcache: URL %q: %w", text, err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("httpcache: URL %q must be absolute: https://example.com/path", text)
	}
	return u, nil
}

// requestOf is the request that a key of ours stands for, with the fields that select its answer.
// It is nil for a key of Config.Key.
func requestOf(key string) *http.Request {
	levels := strings.Split(key, levelEnd)
	lines := strings.Split(levels[0], partEnd)
	u, err := parseURL(lines[0])
	if err != nil {
		return nil
	}
	r := newRequest(u)
	for _, part := range lines[1:] {
		name := ""
		for _, f := range forwardedFields() {
			if strings.HasPrefix(part, f.part) {
				name = f.name
			}
		}
		if name == "" {
			return nil // a URL that was rewritten by what stands before us cannot be asked for anew
		}
		r.Header.Add(name, part[2:])
	}
	for _, level := range levels[1:] {
		for _, line := range strings.Split(level, partEnd)[1:] {
			if name, value, present := strings.Cut(line, "="); present {
				r.Header.Set(name, value)
			}
		}
	}
	return r
}
