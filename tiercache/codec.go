package tiercache

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
)

// Codec turns values into bytes for Redis and back. Encode appends to dst and returns the result;
// Decode may keep data. Both must be safe for concurrent use. Name tells records of different
// codecs apart: 1 to 8 of a-z 0-9 -; a record of another codec is a miss.
type Codec[V any] interface {
	Name() string
	Encode(dst []byte, value V) ([]byte, error)
	Decode(data []byte) (V, error)
}

// codecBytes is the room that a record has for the codec's name.
const codecBytes = 8

func validCodecName(name string) bool {
	bad := func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }
	return name != "" && len(name) <= codecBytes && !strings.ContainsFunc(name, bad)
}

// JSON is the default codec, encoding/json.
//
//nolint:iface // it is one of several codecs
func JSON[V any]() Codec[V] { return jsonCodec[V]{} }

func defaultCodec[V any]() Codec[V] {
	if codec, ok := any(bytesCodec{}).(Codec[V]); ok {
		return codec
	}
	if codec, ok := any(stringCodec{}).(Codec[V]); ok {
		return codec
	}
	return JSON[V]()
}

type jsonCodec[V any] struct{}

func isJSON[V any](codec Codec[V]) bool {
	_, ok := any(codec).(jsonCodec[V])
	return ok
}

func (jsonCodec[V]) Name() string { return "json" }

func (jsonCodec[V]) Encode(dst []byte, value V) ([]byte, error) {
	w, _ := jsonAppenders.Get().(*jsonAppender)
	w.dst = dst
	err := w.encoder.Encode(value)
	dst, w.dst = w.dst, nil
	jsonAppenders.Put(w)
	return bytes.TrimSuffix(dst, []byte("\n")), err // the encoder ends each value with one
}

// jsonAppender appends what its encoder writes: json.Marshal would make a copy.
type jsonAppender struct {
	encoder *json.Encoder
	dst     []byte
}

var jsonAppenders = sync.Pool{New: func() any { //nolint:gochecknoglobals // a pool
	w := new(jsonAppender)
	w.encoder = json.NewEncoder(w)
	return w
}}

// Write appends.
func (w *jsonAppender) Write(data []byte) (int, error) {
	w.dst = append(w.dst, data...)
	return len(data), nil
}

func (jsonCodec[V]) Decode(data []byte) (V, error) {
	var value V
	err := json.Unmarshal(data, &value)
	return value, err
}

// bytesCodec stores []byte as it is.
type bytesCodec struct{}

func (bytesCodec) Name() string                             { return "bytes" }
func (bytesCodec) Encode(dst, value []byte) ([]byte, error) { return append(dst, value...), nil }
func (bytesCodec) Decode(data []byte) ([]byte, error)       { return data, nil }

// stringCodec stores strings as they are.
type stringCodec struct{}

func (stringCodec) Name() string { return "string" }
func (stringCodec) Encode(dst []byte, value string) ([]byte, error) {
	return append(dst, value...), nil
}
func (stringCodec) Decode(data []byte) (string, error) { return string(data), nil }
