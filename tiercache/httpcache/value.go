package httpcache

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// kind says what stands under a key.
type kind uint8

const (
	kindAnswer kind = iota + 1
	kindIndex       // the answers of the URL are under keys of their own, by the fields that are named
	kindPass        // the answer cannot be stored: nobody waits for another's
)

// value is what the tiers hold. It never changes, but for the marks of this process.
type value struct {
	kind kind

	// of an answer
	status   int
	strict   bool // it is never served stale
	personal bool // it was given to a credential, or selected by one: it is not refreshed behind
	open     bool // it says that it is for those too who have credentials
	fields   []field
	texts    []string // of all fields
	told     []string // those of Cache-Status
	body     []byte
	lifetime time.Duration // 0: it must be validated each time
	age      time.Duration // when the source read began; below zero: it was read that much later
	behind   time.Duration // beyond lifetime, it may be served while it is refreshed
	onError  time.Duration // the same, where the origin fails
	etag     string
	modified int64 // Last-Modified, or else Date, in Unix seconds; 0: neither
	lastMod  string

	tags []string

	// of an index
	id    string
	names []string

	marks
}

// marks are this process's own.
type marks struct {
	asking  atomic.Bool // somebody validates it or refreshes it
	dropped atomic.Bool // of a pass mark: its end is under way
	seen    variants    // of an index
	memos   *keyMemos   // the same
	shown   atomic.Pointer[shown]

	sizeText atomic.Pointer[string]
}

// shown is the text of the two fields that change each second.
type shown struct {
	age         int64
	text, cache string
}

// field is one of an answer's: its values are texts[lo:hi].
type field struct {
	name   string
	lo, hi int
}

// newAnswer is an answer with a header's fields.
func newAnswer(status int, header http.Header) *value {
	v := &value{kind: kindAnswer, status: status}
	n := 0
	for _, values := range header {
		n += len(values)
	}
	v.fields, v.texts = make([]field, 0, len(header)), make([]string, 0, n)
	for name, values := range header {
		lo := len(v.texts)
		v.texts = append(v.texts, values...)
		v.fields = append(v.fields, field{name, lo, len(v.texts)})
	}
	v.told = v.all(statusField)
	return v
}

// header is a copy of the answer's fields.
func (v *value) header() http.Header {
	h := make(http.Header, len(v.fields)+3)
	v.writeTo(h, 0)
	return h
}

// writeTo sets the answer's fields. They are copies, as what is done to h must not reach the
// answer; the rest of the array, spare long, is returned for further ones.
func (v *value) writeTo(h http.Header, spare int) []string {
	texts := make([]string, len(v.texts)+spare)
	n := copy(texts, v.texts)
	for i := range v.fields {
		f := &v.fields[i]
		h[f.name] = texts[f.lo:f.hi:f.hi]
	}
	return texts[n:]
}

// ttl is how long the value is fresh from its source read on.
func (v *value) ttl(passFor time.Duration) time.Duration {
	switch v.kind {
	case kindPass:
		return passFor
	case kindIndex:
		return max(indexLife, v.lifetime)
	default:
		return max(v.lifetime-v.age, time.Millisecond)
	}
}

// indexLife is the least time for which it is remembered what selects the answers of a URL.
const indexLife = 24 * time.Hour

// late is how long the value is kept beyond that.
func (v *value) late(keep time.Duration) time.Duration {
	if v.kind != kindAnswer {
		return -1
	}
	return max(keep, v.behind, v.onError)
}

// cost is about what the value takes in memory.
func (v *value) cost(key string) int64 {
	const fixed, perField, perText = 512, 48, 16
	n := fixed + len(key) + len(v.body) + perField*len(v.fields) + perText*len(v.texts)
	for _, text := range v.texts {
		n += len(text)
	}
	for _, text := range v.tags {
		n += len(text) + perText
	}
	if v.kind == kindIndex {
		n += variantBytes
	}
	return int64(n)
}

// current is the answer's age (RFC 9111 §4.2.3), a time after its source read.
func (v *value) current(since time.Duration) time.Duration { return max(0, v.age+since) }

// validatable reports whether the origin can be asked whether the answer still stands.
func (v *value) validatable() bool { return v.etag != "" || v.lastMod != "" }

// show is the texts of Age and of Cache-Status. They are made once a second.
func (v *value) show(status string, age time.Duration) (ageText, cacheText string) {
	seconds := int64(age / time.Second)
	if s := v.shown.Load(); s != nil && s.age == seconds {
		return s.text, s.cache
	}
	s := &shown{age: seconds, text: strconv.FormatInt(seconds, 10)}
	if status != "" {
		s.cache = status + "; hit; ttl=" + strconv.FormatInt(int64(v.lifetime/time.Second)-seconds, 10)
	}
	v.shown.Store(s)
	return s.text, s.cache
}
