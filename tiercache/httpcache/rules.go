package httpcache

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// answer is what the origin said, as far as its header.
type answer struct {
	status     int
	header     http.Header // without what stood there before the handler
	beside     http.Header // what of that says how it may be stored
	tags       []string    // by TagHeader
	asked      time.Time
	came       time.Time
	credential bool // the request had an Authorization or a Cookie
	authorized bool // it had an Authorization
	origin     string
}

// lines are those of a field that says how the answer may be stored: the handler's, or else those
// that stood there before it.
func (a *answer) lines(name string) []string {
	if lines, has := a.header[name]; has {
		return lines
	}
	return a.beside[name]
}

// judge makes what may be stored of an answer, without its body; nil where it may not be (RFC 9111
// §3).
func (c *Cache) judge(a *answer, what asked) *value {
	d, targeted := c.directivesOf(a.lines)
	life := c.lifetimeOf(a, &d, targeted)
	switch {
	case a.status < 200, a.status == http.StatusPartialContent, a.status == http.StatusNotModified:
		return nil
	case d.understand && !understood(a.status), d.noStore && !d.understand:
		return nil
	case !c.cfg.Private && d.private:
		return nil
	case !c.cfg.Private && a.credential && !d.public && d.sMaxAge < 0 && !d.mustRevalidate:
		return nil
	case !c.cfg.Private && len(a.header["Set-Cookie"]) > 0 && (!c.cfg.StoreSetCookie || !life.explicit):
		return nil
	case isEventStream(a.header.Get("Content-Type")):
		return nil
	case !life.known && !d.public && !d.noCache:
		return nil
	}
	v := newAnswer(a.status, c.storable(a, &d))
	c.describe(v, a, &d, life)
	if v.lifetime <= 0 && !v.validatable() && v.behind <= 0 && v.onError <= 0 {
		return nil // nothing could ever be made of it
	}
	v.tags = c.tagsFor(a, what)
	return v
}

// describe notes what becomes of the answer with time.
func (c *Cache) describe(v *value, a *answer, d *directives, life lifetime) {
	v.lifetime = life.d
	if d.noCache {
		v.lifetime = 0
	}
	v.age = ageOf(a)
	v.personal = a.authorized
	v.open = d.public || d.sMaxAge >= 0 || d.mustRevalidate
	v.strict = d.noCache || d.mustRevalidate || !c.cfg.Private && (d.proxyRevalidate || d.sMaxAge >= 0)
	if !v.strict {
		v.onError = c.cfg.StaleIfError
		if d.ifError >= 0 {
			v.onError = seconds(d.ifError)
		}
		v.behind = seconds(max(0, d.whileRevalidate))
	}
	v.etag, v.lastMod = a.header.Get("Etag"), a.header.Get("Last-Modified")
	at, ok := dateOf(a.header["Last-Modified"], a.came)
	if !ok {
		v.lastMod = ""
		at, ok = dateOf(a.header["Date"], a.came)
	}
	if !ok {
		at = a.came
	}
	v.modified = at.Unix()
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// understood reports whether we know what a status means.
func understood(status int) bool { return http.StatusText(status) != "" }

func isEventStream(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "text/event-stream")
}

// directivesOf are the directives that apply to us: those of the first targeted field that is there
// and can be read (RFC 9213), else those of Cache-Control.
func (c *Cache) directivesOf(linesOf func(name string) []string) (d directives, targeted bool) {
	for _, name := range c.cfg.Targeted {
		lines := linesOf(http.CanonicalHeaderKey(name))
		if len(lines) == 0 {
			continue
		}
		dictionary, err := httpsfv.UnmarshalDictionary(lines)
		if err != nil || len(dictionary.Names()) == 0 {
			continue
		}
		return ofDictionary(dictionary), true
	}
	return parseDirectives(linesOf("Cache-Control")), false
}

func ofDictionary(dictionary *httpsfv.Dictionary) directives {
	d := noDirectives()
	for _, name := range dictionary.Names() {
		member, _ := dictionary.Get(name)
		item, ok := member.(httpsfv.Item)
		if !ok {
			continue
		}
		switch value := item.Value.(type) {
		case bool:
			if value {
				d.add(name, "", false)
			}
		case int64:
			d.add(name, textOf(value), true)
		case string:
			if name == "no-cache" || name == "private" { // elsewhere a String is the wrong type
				d.add(name, value, true)
			}
		default:
		}
	}
	return d
}

