package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// hostileError is an error type whose methods all dereference their receiver, as a nil of it
// returned by mistake.
type hostileError struct{ text string }

func (e *hostileError) Error() string      { return e.text }
func (e *hostileError) Is(error) bool      { return e.text == "" }
func (e *hostileError) As(any) bool        { return e.text == "" }
func (e *hostileError) Unwrap() error      { return errors.New(e.text) }
func (e *hostileError) Timeout() bool      { return e.text == "" }
func (e *hostileError) Temporary() bool    { return e.text == "" }
func hostile() error                       { return (*hostileError)(nil) }
func hostileLoad(string) (string, error)   { return "", hostile() }
func wrapsHostile(string) (string, error)  { return "", fmt.Errorf("query: %w", hostile()) }
func panicsHostile(string) (string, error) { panic(hostile()) }

// unprintable panics with itself where it is printed, which fmt passes on.
type unprintable struct{}

func (u unprintable) Error() string { panic(u) }

// survived checks an error with everything that callers do to errors.
func survived(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || errors.Is(err, tiercache.ErrNotFound) || errors.Is(err, tiercache.ErrClosed) || errors.Is(err, context.Canceled) {
		t.Errorf("%s: %v, want an error of its own", what, err)
		return
	}
	var other interface{ Other() }
	if errors.As(err, &other) || err.Error() == "" {
		t.Errorf("%s: %v", what, err)
	}
}

func TestUserError_methodsThatPanicFailTheirReadAlone(t *testing.T) {
	for name, load := range map[string]func(string) (string, error){
		"typed nil": hostileLoad, "wrapped": wrapsHostile, "a panic's value": panicsHostile,
		"an unprintable panic": func(string) (string, error) { panic(unprintable{}) },
		"unprintable":          func(string) (string, error) { return "", unprintable{} },
		"Goexit":               func(string) (string, error) { runtime.Goexit(); return "", nil },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, r *tiercache.Redis) {
				one := func(_ context.Context, key string) (string, error) {
					if key == "good" {
						return key, nil
					}
					return load(key)
				}
				c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, NegativeTTL: time.Minute, Redis: r, Load: one})
				many := newCache(t, tiercache.Config[string, string]{
					Name: "many", TTL: time.Minute, NegativeTTL: time.Minute, Redis: r,
					LoadMany: func(context.Context, []string) (map[string]string, error) {
						_, err := load("")
						return map[string]string{"good": "good"}, err
					},
				})
				for range 2 {
					_, err := c.Get(t.Context(), "bad")
					survived(t, "Get", err)
					_, err = c.Refresh(t.Context(), "bad")
					survived(t, "Refresh", err)
					_, err = c.GetOrLoad(t.Context(), "other", func(context.Context) (string, error) { return load("other") })
					survived(t, "GetOrLoad", err)
					got, err := c.GetMany(t.Context(), []string{"bad", "worse", "good"})
					if survived(t, "GetMany by Load", err); got["good"] != "good" {
						t.Errorf("GetMany by Load = %v", got)
					}
					_, err = many.GetMany(t.Context(), []string{"bad", "worse", "good"})
					survived(t, "GetMany by LoadMany", err)
					_, err = many.Get(t.Context(), "bad")
					survived(t, "Get by LoadMany", err)
					waitFor(time.Second)
				}
			})
		})
	}
}

func TestUserError_ofReload(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Minute, StaleFor: time.Hour, Redis: r,
			Load:   func(context.Context, string) (string, error) { return "v", nil },
			Reload: func(context.Context, string, string) (string, error) { return "", hostile() },
		})
		get(t, c, "k", "v")
		_, err := c.Refresh(t.Context(), "k")
		survived(t, "Refresh", err)
		waitFor(2 * time.Minute)
		get(t, c, "k", "v") // stale
	})
}

// hostileCodec is a codec of values or of keys that fails with such errors.
type hostileCodec struct{ fails *bool }

func (hostileCodec) Name() string { return "hostile" }

func (c hostileCodec) Encode(dst []byte, v string) ([]byte, error) {
	if *c.fails {
		return nil, hostile()
	}
	return append(dst, v...), nil
}

func (c hostileCodec) Decode(data []byte) (string, error) {
	if *c.fails {
		return "", hostile()
	}
	return string(data), nil
}

func (c hostileCodec) EncodeKey(key string) (string, error) {
	if *c.fails && key == "bad" {
		return "", hostile()
	}
	return key, nil
}

func (c hostileCodec) DecodeKey(text string) (string, error) {
	if text == "bad" {
		return "", hostile()
	}
	return text, nil
}

func TestUserError_ofCodecs(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		var fails bool
		src := newTruth("v")
		cfg := tiercache.Config[string, string]{
			Name: "c", TTL: time.Hour, Load: src.load, Redis: nodeOn(t, m), Codec: hostileCodec{&fails}, Logger: slog.New(slog.DiscardHandler),
		}
		get(t, newCache(t, cfg), "k", "v")
		cfg.Redis = nodeOn(t, m)
		b := newCache(t, cfg)
		fails = true
		get(t, b, "k", "v")   // it can be neither decoded nor encoded, but it was loaded
		get(t, b, "new", "v") // nor this one
		if err := b.Set(t.Context(), "k", "w"); err == nil {
			t.Error("Set of what cannot be encoded: no error")
		}
		keys := cfg
		keys.Name, keys.Codec, keys.Keys, keys.Redis = "keys", nil, hostileCodec{&fails}, nodeOn(t, m)
		c := newCache(t, keys)
		_, err := c.Get(t.Context(), "bad")
		survived(t, "Get of a key without text", err)
		_, err = c.GetMany(t.Context(), []string{"bad", "good"})
		survived(t, "GetMany of a key without text", err)
		survived(t, "Set of a key without text", c.Set(t.Context(), "bad", "v"))
		survived(t, "Delete of a key without text", c.Delete(t.Context(), "bad"))
		_, err = c.ExplainText(t.Context(), "bad")
		survived(t, "ExplainText", err)
	})
}

