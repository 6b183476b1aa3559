package httpcache

import (
	"net/http"
	"strings"
	"time"
)

// condition is what a request wants to be answered with 304 for.
type condition struct {
	match []string // If-None-Match
	since string   // If-Modified-Since
}

func conditionOf(h http.Header) condition {
	return condition{h["If-None-Match"], first(h["If-Modified-Since"])}
}

func first(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}

// none reports whether there is none.
func (c condition) none() bool { return len(c.match) == 0 && c.since == "" }

// met reports whether an answer need not be sent again (RFC 9110 §13.2.2). modified is its
// Last-Modified, or its Date, in Unix seconds.
func (c condition) met(etag string, modified int64) bool {
	if len(c.match) > 0 {
		return etag != "" && matches(c.match, etag) || etag == "" && c.match[0] == "*"
	}
	since, ok := parseDate(c.since, time.Now())
	return ok && modified != 0 && modified <= since.Unix()
}

// matches reports whether a list of entity tags has one that is weakly the same, or is "*".
func matches(lines []string, etag string) bool {
	for _, line := range lines {
		for member := range entityTags(line) {
			if member == "*" || weakly(member) == weakly(etag) {
				return true
			}
		}
	}
	return false
}

// entityTags yields the members of a list of entity tags, whose quotes know no escapes (RFC 9110
// §8.8.3).
func entityTags(line string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for {
			line = strings.TrimLeft(line, " \t,")
			if line == "" {
				return
			}
			open, end := len(line)-len(weakly(line)), 0
			if open < len(line) && line[open] == '"' {
				end = open + 1 + strings.IndexByte(line[open+1:], '"')
			}
			if comma := strings.IndexByte(line[end:], ','); comma >= 0 {
				end += comma
			} else {
				end = len(line)
			}
			if !yield(strings.TrimRight(line[:end], " \t")) {
				return
			}
			line = line[end:]
		}
	}
}

// weakly is an entity tag without its mark of weakness.
func weakly(etag string) string { return strings.TrimPrefix(etag, "W/") }

// ask has a request ask whether the answer still stands.
func (v *value) ask(h http.Header) {
	h.Del("If-None-Match")
	h.Del("If-Modified-Since")
	if v.etag != "" {
		h.Set("If-None-Match", v.etag)
	}
	if v.lastMod != "" {
		h.Set("If-Modified-Since", v.lastMod)
	}
}

// confirmed reports whether a 304 is about this answer (RFC 9111 §4.3.4).
func (v *value) confirmed(h http.Header) bool {
	etag := h.Get("Etag")
	return etag == "" || v.etag == "" || weakly(etag) == weakly(v.etag)
}

// after is the fields of the answer after a 304 with the header h: all that h has take the place of
// the stored, but for those that are about the stored body.
func (v *value) after(h http.Header) http.Header {
	all := v.header()
	for name, values := range h {
		switch name {
		case "Content-Length", "Content-Encoding", "Content-Range":
		default:
			all[name] = values
		}
	}
	if _, dated := h["Date"]; !dated {
		delete(all, "Date") // it was confirmed now
	}
	return all
}

// shownAs is the answer with the fields that a 304 has given it, for one client.
func (v *value) shownAs(a *answer, c *Cache) *value {
	b := newAnswer(v.status, c.storable(a, &directives{}))
	b.age, b.etag, b.modified, b.lastMod, b.body = ageOf(a), v.etag, v.modified, v.lastMod, v.body
	return b
}
