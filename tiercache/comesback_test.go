package tiercache_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// What is lost on the way through JSON is tried in internal/roundtrip: each type of values that a
// test of this package uses is a cache to compile.

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
	if err := making[error](nil)(r); err == nil || !strings.Contains(err.Error(), "Codec") || !strings.Contains(err.Error(), "interface error") {
		t.Errorf("an interface: %v", err)
	}
	for name, err := range map[string]error{
		"in memory alone": making[error](nil)(nil),
		"by hand":         making(tiercache.JSON[error]())(r),
		"a list":          making[map[string]any](nil)(r),
	} {
		if err != nil {
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
}

func TestValues_theFirstIsComparedWithWhatComesBack(t *testing.T) {
	t.Parallel()
	type doc = map[string]any
	for name, test := range map[string]struct {
		log  string
		says []string // nothing: the log is empty
	}{
		"ints in any":        {storing[doc](t, nil, doc{"secret": 3}), []string{"map[string]interface {}[]", "a int came back as a float64"}},
		"a hidden field":     {storing(t, nil, halfHidden{Name: "a", score: 3}), []string{"halfHidden.score", "another int"}},
		"in explicit JSON":   {storing(t, tiercache.JSON[halfHidden](), halfHidden{score: 3}), []string{"halfHidden.score", "another int"}},
		"in CBOR":            {storing(t, tiercache.CBOR[halfHidden](), halfHidden{score: 3}), []string{"halfHidden.score", "another int"}},
		"in another's codec": {storing(t, oddCodec[halfHidden]{tiercache.JSON[halfHidden](), func(v halfHidden) (halfHidden, error) { return v, nil }}, halfHidden{score: 3}), nil},
		"a codec that fails": {
			storing[string](t, oddCodec[string]{tiercache.JSON[string](), func(string) (string, error) { return "", errUnreadable }}, "v"),
			[]string{"cannot read", "codec=odd", "reads nothing"},
		},
		"a codec that panics": {
			storing[string](t, oddCodec[string]{tiercache.JSON[string](), func(string) (string, error) { panic("oh") }}, "v"),
			[]string{"cannot read", "oh"},
		},
		"once":            {storing[doc](t, nil, doc{"a": "b"}, doc{"secret": 3}), nil},
		"what comes back": {storing[doc](t, nil, doc{"a": []any{1.5, "b", true, nil, doc{}}}), nil},
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
		"the same type":               {older, tiercache.FromRedis},
		"the type with another field": {brandOfToday(t, server), tiercache.FromRedis},
		"another type":                {reading[halfHidden](t, server, "brands"), tiercache.FromSource},
		"another Version":             {reading[halfHidden](t, server, "brands", 3), tiercache.FromSource},
	} {
		write()
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
