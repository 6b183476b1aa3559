package httpcache

import (
	"net/http"
)

// statusField is Cache-Status (RFC 9211).
const statusField = "Cache-Status"

// line is what Cache-Status says of a request; "" where Config wants none. fwd is why it was
// forwarded, if it was.
func (c *Cache) line(fwd, more string) string {
	switch {
	case c.status == "":
		return ""
	case fwd == "":
		return c.status + more
	default:
		return c.status + "; fwd=" + fwd + more
	}
}

// addStatus appends a line to what caches nearer to the origin have said.
func (c *Cache) addStatus(h http.Header, line string) {
	if line != "" {
		h[statusField] = append(h[statusField], line)
	}
}

// why is the reason for which a request is forwarded.
func (x *exchange) why(old *value) string {
	switch {
	case x.want.noCache || x.forced:
		return "request"
	case old != nil:
		return "stale"
	case len(x.names) > 0:
		return "vary-miss"
	default:
		return "uri-miss"
	}
}

// takeTags takes the tags out of a header that is on its way to the client.
func (c *Cache) takeTags(h http.Header) []string {
	if c.cfg.TagHeader == "" {
		return nil
	}
	tags := words(h[c.cfg.TagHeader])
	delete(h, c.cfg.TagHeader)
	return tags
}
