package tiercache

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// KeyCodec is the text form of keys: what stands in Redis behind "name:". Two keys must never have one text, and DecodeKey must
// give back what EncodeKey was given. Both must be safe for concurrent use.
type KeyCodec[K comparable] interface {
	EncodeKey(key K) (string, error)
	DecodeKey(text string) (K, error)
}

// defaultKeys returns the codec for strings, integers, and types that marshal to text and back.
func defaultKeys[K comparable]() (KeyCodec[K], error) {
	if _, ok := any(stringKeys{}).(KeyCodec[K]); ok {
		codec, _ := any(stringKeys{}).(KeyCodec[K])
		return codec, nil
	}
	t := reflect.TypeFor[K]()
	switch t.Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return kindKeys[K]{kind: t.Kind(), bits: bitSize(t)}, nil
	}
	var key K
	_, marshals := any(key).(encoding.TextMarshaler)
	_, unmarshals := any(&key).(encoding.TextUnmarshaler)
	if marshals && unmarshals {
		return textKeys[K]{}, nil
	}
	return nil, fmt.Errorf("field Keys is nil, and %v has no default text form: it must be a string, an integer, or have "+
		"MarshalText on the value and UnmarshalText on its pointer; else set Keys", t)
}

func bitSize(t reflect.Type) int {
	if t.Kind() == reflect.String {
		return 0
	}
	return t.Bits()
}

// stringKeys is the codec of plain strings: the key is its text.
type stringKeys struct{}

func (stringKeys) EncodeKey(key string) (string, error)  { return key, nil }
func (stringKeys) DecodeKey(text string) (string, error) { return text, nil }

// kindKeys is the codec of integers and of named string types.
type kindKeys[K comparable] struct {
	kind reflect.Kind
	bits int
}

func (c kindKeys[K]) EncodeKey(key K) (string, error) {
	v := reflect.ValueOf(key)
	switch {
	case c.kind == reflect.String:
		return v.String(), nil
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10), nil
	default:
		return strconv.FormatUint(v.Uint(), 10), nil
	}
}

func (c kindKeys[K]) DecodeKey(text string) (K, error) {
	var key K
	v := reflect.ValueOf(&key).Elem()
	switch {
	case c.kind == reflect.String:
		v.SetString(text)
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, c.bits)
		if err != nil {
			return key, err
		}
		v.SetInt(n)
	default:
		n, err := strconv.ParseUint(text, 10, c.bits)
		if err != nil {
			return key, err
		}
		v.SetUint(n)
	}
	return key, nil
}

// textKeys is the codec of types that marshal themselves.
type textKeys[K comparable] struct{}

func (textKeys[K]) EncodeKey(key K) (string, error) {
	m, ok := any(key).(encoding.TextMarshaler)
	if !ok {
		return "", fmt.Errorf("key of type %T does not marshal to text", key)
	}
	text, err := m.MarshalText()
	return string(text), err
}

func (textKeys[K]) DecodeKey(text string) (K, error) {
	var key K
	m, ok := any(&key).(encoding.TextUnmarshaler)
	if !ok {
		return key, fmt.Errorf("key of type %T does not unmarshal from text", key)
	}
	err := m.UnmarshalText([]byte(text))
	return key, err
}

// hasInterface says whether values of a comparable type have interfaces in them.
func hasInterface(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array:
		return hasInterface(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasInterface(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// maxKeyBytes is the longest escaped key that stands in Redis as it is; a longer one is hashed. The record holds the whole key either way.
const maxKeyBytes = 512

// namespace builds the Redis keys of one cache.
type namespace struct {
	prefix string // "app:brand_stats:": what stands before every value's key
}

// value is the Redis key of a value: "name:key", as a person would write it, with what would break a key (braces move it to another
// Cluster slot, control characters and bytes that are not UTF-8 garble tools) escaped as a backslash and two hex digits. The backslash itself is
// escaped too, so no two keys have one form; nor does a hash, as no escape begins with "\#".
func (n namespace) value(text string) string {
	if !needsEscape(text) {
		return n.prefix + text
	}
	escaped := escapeKey(text)
	if len(escaped) > maxKeyBytes {
		sum := sha256.Sum256([]byte(text))
		escaped = `\#` + hex.EncodeToString(sum[:])
	}
	return n.prefix + escaped
}

// lease is the Redis key of the lease on a value. The braces make the value's key its hash tag, so that both are in one slot: value keys hold
// no brace and are hashed whole.
func lease(valueKey string) string { return "{" + valueKey + "}:lease" }

func needsEscape(text string) bool {
	if len(text) > maxKeyBytes || !utf8.ValidString(text) {
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
