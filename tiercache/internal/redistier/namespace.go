package redistier

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// MaxKeyBytes is the longest escaped key that stands in Redis as it is; a longer one is hashed. The
// record holds the whole key either way.
const MaxKeyBytes = 512

// Namespace builds the Redis keys of one cache.
type Namespace struct {
	Prefix string // "app:brand_stats:": what stands before every value's key
}

// Value is the Redis key of a value: "name:key", as a person would write it, with what would break
// a key (braces move it to another Cluster slot, control characters and bytes that are not UTF-8
// garble tools) escaped as a backslash and two hex digits. The backslash itself is escaped too, so
// no two keys have one form; nor does a hash, as no escape begins with "\#".
func (n Namespace) Value(text string) string {
	if !needsEscape(text) {
		return n.Prefix + text
	}
	escaped := escapeKey(text)
	if len(escaped) > MaxKeyBytes {
		sum := sha256.Sum256([]byte(text))
		escaped = `\#` + hex.EncodeToString(sum[:])
	}
	return n.Prefix + escaped
}

// Lease is the Redis key of the lease on a value. The braces make the value's key its hash tag, so
// that both are in one slot: value keys hold no brace and are hashed whole.
func Lease(valueKey string) string { return "{" + valueKey + "}:lease" }

func needsEscape(text string) bool {
	if len(text) > MaxKeyBytes || !utf8.ValidString(text) {
		return true
	}
	for i := range len(text) {
		if breaksKey(text[i]) {
			return true
		}
	}
	return false
}

func breaksKey(b byte) bool { return b < ' ' || b == 0x7f || b == '{' || b == '}' || b == '\\' }

func escapeKey(text string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if size == 1 && (r == utf8.RuneError || breaksKey(text[i])) {
			b.WriteByte('\\')
			b.WriteByte(digits[text[i]>>4])
			b.WriteByte(digits[text[i]&15])
		} else {
			b.WriteString(text[i : i+size])
		}
		i += size
	}
	return b.String()
}
