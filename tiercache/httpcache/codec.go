package httpcache

import (
	"encoding/binary"
	"errors"
	"time"
)

// codec is the binary form of values in Redis: numbers as varints, texts behind their length. The
// body comes last, and a decoded value shares the bytes that it was read from.
type codec struct{}

// Name is the codec's, with its version.
func (codec) Name() string { return "http-1" }

const (
	flagStrict = 1 << iota
	flagPersonal
	flagOpen
)

// Encode appends the value.
func (codec) Encode(dst []byte, v *value) ([]byte, error) {
	dst = append(dst, byte(v.kind), flagsOf(v))
	dst = binary.AppendUvarint(dst, uint64(v.status)) //nolint:gosec // a status is three digits
	for _, n := range []int64{int64(v.lifetime), int64(v.age), int64(v.behind), int64(v.onError), v.modified} {
		dst = binary.AppendVarint(dst, n)
	}
	dst = appendTexts(dst, v.etag, v.lastMod, v.id)
	dst = appendList(dst, v.tags)
	dst = appendList(dst, v.names)
	dst = binary.AppendUvarint(dst, uint64(len(v.fields)))
	for i := range v.fields {
		f := &v.fields[i]
		dst = appendTexts(dst, f.name)
		dst = appendList(dst, v.texts[f.lo:f.hi])
	}
	return append(dst, v.body...), nil
}

func flagsOf(v *value) (flags byte) {
	if v.strict {
		flags |= flagStrict
	}
	if v.personal {
		flags |= flagPersonal
	}
	if v.open {
		flags |= flagOpen
	}
	return flags
}

func appendTexts(dst []byte, texts ...string) []byte {
	for _, text := range texts {
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
	}
	return dst
}

func appendList(dst []byte, texts []string) []byte {
	return appendTexts(binary.AppendUvarint(dst, uint64(len(texts))), texts...)
}

var errMalformed = errors.New("httpcache: malformed value")

// Decode reads a value, which keeps data.
func (codec) Decode(data []byte) (*value, error) {
	if len(data) < 2 {
		return nil, errMalformed
	}
	r := reader{data: data[2:]}
	v := &value{
		kind: kind(data[0]), strict: data[1]&flagStrict != 0,
		personal: data[1]&flagPersonal != 0, open: data[1]&flagOpen != 0,
	}
	v.status = int(r.uvarint(999))
	v.lifetime, v.age = time.Duration(r.varint()), time.Duration(r.varint())
	v.behind, v.onError = time.Duration(r.varint()), time.Duration(r.varint())
	v.modified = r.varint()
	v.etag, v.lastMod, v.id = r.text(), r.text(), r.text()
	v.tags, v.names = r.list(nil), r.list(nil)
	v.fields = make([]field, 0, min(r.count(), 64))
	for range r.last {
		name, lo := r.text(), len(v.texts)
		v.texts = r.list(v.texts)
		v.fields = append(v.fields, field{name, lo, len(v.texts)})
	}
	v.body, v.told = r.data, v.all(statusField)
	if v.kind == kindIndex {
		v.memos = new(keyMemos)
	}
	if r.bad || v.kind < kindAnswer || v.kind > kindPass || v.kind == kindAnswer && v.status < 200 {
		return nil, errMalformed
	}
	return v, nil
}

// reader takes a value apart, and remembers whether it was malformed.
type reader struct {
	data []byte
	last int // what count returned last
	bad  bool
}

func (r *reader) uvarint(most uint64) uint64 {
	n, size := binary.Uvarint(r.data)
	if size <= 0 || n > most {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *reader) varint() int64 {
	n, size := binary.Varint(r.data)
	if size <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[size:]
	return n
}

// count reads how many elements follow, each of which takes a byte at least.
func (r *reader) count() int {
	r.last = int(r.uvarint(uint64(len(r.data)))) //nolint:gosec // bounded by the data
	return r.last
}

func (r *reader) text() string {
	n := r.count()
	if n > len(r.data) {
		r.bad, r.data = true, nil
		return ""
	}
	text := string(r.data[:n])
	r.data = r.data[n:]
	return text
}

func (r *reader) list(to []string) []string {
	n := r.count()
	for range n {
		to = append(to, r.text())
	}
	return to
}
