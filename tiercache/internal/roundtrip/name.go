package roundtrip

import (
	"fmt"
	"reflect"
)

// Name is a type's name with the last element of its package's path, so that a package may
// move. A pointer is named as what it points to, as nobody sees it in a record. Types without a
// name are named by what they are made of, down to the next name.
func Name(t reflect.Type) string {
	if t.Name() != "" {
		return t.String()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return Name(t.Elem())
	case reflect.Slice:
		return "[]" + Name(t.Elem())
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), Name(t.Elem()))
	case reflect.Map:
		return "map[" + Name(t.Key()) + "]" + Name(t.Elem())
	default:
		return t.Kind().String() // a struct without a name may get other fields
	}
}
