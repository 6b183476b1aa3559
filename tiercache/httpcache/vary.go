package httpcache

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// variants counts the variants of a URL that this process has seen.
type variants struct {
	mu   sync.Mutex
	keys map[string]bool
}

// variantBytes is about what a full set of them takes.
const variantBytes = 2048 + mostMemo*len(keyMemos{})

// admit reports whether there is room for a variant. Those that are gone make room.
func (s *variants) admit(key string, most int, gone func(key string) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[key] {
		return true
	}
	if len(s.keys) >= most {
		for old := range s.keys {
			if gone(old) {
				delete(s.keys, old)
			}
		}
	}
	if len(s.keys) >= most {
		return false
	}
	if s.keys == nil {
		s.keys = make(map[string]bool)
	}
	s.keys[key] = true
	return true
}

// newIndex is an index of a URL whose answers are selected by the fields named.
func newIndex(names []string) *value {
	return &value{kind: kindIndex, id: rand.Text()[:13], names: names, marks: marks{memos: new(keyMemos)}}
}

// selecting names the request fields that select the answer, in canonical form, sorted. all is
// reported where any request may have another answer, or what is named is no field. A coding
// selects even where Vary does not say so: who did not ask for it cannot read it.
func (a *answer) selecting() (names []string, all bool) {
	for _, name := range listed(a.lines("Vary")) {
		if name == "*" || !isToken(name) {
			return nil, true
		}
		names = append(names, http.CanonicalHeaderKey(name))
	}
	if coding := a.header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		names = append(names, "Accept-Encoding")
	}
	slices.Sort(names)
	return slices.Compact(names), false
}

// keyMemo is the key below an index that fields were found to have: most requests send what others
// have sent, and to put fields in order takes longer than all else of a hit.
type keyMemo struct {
	above, below string
	lines        []string // one for each field
}

// mostMemo bounds what one holds in bytes.
const mostMemo = 512

// keyMemos are some of an index, by the length of the fields.
type keyMemos [8]atomic.Pointer[keyMemo]

// under is the key of the answer to a request with that header, below the key of an index.
func (v *value) under(key string, h http.Header) (string, bool) {
	const absent = levelEnd // no request can send it
	var room [4]string
	lines, length := room[:0], 0
	for _, name := range v.names {
		line := absent
		if all := h[name]; len(all) > 1 || len(lines) == len(room) {
			return v.find(key, h)
		} else if len(all) == 1 {
			line = all[0]
		}
		lines = append(lines, line)
		length += len(line)
	}
	memo := &v.memos[length%len(v.memos)]
	if m := memo.Load(); m != nil && m.above == key && slices.Equal(m.lines, lines) {
		return m.below, true
	}
	below, ok := v.find(key, h)
	if ok && len(below)+length <= mostMemo {
		m := &keyMemo{above: key, below: below, lines: make([]string, len(lines))}
		for i, line := range lines {
			m.lines[i] = strings.Clone(line) // it is a part of all that the request has sent
		}
		memo.Store(m)
	}
	return below, ok
}

// find is under without its memory.
func (v *value) find(key string, h http.Header) (string, bool) {
	var room [512]byte
	b := append(append(append(room[:0], key...), levelEnd...), v.id...)
	for _, name := range v.names {
		b = append(append(b, partEnd...), name...)
		lines, present := h[name]
		if !present {
			continue
		}
		b = append(b, '=')
		switch name {
		case "Accept-Encoding", "Accept-Language":
			b = appendSorted(b, lines)
		default:
			b = appendJoined(b, lines)
		}
		for _, line := range lines {
			if strings.ContainsAny(line, partEnd+levelEnd) {
				return "", false
			}
		}
	}
	return string(b), len(b) <= longestKey
}

// appendJoined appends the lines as one list, without the blanks between its members.
func appendJoined(b []byte, lines []string) []byte {
	for i, line := range lines {
		if i > 0 {
			b = append(b, ',')
		}
		for {
			end := memberEnd(line, ',')
			b = append(b, strings.Trim(line[:end], " \t")...)
			if end == len(line) {
				break
			}
			b, line = append(b, ','), line[end+1:]
		}
	}
	return b
}

// appendSorted appends the members of the lines in lower case, without blanks, in order.
func appendSorted(b []byte, lines []string) []byte {
	var room [16]string
	all := room[:0]
	for _, line := range lines {
		for line != "" {
			member, rest, _ := strings.Cut(line, ",")
			if member = strings.Trim(member, " \t"); member != "" {
				all = append(all, member)
			}
			line = rest
		}
	}
	slices.SortFunc(all, compareFold)
	for i, member := range all {
		if i > 0 {
			b = append(b, ',')
		}
		for j := range len(member) {
			if c := member[j]; c != ' ' && c != '\t' {
				b = append(b, lower(c))
			}
		}
	}
	return b
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// compareFold compares two ASCII texts without their case.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := lower(a[i]), lower(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}
