package httpcache

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// longestSeconds is what an overlarge number of seconds means (RFC 9111 §1.2.2).
const longestSeconds = 1 << 31

// directives are those of a Cache-Control, or of a field in its place. Durations are in seconds,
// and absent where they are below zero.
type directives struct {
	noStore, noCache, private, public            bool
	mustRevalidate, proxyRevalidate, understand  bool
	onlyIfCached                                 bool
	maxAge, sMaxAge                              int64
	whileRevalidate, ifError, maxStale, minFresh int64
	hidden, mine                                 []string // fields named by no-cache, and by private
}

func noDirectives() directives {
	return directives{maxAge: -1, sMaxAge: -1, whileRevalidate: -1, ifError: -1, maxStale: -1, minFresh: -1}
}

// parseDirectives reads the lines of a Cache-Control.
func parseDirectives(lines []string) directives {
	d := noDirectives()
	for _, line := range lines {
		for member := range members(line, ',') {
			name, value, has := strings.Cut(member, "=")
			d.add(strings.ToLower(name), value, has)
		}
	}
	return d
}

// add notes one directive. given reports whether it has a value.
func (d *directives) add(name, value string, given bool) { //nolint:revive // given is part of the directive
	switch name {
	case "no-store":
		d.noStore = true
	case "no-cache":
		d.qualified(&d.noCache, &d.hidden, value, given)
	case "private":
		d.qualified(&d.private, &d.mine, value, given)
	case "public":
		d.public = true
	case "must-revalidate":
		d.mustRevalidate = true
	case "proxy-revalidate":
		d.proxyRevalidate = true
	case "must-understand":
		d.understand = true
	case "only-if-cached":
		d.onlyIfCached = true
	case "max-age":
		d.seconds(&d.maxAge, value)
	case "s-maxage":
		d.seconds(&d.sMaxAge, value)
	case "stale-while-revalidate":
		d.seconds(&d.whileRevalidate, value)
	case "stale-if-error":
		d.seconds(&d.ifError, value)
	case "min-fresh":
		d.seconds(&d.minFresh, value)
	case "max-stale":
		if d.maxStale = longestSeconds; given {
			d.maxStale = secondsOf(value)
		}
	}
}

// qualified notes a directive that is about the whole answer, or about the fields that it names;
// where it names none that can be read it is about the whole.
func (d *directives) qualified(whole *bool, fields *[]string, value string, given bool) { //nolint:revive // as add
	names := slices.Collect(members(unquote(value), ','))
	if !given || len(names) == 0 || slices.ContainsFunc(names, func(name string) bool { return !isToken(name) }) {
		*whole = true
		return
	}
	*fields = append(*fields, names...)
}

// seconds notes a number of seconds. What is no number, and what was said otherwise before, is
// zero: the answer is stale.
func (d *directives) seconds(to *int64, value string) {
	n := secondsOf(value)
	if *to >= 0 && *to != n {
		n = 0
	}
	*to = n
}

// secondsOf is delta-seconds as a token or quoted; 0 for what is none.
func secondsOf(value string) int64 {
	n, ok := parseSeconds(unquote(value))
	if !ok {
		return 0
	}
	return n
}

// parseSeconds reads delta-seconds. Overlarge ones are longestSeconds.
func parseSeconds(text string) (n int64, ok bool) {
	if text == "" {
		return 0, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = min(10*n+int64(text[i]-'0'), longestSeconds)
	}
	return n, true
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// members yields what a separator divides a line into, trimmed, without what is empty. Separators
// in quoted strings are part of a member.
func members(line string, separator byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line != "" {
			end := memberEnd(line, separator)
			member := strings.Trim(line[:end], " \t")
			line = line[min(end+1, len(line)):]
			if member != "" && !yield(member) {
				return
			}
		}
	}
}

// memberEnd is where the first member ends: at a separator outside of quotes, or with the line. A
// quote that has no end quotes nothing: it must not hide what follows.
func memberEnd(line string, separator byte) int {
	quoted, hidden := false, -1
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted, hidden = !quoted, -1
		case c == separator && !quoted:
			return i
		case c == separator && hidden < 0:
			hidden = i
		}
	}
	if quoted && hidden >= 0 {
		return hidden
	}
	return len(line)
}

// listed are the members of all lines.
func listed(lines []string) (all []string) {
	for _, line := range lines {
		for member := range members(line, ',') {
			all = append(all, member)
		}
	}
	return all
}

// parseAge is the first member of Age, zero where that is no number.
func parseAge(lines []string) time.Duration {
	if len(lines) == 0 {
		return 0
	}
	first, _, _ := strings.Cut(lines[0], ",")
	n, _ := parseSeconds(strings.Trim(first, " \t"))
	return time.Duration(n) * time.Second
}

// parseDate reads a date in one of the three forms of RFC 9110 §5.6.7; it must be in GMT. Case
// does not matter.
func parseDate(text string, now time.Time) (at time.Time, ok bool) {
	text = canonicalDate(text)
	switch {
	case len(text) == len(imfDate):
		at, err := time.Parse(imfDate, text)
		return at, err == nil
	case len(text) == len(time.ANSIC):
		at, err := time.Parse(time.ANSIC, text)
		return at, err == nil
	}
	_, rest, _ := strings.Cut(text, ", ")
	if len(rest) != len("02-Jan-06 15:04:05 GMT") {
		return at, false
	}
	at, err := time.Parse("02-Jan-06 15:04:05 GMT", rest)
	if at.After(now.AddDate(50, 0, 0)) {
		at = at.AddDate(-100, 0, 0) // two digits are a year in the past then
	}
	return at, err == nil
}

const imfDate = "Mon, 02 Jan 2006 15:04:05 GMT"

// canonicalDate has the names of days and months, and GMT, in the case that they should have.
func canonicalDate(text string) string {
	data := []byte(text)
	for i := range data {
		if c := data[i] | 0x20; c >= 'a' && c <= 'z' {
			data[i] = c
			if i == 0 || data[i-1]|0x20 < 'a' || data[i-1]|0x20 > 'z' {
				data[i] -= 0x20
			}
		}
	}
	if strings.HasSuffix(string(data), "Gmt") {
		copy(data[len(data)-2:], "MT")
	}
	return string(data)
}

// dateOf is the date in a field, where it has one line, or lines that are the same.
func dateOf(lines []string, now time.Time) (time.Time, bool) {
	if len(lines) == 0 || slices.ContainsFunc(lines, func(l string) bool { return l != lines[0] }) {
		return time.Time{}, false
	}
	return parseDate(lines[0], now)
}

// textOf is a number of seconds as a directive has it.
func textOf(n int64) string { return strconv.FormatInt(n, 10) }
