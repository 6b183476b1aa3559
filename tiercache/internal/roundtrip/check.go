package roundtrip

import (
	"fmt"
	"reflect"
	"strings"
)

// Check says which part of values of a type encoding/json cannot write, or not read again, whatever
// the value. It is nil where that depends on the value: Compare tells then.
func Check(t reflect.Type) error {
	w := typeWalk{seen: make(map[reflect.Type]bool)}
	path, why := w.look(t, "")
	if why == "" {
		path, why = "", w.hidden(t)
	}
	if why == "" {
		return nil
	}
	what := fmt.Sprintf("%v", t)
	if path != "" {
		what = fmt.Sprintf("field %s of %v", strings.TrimPrefix(path, "."), t)
	}
	return fmt.Errorf("field Codec is nil, and JSON, the default, does not bring back V: %s %s; set Codec (to JSON itself where that is "+
		`wanted), or tag a field that is not to be stored json:"-"`, what, why)
}

// typeWalk visits a type's parts, each type once.
type typeWalk struct{ seen map[reflect.Type]bool }

// look returns the path of the first part that cannot come back and why, or nothing.
func (w typeWalk) look(t reflect.Type, path string) (at, why string) {
	if w.seen[t] {
		return "", ""
	}
	w.seen[t] = true
	switch t.Kind() {
	case reflect.Pointer:
		return w.look(t.Elem(), path)
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return path, fmt.Sprintf("is a %v, which has no JSON", t)
	case reflect.Interface:
		if path == "" || t.NumMethod() > 0 {
			return path, fmt.Sprintf("is the interface %v: JSON does not say which type to make", t)
		}
		return "", "" // what encoding/json makes of JSON comes back in it
	}
	if from := promotedMarshaler(t); from != "" {
		return path, fmt.Sprintf("marshals as its field %s alone: the others would be lost", from)
	}
	if has(t, "MarshalJSON") || has(t, "MarshalText") {
		if t.Kind() != reflect.String && !has(t, "MarshalJSON") && !has(t, "UnmarshalJSON") && !has(t, "UnmarshalText") {
			return path, fmt.Sprintf("is a %v, which has MarshalText and no UnmarshalText", t)
		}
		return "", "" // it decides by itself
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return w.look(t.Elem(), path+"[]")
	case reflect.Map:
		if k := t.Key(); !keyComesBack(k) {
			return path, fmt.Sprintf("is a map with keys of type %v, which JSON cannot write and read", k)
		}
		return w.look(t.Elem(), path+"[]")
	case reflect.Struct:
		return w.fields(t, path)
	}
	return "", ""
}

func (w typeWalk) fields(t reflect.Type, path string) (at, why string) {
	for f := range t.Fields() {
		if !stored(f) {
			continue
		}
		if e := f.Type; f.Anonymous && !f.IsExported() && e.Kind() == reflect.Pointer && encodable(e.Elem()) {
			return path + "." + f.Name, fmt.Sprintf("is an embedded pointer to %v, which is not exported: JSON cannot make one", e.Elem())
		}
		if at, why := w.look(f.Type, path+"."+f.Name); why != "" {
			return at, why
		}
	}
	return "", ""
}

// hidden says that nothing of a struct is exported, so that nothing of it is written.
func (w typeWalk) hidden(t reflect.Type) string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.NumField() == 0 || has(t, "MarshalJSON") || has(t, "MarshalText") || encodable(t) {
		return ""
	}
	for f := range t.Fields() {
		if omitted(f) {
			return ""
		}
	}
	return fmt.Sprintf("has no exported field in %v, and JSON writes no others", t)
}

// stored reports whether encoding/json looks at a field.
func stored(f reflect.StructField) bool {
	if omitted(f) {
		return false
	}
	if f.IsExported() {
		return true
	}
	e := f.Type
	if e.Kind() == reflect.Pointer {
		e = e.Elem()
	}
	return f.Anonymous && e.Kind() == reflect.Struct
}

func omitted(f reflect.StructField) bool { return f.Tag.Get("json") == "-" }

// encodable reports whether encoding/json writes any field of a struct.
func encodable(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for f := range t.Fields() {
		if f.IsExported() && stored(f) || !f.IsExported() && stored(f) && encodable(f.Type) {
			return true
		}
	}
	return false
}

// keyComesBack reports whether a map may have keys of a type.
func keyComesBack(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return true
	}
	return has(t, "MarshalText") && has(t, "UnmarshalText")
}

// promotedMarshaler names the embedded field by whose methods a struct is written or read, if it
// has other fields that JSON would write.
func promotedMarshaler(t reflect.Type) string {
	if t.Kind() != reflect.Struct {
		return ""
	}
	for _, methods := range [][2]string{{"MarshalJSON", "MarshalText"}, {"UnmarshalJSON", "UnmarshalText"}} {
		name := methods[0]
		if !has(t, name) {
			name = methods[1]
		}
		from := promotedFrom(t, name)
		if from == "" {
			continue
		}
		for f := range t.Fields() {
			if f.Name != from && stored(f) {
				return from
			}
		}
	}
	return ""
}
