package tiercache

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
)

// compareFirst decodes the first value that the cache has encoded, and warns where it is not what
// it was: other processes, and this one later, would read something else. It is done once, beside
// the way of a value to Redis; no hit ever does it.
func (c *Cache[K, V]) compareFirst(value V, encoded []byte) {
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
	case lost.what != "":
		c.log.Warn("tiercache: a value does not come back from Redis as it was: who reads it there sees another",
			slog.String("codec", name), slog.String("field", lost.field), slog.String("difference", lost.what))
	}
}

// lost is the first difference. It runs methods of V, which may panic.
func (c *Cache[K, V]) lost(value, back V) (d difference, err error) {
	defer c.recovered(&err)
	var ours comparison
	switch any(c.cfg.Codec).(type) {
	case jsonCodec[V], cborCodec[V]:
		ours = true
	}
	return ours.values(reflect.TypeFor[V]().String(), reflect.ValueOf(&value).Elem(), reflect.ValueOf(&back).Elem(), 0), nil
}

// difference is where two values differ, by types and numbers alone: what is in them may be secret.
type difference struct{ field, what string }

// comparison compares values with what came back in their place. It is true for codecs of this
// package: what others make of fields that are not exported is their own business.
type comparison bool

// deepest bounds the comparison, for values that lead back to themselves.
const deepest = 100

// values compares a with b, which came back.
func (c comparison) values(path string, a, b reflect.Value, depth int) difference {
	differs := func(format string, args ...any) difference { return difference{path, fmt.Sprintf(format, args...)} }
	t := a.Type()
	switch {
	case depth > deepest:
		return difference{}
	case t != b.Type():
		return differs("a %v came back as a %v", t, b.Type())
	case a.CanInterface() && decidesItself(t):
		if !sameJSON(a, b) {
			return differs("another %v came back", t)
		}
		return difference{}
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() != b.IsNil() {
			return differs("it is lost")
		}
		if a.IsNil() {
			return difference{}
		}
		return c.values(path, a.Elem(), b.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		return c.lists(path, a, b, depth)
	case reflect.Map:
		return c.maps(path, a, b, depth)
	case reflect.Struct:
		return c.structs(path, a, b, depth)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		if a.IsNil() != b.IsNil() {
			return differs("it is lost")
		}
		return difference{}
	default:
		if !a.Equal(b) && (!a.CanFloat() || a.Float() == a.Float()) { //nolint:gocritic // it is no number otherwise
			return differs("another %v came back", t)
		}
		return difference{}
	}
}

func (c comparison) lists(path string, a, b reflect.Value, depth int) difference {
	if a.Len() != b.Len() {
		return difference{path, fmt.Sprintf("of %d elements %d came back", a.Len(), b.Len())}
	}
	if a.Kind() == reflect.Slice && a.Type().Elem().Kind() == reflect.Uint8 && bytes.Equal(a.Bytes(), b.Bytes()) {
		return difference{}
	}
	for i := range a.Len() {
		if d := c.values(path+"[]", a.Index(i), b.Index(i), depth+1); d.what != "" {
			return d
		}
	}
	return difference{}
}

func (c comparison) maps(path string, a, b reflect.Value, depth int) difference {
	if a.Len() != b.Len() {
		return difference{path, fmt.Sprintf("of %d entries %d came back", a.Len(), b.Len())}
	}
	for _, key := range a.MapKeys() {
		other := b.MapIndex(key)
		if !other.IsValid() {
			return difference{path, "an entry is lost"}
		}
		if d := c.values(path+"[]", a.MapIndex(key), other, depth+1); d.what != "" {
			return d
		}
	}
	return difference{}
}

func (c comparison) structs(path string, a, b reflect.Value, depth int) difference {
	t := a.Type()
	exportedOnly := !bool(c) || synchronized(t)
	for i := range t.NumField() {
		f := t.Field(i)
		if strings.Contains(string(f.Tag), `:"-"`) || exportedOnly && !f.IsExported() && !f.Anonymous {
			continue
		}
		if d := c.values(path+"."+f.Name, a.Field(i), b.Field(i), depth+1); d.what != "" {
			return d
		}
	}
	return difference{}
}

// synchronized reports whether a struct has locks or atomics of its own: its other fields may
// change at any time, and are no part of what it says.
func synchronized(t reflect.Type) bool {
	return slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
		return f.Type.PkgPath() == "sync" || f.Type.PkgPath() == "sync/atomic"
	})
}

// decidesItself reports whether a type writes itself, by methods of its own.
func decidesItself(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return false // what is in it does
	}
	for _, name := range []string{"MarshalJSON", "MarshalText"} {
		if has(t, name) {
			return promotedMarshaler(t) == ""
		}
	}
	return false
}

// sameJSON reports whether both are written alike. What cannot be written is not compared.
func sameJSON(a, b reflect.Value) bool {
	x, errX := json.Marshal(addressable(a))
	y, errY := json.Marshal(addressable(b))
	return errX != nil || errY != nil || bytes.Equal(x, y)
}

// addressable is a pointer to a copy: methods may be those of the pointer.
func addressable(v reflect.Value) any {
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.Interface()
}
