package roundtrip

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Difference is where two values differ, by types and numbers alone: what is in them may be secret.
type Difference struct {
	Field string // its path in the type
	What  string // empty: there is none
}

// Compare is the first difference between a value and what came back in its place; both are
// addressable, and of one type. What is not exported is compared too where the codec is one of
// ours: what others make of it is their own business. Methods of the type may panic.
func Compare(value, back reflect.Value, ours bool) Difference {
	return comparison(ours).values(value.Type().String(), value, back, 0)
}

// comparison is whether fields that are not exported are compared.
type comparison bool

// deepest bounds the comparison, for values that lead back to themselves.
const deepest = 100

// values compares a with b, which came back.
func (c comparison) values(path string, a, b reflect.Value, depth int) Difference {
	differs := func(format string, args ...any) Difference { return Difference{path, fmt.Sprintf(format, args...)} }
	t := a.Type()
	switch {
	case depth > deepest:
		return Difference{}
	case t != b.Type():
		return differs("a %v came back as a %v", t, b.Type())
	case a.CanInterface() && decidesItself(t):
		if !sameJSON(a, b) {
			return differs("another %v came back", t)
		}
		return Difference{}
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() != b.IsNil() {
			return differs("it is lost")
		}
		if a.IsNil() {
			return Difference{}
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
		return Difference{}
	default:
		if !a.Equal(b) && (!a.CanFloat() || a.Float() == a.Float()) { //nolint:gocritic // it is no number otherwise
			return differs("another %v came back", t)
		}
		return Difference{}
	}
}

func (c comparison) lists(path string, a, b reflect.Value, depth int) Difference {
	if a.Len() != b.Len() {
		return Difference{path, fmt.Sprintf("of %d elements %d came back", a.Len(), b.Len())}
	}
	if a.Kind() == reflect.Slice && a.Type().Elem().Kind() == reflect.Uint8 && bytes.Equal(a.Bytes(), b.Bytes()) {
		return Difference{}
	}
	for i := range a.Len() {
		if d := c.values(path+"[]", a.Index(i), b.Index(i), depth+1); d.What != "" {
			return d
		}
	}
	return Difference{}
}

func (c comparison) maps(path string, a, b reflect.Value, depth int) Difference {
	if a.Len() != b.Len() {
		return Difference{path, fmt.Sprintf("of %d entries %d came back", a.Len(), b.Len())}
	}
	for _, key := range a.MapKeys() {
		other := b.MapIndex(key)
		if !other.IsValid() {
			return Difference{path, "an entry is lost"}
		}
		if d := c.values(path+"[]", a.MapIndex(key), other, depth+1); d.What != "" {
			return d
		}
	}
	return Difference{}
}

func (c comparison) structs(path string, a, b reflect.Value, depth int) Difference {
	t := a.Type()
	exportedOnly := !bool(c) || synchronized(t)
	for i := range t.NumField() {
		f := t.Field(i)
		if strings.Contains(string(f.Tag), `:"-"`) || exportedOnly && !f.IsExported() && !f.Anonymous {
			continue
		}
		if d := c.values(path+"."+f.Name, a.Field(i), b.Field(i), depth+1); d.What != "" {
			return d
		}
	}
	return Difference{}
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
