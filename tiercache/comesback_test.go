package tiercache_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
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

// making makes a cache of values of a type.
func making[V any](codec tiercache.Codec[V]) func(*tiercache.Redis) error {
	return func(r *tiercache.Redis) error {
		c, err := tiercache.New(tiercache.Config[string, V]{Name: "c", TTL: time.Hour, Redis: r, Codec: codec})
		if err != nil {
			return err
		}
		return c.Close()
	}
}

func TestNew_refusesWhatCannotComeBack(t *testing.T) {
	t.Parallel()
	r := newRedis(t, redistest.Start(t))
	for name, test := range map[string]struct {
		make func(*tiercache.Redis) error
		says []string
	}{
		"an interface":               {making[error](nil), []string{"Codec", "error"}},
		"any":                        {making[any](nil), []string{"Codec", "interface"}},
		"a func":                     {making[func()](nil), []string{"func()"}},
		"chans in a slice":           {making[[]chan int](nil), []string{"chan int"}},
		"an embedded time":           {making[stampedTenant](nil), []string{"stampedTenant", "Time"}},
		"a pointer to one":           {making[*stampedTenant](nil), []string{"stampedTenant", "Time"}},
		"an embedded, tagged *time":  {making[pointerStamp](nil), []string{"pointerStamp", "Time"}},
		"one as a field":             {making[struct{ Who map[string]stampedTenant }](nil), []string{"Who[]", "Time"}},
		"an interface as a field":    {making[struct{ Err error }](nil), []string{"Err", "error"}},
		"a func in what is embedded": {making[struct{ cyclic }](nil), []string{"cyclic.Say", "func()"}},
		"a func far down":            {making[map[string][]*cyclic](nil), []string{"Say"}},
		"complex numbers":            {making[struct{ N complex128 }](nil), []string{"N", "complex128"}},
		"keys of a map":              {making[map[struct{ A int }]string](nil), []string{"keys"}},
		"text that is not read":      {making[struct{ Level textLevel }](nil), []string{"Level", "UnmarshalText"}},
		"an embedded hidden pointer": {making[viaInner](nil), []string{"inner"}},
		"nothing exported":           {making[secretive](nil), []string{"secretive", "exported"}},
		"pointers to such":           {making[[]*secretive](nil), []string{"secretive", "exported"}},
	} {
		err := test.make(r)
		for _, part := range test.says {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v; want an error that says %q", name, err, part)
			}
		}
		if err := test.make(nil); err != nil {
			t.Errorf("%s, in memory alone: %v", name, err)
		}
	}
	for name, makes := range map[string]func(*tiercache.Redis) error{
		"a tree":                  making[*tree](nil),
		"many things":             making[manyThings](nil),
		"methods of its own":      making[ownJSON](nil),
		"a time":                  making[time.Time](nil),
		"a time and hidden":       making[stampOnly](nil),
		"a document":              making[map[string]any](nil),
		"a list of anything":      making[[]any](nil),
		"nothing":                 making[struct{}](nil),
		"bytes":                   making[[]byte](nil),
		"numbers":                 making[map[int]float64](nil),
		"an interface with JSON":  making(tiercache.JSON[any]()),
		"an embedded time in own": making(tiercache.CBOR[stampedTenant]()),
	} {
		if err := makes(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// storing puts values into a cache, one after the other, and returns what its log says.
func storing[V any](t *testing.T, codec tiercache.Codec[V], values ...V) string {
	t.Helper()
	var log bytes.Buffer
	c := newCache(t, tiercache.Config[string, V]{
		Name: "c", TTL: time.Hour, Codec: codec, Redis: nodeOn(t, redistest.Memory(t)), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for _, v := range values {
		if err := c.Set(t.Context(), "k", v); err != nil && !errors.Is(err, errUnreadable) {
			t.Error(err)
		}
	}
	return log.String()
}

var errUnreadable = errors.New("this codec reads nothing")

// oddCodec writes JSON, and reads as it is told.
type oddCodec[V any] struct {
	tiercache.Codec[V]
	read func(V) (V, error)
}

func (oddCodec[V]) Name() string { return "odd" }

func (c oddCodec[V]) Decode(data []byte) (V, error) {
	v, err := c.Codec.Decode(data)
	if err != nil {
		return v, err
	}
	return c.read(v)
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

func TestValues_theFirstIsComparedWithWhatComesBack(t *testing.T) {
	t.Parallel()
	now := time.Now()
	type doc = map[string]any
	for name, test := range map[string]struct {
		log  string
		says []string // nothing: the log is empty
	}{
		"ints in any":          {storing[doc](t, nil, doc{"secret": 3}), []string{"map[string]interface {}[]", "a int came back as a float64"}},
		"deep ints in any":     {storing(t, nil, []any{"a", doc{"b": []any{1}}}), []string{"[][][]", "float64"}},
		"a hidden field":       {storing(t, nil, halfHidden{Name: "a", score: 3}), []string{"halfHidden.score", "another int"}},
		"through a pointer":    {storing(t, nil, &halfHidden{score: 3}), []string{"halfHidden.score"}},
		"explicit JSON":        {storing(t, tiercache.JSON[stampedTenant](), stampedTenant{now, "secret"}), []string{"stampedTenant.Tenant", "another string"}},
		"an interface by hand": {storing[any](t, tiercache.JSON[any](), 7), []string{"a int came back as a float64"}},
		"a codec that fails": {
			storing[string](t, oddCodec[string]{tiercache.JSON[string](), func(string) (string, error) { return "", errUnreadable }}, "v"),
			[]string{"cannot read", "codec=odd", "reads nothing"},
		},
		"a codec that panics": {
			storing[string](t, oddCodec[string]{tiercache.JSON[string](), func(string) (string, error) { panic("oh") }}, "v"),
			[]string{"cannot read", "oh"},
		},
		"a codec that drops": {
			storing(t, oddCodec[[]int]{tiercache.JSON[[]int](), func(v []int) ([]int, error) { return v[1:], nil }}, []int{1, 2}),
			[]string{"of 2 elements 1 came back"},
		},
		"once":              {storing[doc](t, nil, doc{"a": "b"}, doc{"secret": 3}), nil},
		"what comes back":   {storing(t, nil, manyThings{At: now, Sum: big.NewInt(5), Raw: json.RawMessage(`{ "a" : 1 }`), By: map[textKey]int{{1}: 2}, Maybe: optional[int]{value: 3}}), nil},
		"nil and empty":     {storing(t, nil, map[string][]int{"a": {}, "b": nil}), nil},
		"left out on wish":  {storing(t, nil, halfHidden{Name: "a", skip: func() {}}), nil},
		"times in CBOR":     {storing(t, tiercache.CBOR[[]time.Time](), []time.Time{now, now.UTC()}), nil},
		"embedded in CBOR":  {storing(t, tiercache.CBOR[*stampedTenant](), &stampedTenant{now, "secret"}), []string{"stampedTenant.Tenant"}},
		"state of its own":  {storing(t, nil, &locked{Name: "a", calls: 3}), nil},
		"another's hidden":  {storing(t, oddCodec[halfHidden]{tiercache.JSON[halfHidden](), func(v halfHidden) (halfHidden, error) { return v, nil }}, halfHidden{score: 3}), nil},
		"text and bytes":    {storing(t, nil, "text") + storing(t, nil, []byte("bytes")), nil},
		"documents of JSON": {storing[doc](t, nil, doc{"a": []any{1.5, "b", true, nil, doc{}}}), nil},
	} {
		if (strings.Count(test.log, "level=WARN") == 0) != (test.says == nil) {
			t.Errorf("%s: the log says %q", name, test.log)
		}
		for _, part := range test.says {
			if !strings.Contains(test.log, part) {
				t.Errorf("%s: the log says %q, want %q", name, test.log, part)
			}
		}
		if strings.Contains(test.log, "secret") {
			t.Errorf("%s: the log has the value: %q", name, test.log)
		}
	}
}

// A hit neither encodes nor decodes, so it compares nothing; and a value that a loader brings is
// compared as one of Set is.
func TestValues_loadedOnesAreComparedToo(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := newCache(t, tiercache.Config[string, map[string]any]{
		Name: "c", TTL: time.Hour, Redis: nodeOn(t, redistest.Memory(t)), Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Load: func(context.Context, string) (map[string]any, error) { return map[string]any{"n": 1}, nil },
	})
	for range 3 {
		if _, err := c.Get(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(log.String(), "does not come back"); got != 1 {
		t.Errorf("it was said %d times: %s", got, log.String())
	}
}

// Two types under one cache's name must not be read as each other, with zero fields; one that gets
// another field is the same.
func TestRecord_isOfOneTypeByItsName(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	write, older := brandsOfYesterday(t, server)
	write()
	for name, test := range map[string]struct {
		read func() (tiercache.Source, error)
		want tiercache.Source
	}{
		"the same type":                   {older, tiercache.FromRedis},
		"the type with another field":     {brandOfToday(t, server), tiercache.FromRedis},
		"a pointer to it":                 {reading[*halfHidden](t, server, "people"), tiercache.FromRedis},
		"another type":                    {reading[inner](t, server, "brands"), tiercache.FromSource},
		"another Version":                 {reading[inner](t, server, "brands", 3), tiercache.FromSource},
		"a list, where there was an item": {reading[[]inner](t, server, "brands"), tiercache.FromSource},
	} {
		write()
		if err := newCache(t, tiercache.Config[string, halfHidden]{Name: "people", TTL: time.Hour, Redis: newRedis(t, server)}).Set(t.Context(), "k", halfHidden{Name: "n"}); err != nil {
			t.Fatal(err)
		}
		if got, err := test.read(); err != nil || got != test.want {
			t.Errorf("%s: from %v, %v; want %v", name, got, err, test.want)
		}
	}
}

func brandsOfYesterday(t *testing.T, server *redistest.Server) (write func(), read func() (tiercache.Source, error)) {
	t.Helper()
	type brand struct{ Name string }
	cfg := tiercache.Config[string, brand]{Name: "brands", TTL: time.Hour, Redis: newRedis(t, server)}
	c := newCache(t, cfg)
	return func() {
		if err := c.Set(t.Context(), "k", brand{"Nike"}); err != nil {
			t.Fatal(err)
		}
	}, reading[brand](t, server, "brands")
}

func brandOfToday(t *testing.T, server *redistest.Server) func() (tiercache.Source, error) {
	t.Helper()
	type brand struct {
		Name    string
		Founded int
	}
	return reading[brand](t, server, "brands")
}

// reading reads the key "k" in another process.
func reading[V any](t *testing.T, server *redistest.Server, name string, version ...uint32) func() (tiercache.Source, error) {
	return func() (tiercache.Source, error) {
		cfg := tiercache.Config[string, V]{Name: name, TTL: time.Hour, Redis: newRedis(t, server), Load: func(context.Context, string) (v V, err error) { return v, nil }}
		if len(version) > 0 {
			cfg.Version = version[0]
		}
		e, err := newCache(t, cfg).GetEntry(t.Context(), "k")
		return e.Source, err
	}
}
