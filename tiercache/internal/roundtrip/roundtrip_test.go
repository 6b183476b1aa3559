package roundtrip_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/tiercache/internal/roundtrip"
)

// Values of these types are lost on their way through JSON.
type (
	stampedTenant struct {
		time.Time
		Tenant string
	}
	pointerStamp struct {
		*time.Time `json:"at"`
		Tenant     string
	}
	textLevel int
	inner     struct{ A int }
	viaInner  struct{ *inner }
	cyclic    struct {
		Next  *cyclic
		Items map[string][]*cyclic
		Say   func() `json:"say,omitempty"`
	}
	secretive struct{ a, b int } //nolint:unused // that nobody sees them is what is tried
)

func (textLevel) MarshalText() ([]byte, error) { return []byte("debug"), nil }

// Values of these come back.
type (
	ownJSON struct {
		time.Time
		Tenant string
	}
	tree struct {
		Left, Right *tree
		Meta        map[string]any
		Done        chan int   `json:"-"`
		mu          sync.Mutex //nolint:unused // as above
	}
	stampOnly struct {
		time.Time
		note string //nolint:unused // as above
	}
	optional[T any] struct {
		value T
		set   bool
	}
	manyThings struct {
		tree
		URL   url.URL
		Sum   *big.Int
		Raw   json.RawMessage
		At    time.Time
		By    map[textKey]int
		Maybe optional[int]
		Deep  struct{ Any any }
	}
	textKey struct{ N int }
)

func (o ownJSON) MarshalJSON() ([]byte, error) { return json.Marshal([]any{o.Time, o.Tenant}) }
func (o *ownJSON) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&o.Time, &o.Tenant})
}
func (k textKey) MarshalText() ([]byte, error)     { return []byte{'0' + byte(k.N)}, nil }
func (k *textKey) UnmarshalText(text []byte) error { k.N = int(text[0] - '0'); return nil }
func (o optional[T]) MarshalJSON() ([]byte, error) { return json.Marshal(o.value) }
func (o *optional[T]) UnmarshalJSON(data []byte) error {
	o.set = true
	return json.Unmarshal(data, &o.value)
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		of   reflect.Type
		says []string
	}{
		"an interface":               {reflect.TypeFor[error](), []string{"Codec", "error"}},
		"any":                        {reflect.TypeFor[any](), []string{"Codec", "interface"}},
		"a func":                     {reflect.TypeFor[func()](), []string{"func()"}},
		"chans in a slice":           {reflect.TypeFor[[]chan int](), []string{"chan int"}},
		"an embedded time":           {reflect.TypeFor[stampedTenant](), []string{"stampedTenant", "Time"}},
		"a pointer to one":           {reflect.TypeFor[*stampedTenant](), []string{"stampedTenant", "Time"}},
		"an embedded, tagged *time":  {reflect.TypeFor[pointerStamp](), []string{"pointerStamp", "Time"}},
		"one as a field":             {reflect.TypeFor[struct{ Who map[string]stampedTenant }](), []string{"Who[]", "Time"}},
		"an interface as a field":    {reflect.TypeFor[struct{ Err error }](), []string{"Err", "error"}},
		"a func in what is embedded": {reflect.TypeFor[struct{ cyclic }](), []string{"cyclic.Say", "func()"}},
		"a func far down":            {reflect.TypeFor[map[string][]*cyclic](), []string{"Say"}},
		"complex numbers":            {reflect.TypeFor[struct{ N complex128 }](), []string{"N", "complex128"}},
		"keys of a map":              {reflect.TypeFor[map[struct{ A int }]string](), []string{"keys"}},
		"text that is not read":      {reflect.TypeFor[struct{ Level textLevel }](), []string{"Level", "UnmarshalText"}},
		"an embedded hidden pointer": {reflect.TypeFor[viaInner](), []string{"inner"}},
		"nothing exported":           {reflect.TypeFor[secretive](), []string{"secretive", "exported"}},
		"pointers to such":           {reflect.TypeFor[[]*secretive](), []string{"secretive", "exported"}},
	} {
		err := roundtrip.Check(test.of)
		for _, part := range test.says {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v; want an error that says %q", name, err, part)
			}
		}
	}
	for name, of := range map[string]reflect.Type{
		"a tree":             reflect.TypeFor[*tree](),
		"many things":        reflect.TypeFor[manyThings](),
		"methods of its own": reflect.TypeFor[ownJSON](),
		"a time":             reflect.TypeFor[time.Time](),
		"a time and hidden":  reflect.TypeFor[stampOnly](),
		"a document":         reflect.TypeFor[map[string]any](),
		"a list of anything": reflect.TypeFor[[]any](),
		"nothing":            reflect.TypeFor[struct{}](),
		"bytes":              reflect.TypeFor[[]byte](),
		"numbers":            reflect.TypeFor[map[int]float64](),
	} {
		if err := roundtrip.Check(of); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type halfHidden struct {
	Name  string
	score int
	skip  func() `json:"-"`
}

// locked has state that is no part of it.
type locked struct {
	Name  string
	mu    sync.Mutex //nolint:unused // as above
	calls int
}

// back is what Compare says of a value behind a codec.
func back[V any](t *testing.T, codec tiercache.Codec[V], ours bool, value V) string {
	t.Helper()
	data, err := codec.Encode(nil, value)
	if err != nil {
		t.Fatal(err)
	}
	got, err := codec.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return said(roundtrip.Compare(reflect.ValueOf(&value).Elem(), reflect.ValueOf(&got).Elem(), ours))
}

func said(d roundtrip.Difference) string {
	if d.What == "" {
		return ""
	}
	return d.Field + ": " + d.What
}

// viaJSON is back behind our JSON.
func viaJSON[V any](t *testing.T, value V) string {
	t.Helper()
	return back(t, tiercache.JSON[V](), true, value)
}

func TestCompare(t *testing.T) {
	now := time.Now()
	type doc = map[string]any
	shorter, longer := []int{1}, []int{1, 2}
	for name, test := range map[string]struct{ got, want string }{
		"ints in any":          {viaJSON(t, doc{"secret": 3}), "map[string]interface {}[]: a int came back as a float64"},
		"deep ints in any":     {viaJSON(t, []any{"a", doc{"b": []any{1}}}), "[]interface {}[][][]: a int came back as a float64"},
		"a hidden field":       {viaJSON(t, halfHidden{Name: "a", score: 3}), "roundtrip_test.halfHidden.score: another int came back"},
		"through a pointer":    {viaJSON(t, &halfHidden{score: 3}), "*roundtrip_test.halfHidden.score: another int came back"},
		"an embedded time":     {viaJSON(t, stampedTenant{now, "secret"}), "roundtrip_test.stampedTenant.Tenant: another string came back"},
		"an interface by hand": {viaJSON[any](t, 7), "interface {}: a int came back as a float64"},
		"a part":               {said(roundtrip.Compare(reflect.ValueOf(&longer).Elem(), reflect.ValueOf(&shorter).Elem(), false)), "[]int: of 2 elements 1 came back"},
		"embedded in CBOR":     {back(t, tiercache.CBOR[*stampedTenant](), true, &stampedTenant{now, "secret"}), "*roundtrip_test.stampedTenant.Tenant: another string came back"},
		"what comes back":      {viaJSON(t, &manyThings{At: now, Sum: big.NewInt(5), Raw: json.RawMessage(`{ "a" : 1 }`), By: map[textKey]int{{1}: 2}, Maybe: optional[int]{value: 3}}), ""},
		"nil and empty":        {viaJSON(t, map[string][]int{"a": {}, "b": nil}), ""},
		"left out on wish":     {viaJSON(t, halfHidden{Name: "a", skip: func() {}}), ""},
		"times in CBOR":        {back(t, tiercache.CBOR[[]time.Time](), true, []time.Time{now, now.UTC()}), ""},
		"state of its own":     {viaJSON(t, &locked{Name: "a", calls: 3}), ""},
		"another's hidden":     {back(t, tiercache.JSON[halfHidden](), false, halfHidden{score: 3}), ""},
		"text and bytes":       {viaJSON(t, "text") + viaJSON(t, []byte("bytes")), ""},
		"documents of JSON":    {viaJSON(t, doc{"a": []any{1.5, "b", true, nil, doc{}}}), ""},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", name, test.got, test.want)
		}
	}
}

