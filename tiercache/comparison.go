package tiercache

import (
	"bytes"
	"hash/fnv"
	"log/slog"
	"reflect"
	"strings"

	"github.com/warmcache/warmcache/tiercache/internal/roundtrip"
)

// compareFirst decodes the first value that the cache has encoded, and warns where it is not what
// it was: other processes, and this one later, would read something else. It is done once, beside
// the way of a value to Redis; no hit ever does it.
func (c *values[K, V]) compareFirst(value V, encoded []byte) {
	if c.compared.Load() || !c.compared.CompareAndSwap(false, true) {
		return
	}
	name := strings.TrimSpace(c.format.Codec)
	back, err := c.decodePayload(bytes.Clone(encoded)) // a codec may keep what it decodes
	if err != nil {
		c.log.Warn("tiercache: the codec cannot read what it has written: what is in Redis is a miss for all who look",
			slog.String("codec", name), slog.Any("error", err))
		return
	}
	lost, err := c.lost(value, back)
	switch {
	case err != nil:
		c.log.Warn("tiercache: a value could not be compared with what comes back from Redis", slog.String("codec", name), slog.Any("error", err))
	case lost.What != "":
		c.log.Warn("tiercache: a value does not come back from Redis as it was: who reads it there sees another",
			slog.String("codec", name), slog.String("field", lost.Field), slog.String("difference", lost.What))
	}
}

// lost is the first difference. It runs methods of V, which may panic.
func (c *values[K, V]) lost(value, back V) (d roundtrip.Difference, err error) {
	defer c.recovered(&err)
	ours := false
	switch any(c.cfg.Codec).(type) {
	case jsonCodec[V], cborCodec[V]:
		ours = true
	}
	return roundtrip.Compare(reflect.ValueOf(&value).Elem(), reflect.ValueOf(&back).Elem(), ours), nil
}

// typePrint is a fingerprint of the name of V, which makes records of two types under one cache's
// name misses for each other, in the place of values with zero fields. It knows nothing of fields:
// one that is added ends no record. It is 0 for the codecs that have one type alone.
func typePrint[V any](codec Codec[V]) uint32 {
	switch any(codec).(type) {
	case bytesCodec, stringCodec:
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(roundtrip.Name(reflect.TypeFor[V]())))
	return h.Sum32()
}
