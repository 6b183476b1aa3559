package tiercache

import (
	"fmt"
	"hash/fnv"
	"reflect"
)

// typePrint is a fingerprint of the name of V, which makes records of two types under one cache's
// name misses for each other, in the place of values with zero fields. It knows nothing of fields:
// one that is added ends no record. It is 0 for the codecs that have one type alone.
func typePrint[V any](codec Codec[V]) uint32 {
	switch any(codec).(type) {
	case bytesCodec, stringCodec:
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(typeName(reflect.TypeFor[V]())))
	return h.Sum32()
}

// typeName is a type's name with the last element of its package's path, so that a package may
// move. A pointer is named as what it points to, as nobody sees it in a record. Types without a
// name are named by what they are made of, down to the next name.
func typeName(t reflect.Type) string {
	if t.Name() != "" {
		return t.String()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Slice:
		return "[]" + typeName(t.Elem())
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), typeName(t.Elem()))
	case reflect.Map:
		return "map[" + typeName(t.Key()) + "]" + typeName(t.Elem())
	default:
		return t.Kind().String() // a struct without a name may get other fields
	}
}
