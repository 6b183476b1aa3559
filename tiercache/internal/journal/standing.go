package journal

import (
	"slices"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
)

// Bypass reports whether Redis is not to be asked about the key, as it has yet to hear of something
// that this node did to it.
func (j *Journal) Bypass(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pending > 0 && (j.waits(backplane.KindKey, text) || j.waits(backplane.KindExpire, text) || j.waits(backplane.KindClear, ""))
}

// Clearing reports whether Redis has yet to hear of a Clear.
func (j *Journal) Clearing() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.waits(backplane.KindClear, "")
}

// MustWait reports whether a Set of the key must not be sent yet: an earlier one may still take
// effect behind it.
func (j *Journal) MustWait(text string, now int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.m[entryKey{kind: backplane.KindKey, rest: text}]
	return e != nil && e.state == pending && now < e.void
}

// TagBypass is bypass for a tag.
func (j *Journal) TagBypass(tag string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pending > 0 && j.waits(backplane.KindTag, tag)
}

func (j *Journal) waits(kind backplane.Kind, rest string) bool {
	e := j.m[entryKey{kind: kind, rest: rest}]
	return e != nil && e.state == pending
}

// Standing is what this node's own invalidations leave of a record.
type Standing uint8

// What is left of a record.
const (
	Stands   Standing = iota
	Expired           // it may be served stale
	Outdated          // it is not to be believed
)

// Check says what is left of a record of the key whose source was read at that moment.
func (j *Journal) Check(text string, tags []string, read int64) Standing {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.m) == 0 {
		return Stands
	}
	after := func(kind backplane.Kind, rest string) bool {
		e := j.m[entryKey{kind: kind, rest: rest}]
		return e != nil && read < e.at
	}
	switch {
	case after(backplane.KindKey, text) || after(backplane.KindClear, "") ||
		slices.ContainsFunc(tags, func(tag string) bool { return after(backplane.KindTag, tag) }):
		return Outdated
	case after(backplane.KindExpire, text):
		return Expired
	default:
		return Stands
	}
}