// tenantTime has the text form of its field, ownText has one of its own.
type (
	tenantTime struct {
		time.Time
		Tenant string
	}
	ownText struct{ tenantTime }
)

func (o ownText) MarshalText() ([]byte, error) { return []byte(o.Tenant), nil }

func TestPromotedText(t *testing.T) {
	for of, want := range map[reflect.Type]string{
		reflect.TypeFor[tenantTime](): "Time", reflect.TypeFor[ownText](): "", reflect.TypeFor[time.Time](): "", reflect.TypeFor[inner](): "", reflect.TypeFor[string](): "",
	} {
		if got := roundtrip.PromotedText(of); got != want {
			t.Errorf("%v: %q, want %q", of, got, want)
		}
	}
}

func TestName(t *testing.T) {
	type brand struct{ Name string }
	names := make(map[string]reflect.Type)
	for _, of := range []reflect.Type{
		reflect.TypeFor[brand](), reflect.TypeFor[inner](), reflect.TypeFor[[]inner](), reflect.TypeFor[[2]inner](), reflect.TypeFor[map[string]inner](),
		reflect.TypeFor[struct{ A int }](), reflect.TypeFor[int](), reflect.TypeFor[textLevel](),
	} {
		name := roundtrip.Name(of)
		if other := names[name]; other != nil {
			t.Errorf("%v and %v are both %q", of, other, name)
		}
		names[name] = of
	}
	for _, same := range [][2]reflect.Type{
		{reflect.TypeFor[*inner](), reflect.TypeFor[inner]()},
		{reflect.TypeFor[[]*inner](), reflect.TypeFor[[]inner]()},
		{reflect.TypeFor[struct{ A int }](), reflect.TypeFor[struct{ B string }]()},
		{reflect.TypeFor[brand](), brandOfTomorrow()},
	} {
		if a, b := roundtrip.Name(same[0]), roundtrip.Name(same[1]); a != b {
			t.Error(fmt.Sprintf("%v and %v", same[0], same[1]), "have different names:", a, b)
		}
	}
}

func brandOfTomorrow() reflect.Type {
	type brand struct {
		Name    string
		Founded int
	}
	return reflect.TypeFor[brand]()
}
