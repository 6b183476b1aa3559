package tiercache

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/failure"
	"github.com/warmcache/warmcache/tiercache/internal/roundtrip"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// KeyCodec is the text form of keys: what stands in Redis behind "name:". Two keys must never have
// one text, and DecodeKey must give back what EncodeKey was given: a call with a key of which that
// is not so fails. Both must be safe for concurrent use.
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
	if from := roundtrip.PromotedText(t); from != "" {
		return nil, fmt.Errorf("field Keys is nil, and the text form of %v is that of its field %s alone: keys that differ in another "+
			"field would be one; give it MarshalText and UnmarshalText of its own, or set Keys", t, from)
	}
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

// hasInterface reports whether values of a comparable type have interfaces in them.
func hasInterface(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array:
		return hasInterface(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if hasInterface(f.Type) {
				return true
			}
		}
	}
	return false
}

// noKeys is the codec of keys without a text form, in a cache without Redis: whatever needs their
// text says so.
type noKeys[K comparable] struct{ why error }

func (c noKeys[K]) EncodeKey(K) (string, error)         { return "", c.why }
func (c noKeys[K]) DecodeKey(string) (key K, err error) { return key, c.why }

// isLossless reports whether a codec is known to give back every key that it was given.
func isLossless[K comparable](codec KeyCodec[K]) bool {
	switch any(codec).(type) {
	case stringKeys, kindKeys[K]:
		return true
	default:
		return false
	}
}

var errNoRoundTrip = errors.New("its text form does not lead back to it")

// text is the key's text form, on the way to Redis.
func (c *values[K, V]) text(key K) (string, error) {
	text, err := c.encodeKey(key)
	if err != nil {
		return "", fmt.Errorf("tiercache: cache %q: key %v has no text form: %w", c.name, key, err)
	}
	return text, nil
}

// encodeKey is the key's text form. One that leads to another key, or to none, is an error: other
// nodes would not know which key is meant.
func (c *values[K, V]) encodeKey(key K) (text string, err error) {
	defer c.recovered(&err)
	if text, err = c.cfg.Keys.EncodeKey(key); err != nil || c.lossless {
		return text, failure.FromUser(err)
	}
	back, err := c.cfg.Keys.DecodeKey(text)
	if err = failure.FromUser(err); err == nil && back != key {
		err = fmt.Errorf("%w: %.200q is that of %v", errNoRoundTrip, text, back)
	}
	return text, err
}

// decodeKey is the key with this very text form.
func (c *values[K, V]) decodeKey(text string) (key K, err error) {
	defer c.recovered(&err)
	if key, err = c.cfg.Keys.DecodeKey(text); err != nil {
		return key, failure.FromUser(err)
	}
	back, err := c.cfg.Keys.EncodeKey(key)
	if err = failure.FromUser(err); err == nil && back != text {
		err = fmt.Errorf("%w: it is read as the key with the text %.200q", errNoRoundTrip, back)
	}
	return key, err
}

// unreadableNotice is told of a notice about a key that cannot be read. Any key of the cache may be
// meant.
func (c *store[K, V]) unreadableNotice(err error) {
	c.counters.Add(0, stat.UnreadableNotices, 1)
	now := c.memory.Clock.Now()
	if last := c.oddNotice.Load(); (last == 0 || now-last > int64(time.Minute)) && c.oddNotice.CompareAndSwap(last, now) {
		c.log.Warn("another node's notice is about a key that cannot be read: what is in memory is validated", slog.Any("error", err))
	}
	c.onEpoch()
}