func TestUserError_ofAWarmupLoader(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: r})
		register(t, c, tiercache.Loader[string, string]{Name: "bad", Load: func(context.Context, func(string, string) error) error { return hostile() }})
		_, err := c.Warm(t.Context())
		survived(t, "Warm", err)
	})
}

func TestUserError_ofARedisOperation(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		r := nodeOn(t, m)
		fn := func(context.Context, redis.UniversalClient) error { return hostile() }
		survived(t, "Do", r.Do(t.Context(), fn))
		survived(t, "DoFor", r.DoFor(t.Context(), "k", fn))
	})
}

// panickyHandler is a user's log handler.
type panickyHandler struct{}

func (panickyHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickyHandler) Handle(context.Context, slog.Record) error { panic("Handle") }
func (panickyHandler) WithAttrs([]slog.Attr) slog.Handler        { panic("WithAttrs") }
func (panickyHandler) WithGroup(string) slog.Handler             { panic("WithGroup") }

func TestUserError_aLoggerThatPanicsLosesItsLine(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[string, string]{
			Name: "c", TTL: time.Hour, Redis: r, Logger: slog.New(panickyHandler{}),
			Load:     func(_ context.Context, key string) (string, error) { return key, nil },
			Cost:     func(string, string) int64 { panic("Cost") },
			Observer: observerFunc(func(tiercache.Event) { panic("Observe") }),
		})
		get(t, c, "k", "k")
		if got, err := c.GetMany(t.Context(), []string{"l", "m"}); len(got) != 2 || err != nil {
			t.Errorf("GetMany = %v, %v", got, err)
		}
	})
}

// A key with an interface in it may hold what can't be hashed. That is an error of the call.
func TestUserError_aKeyThatCannotBeHashed(t *testing.T) {
	c := newCache(t, tiercache.Config[any, string]{
		Name: "c", TTL: time.Hour, Keys: anyKeys{}, Load: func(_ context.Context, key any) (string, error) { return fmt.Sprint(key), nil },
	})
	bad := []int{1}
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Get":       func() error { _, err := c.Get(ctx, bad); return err },
		"GetEntry":  func() error { _, err := c.GetEntry(ctx, bad); return err },
		"GetOrLoad": func() error { _, err := c.GetOrLoad(ctx, bad, nil); return err },
		"Refresh":   func() error { _, err := c.Refresh(ctx, bad); return err },
		"Set":       func() error { return c.Set(ctx, bad, "v") },
		"Delete":    func() error { return c.Delete(ctx, bad, "good") },
		"Explain":   func() error { _, err := c.Explain(ctx, bad); return err },
		"GetMany": func() error {
			got, err := c.GetMany(ctx, []any{bad, "good"})
			if got["good"] != "good" {
				t.Errorf("GetMany = %v, %v", got, err)
			}
			return err
		},
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), "hash") {
			t.Errorf("%s: %v, want an error that says that the key cannot be hashed", name, err)
		}
	}
	if _, ok := c.Peek(bad); ok {
		t.Error("Peek found it")
	}
	if v, err := c.Get(ctx, "good"); v != "good" || err != nil {
		t.Error(v, err)
	}
}

type anyKeys struct{}

func (anyKeys) EncodeKey(key any) (string, error)  { return fmt.Sprint(key), nil }
func (anyKeys) DecodeKey(text string) (any, error) { return text, nil }

// A loader that reads another cache, which is closed, has failed. This cache is open.
func TestUserError_anotherCachesErrClosed(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		child := newCache(t, tiercache.Config[string, string]{Name: "child", TTL: time.Hour, Redis: r})
		if err := child.Set(t.Context(), "k", "v"); err != nil {
			t.Fatal(err)
		}
		parent := newCache(t, tiercache.Config[string, string]{Name: "parent", TTL: time.Minute, StaleFor: time.Hour, Redis: r, Load: child.Get})
		get(t, parent, "k", "v")
		closing(t, child)
		waitFor(2 * time.Minute)
		if e, err := parent.GetEntry(t.Context(), "k"); e.Value != "v" || !e.Stale || err != nil {
			t.Errorf("%+v, %v; want the stale value", e, err)
		}
		waitFor(time.Second)
		if v, err := parent.Get(t.Context(), "new"); err == nil || errors.Is(err, tiercache.ErrClosed) || !strings.Contains(err.Error(), "closed") {
			t.Errorf("Get = %q, %v; want an error that tells of the other cache, and is not ErrClosed", v, err)
		}
	})
}

// A child's load that was cut off is an error like any other to its parent.
func TestUserError_aChildThatWasCutOff(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		child := newCache(t, tiercache.Config[string, string]{Name: "child", LoadTimeout: time.Second, Redis: r, Load: func(context.Context, string) (string, error) {
			waitFor(2 * time.Second)
			return "late", nil
		}})
		parent := newCache(t, tiercache.Config[string, string]{Name: "parent", Redis: r, Load: child.Get})
		if v, err := parent.Get(t.Context(), "k"); err == nil || errors.Is(err, tiercache.ErrGoexit) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get = %q, %v; want the child's error", v, err)
		}
		waitFor(5 * time.Second)
	})
}