// lifetime is how long an answer is fresh.
type lifetime struct {
	d        time.Duration
	known    bool // it says so, or we guess
	explicit bool // it says so
}

// lifetimeOf is RFC 9111 §4.2.1.
func (c *Cache) lifetimeOf(a *answer, d *directives, targeted bool) lifetime {
	date, dated := dateOf(a.header["Date"], a.came)
	if !dated {
		date = a.came
	}
	switch expires := a.lines("Expires"); {
	case d.sMaxAge >= 0 && !c.cfg.Private:
		return lifetime{seconds(d.sMaxAge), true, true}
	case d.maxAge >= 0:
		return lifetime{seconds(d.maxAge), true, true}
	case len(expires) > 0 && !targeted:
		at, ok := dateOf(expires, a.came)
		if !ok {
			return lifetime{0, true, true}
		}
		return lifetime{min(max(0, at.Sub(date)), seconds(longestSeconds)), true, true}
	case !guessable(a.status) && !d.public:
		return lifetime{}
	}
	if modified, ok := dateOf(a.header["Last-Modified"], a.came); ok && c.cfg.Heuristic > 0 && date.After(modified) {
		guess := time.Duration(float64(date.Sub(modified)) * c.cfg.Heuristic)
		return lifetime{min(guess, mostHeuristic), true, false}
	}
	if c.cfg.DefaultTTL > 0 {
		return lifetime{c.cfg.DefaultTTL, true, false}
	}
	return lifetime{}
}

// mostHeuristic bounds what is guessed.
const mostHeuristic = 24 * time.Hour

// guessable reports whether a status is heuristically cacheable (RFC 9110 §15.1).
func guessable(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501:
		return true
	default:
		return false
	}
}

// ageOf is the answer's age when its request was sent: what is added later is counted from then on.
func ageOf(a *answer) time.Duration {
	delay := max(0, a.came.Sub(a.asked))
	age := parseAge(a.header["Age"])
	if date, ok := dateOf(a.header["Date"], a.came); ok {
		age = max(age, a.came.Sub(date).Truncate(time.Second)-delay)
	}
	return min(age, seconds(longestSeconds))
}

// storable is the header of an answer without what is for one hop, or for one receiver (§3.1).
func (c *Cache) storable(a *answer, d *directives) http.Header {
	named := listed(a.header["Connection"])
	hidden := d.hidden
	if !c.cfg.Private {
		hidden = slices.Concat(hidden, d.mine)
	}
	h := make(http.Header, len(a.header)+1)
	for name, values := range a.header {
		is := func(other string) bool { return strings.EqualFold(other, name) }
		switch {
		case isHop(name), name == "Age", name == "Content-Length", strings.HasPrefix(name, http.TrailerPrefix):
		case slices.ContainsFunc(named, is), slices.ContainsFunc(hidden, is):
		default:
			h[name] = values
		}
	}
	if _, has := h["Date"]; !has {
		h["Date"] = []string{a.came.UTC().Format(http.TimeFormat)}
	}
	return h
}

func isHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authentication-Info",
		"Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	default:
		return false
	}
}

// tagsFor are the tags of an answer: its groups, and what Invalidate needs.
func (c *Cache) tagsFor(a *answer, what asked) []string {
	tags := what.tags()
	for _, group := range append(groupsOf(a.header["Cache-Groups"]), a.tags...) {
		tags = append(tags, groupOf(a.origin, group))
	}
	return tags
}

func groupOf(origin, group string) string { return groupTag + origin + " " + group }

// groupsOf are the members of a List of Strings (RFC 9875); none where it cannot be read.
func groupsOf(lines []string) (groups []string) {
	if len(lines) == 0 {
		return nil
	}
	list, err := httpsfv.UnmarshalList(lines)
	if err != nil {
		return nil
	}
	for _, member := range list {
		if item, ok := member.(httpsfv.Item); ok {
			if text, ok := item.Value.(string); ok {
				groups = append(groups, text)
			}
		}
	}
	return groups
}

// words are the tags in the lines of TagHeader: blanks and commas are between them.
func words(lines []string) (all []string) {
	for _, line := range lines {
		all = append(all, strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })...)
	}
	return all
}
