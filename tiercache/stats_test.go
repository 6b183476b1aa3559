package tiercache_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// witness is an Observer that keeps what it hears.
type witness struct {
	mu     sync.Mutex
	events []tiercache.Event
	heard  chan struct{} // holds a token after each event
}

func newWitness() *witness { return &witness{heard: make(chan struct{}, 1)} }

func (w *witness) Observe(e tiercache.Event) {
	w.mu.Lock()
	w.events = append(w.events, e)
	w.mu.Unlock()
	select {
	case w.heard <- struct{}{}:
	default:
	}
}

// expect waits for an event of the kind.
func (w *witness) expect(t *testing.T, kind tiercache.EventKind, fits func(tiercache.Event) bool) {
	t.Helper()
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	for {
		w.mu.Lock()
		found := slices.ContainsFunc(w.events, func(e tiercache.Event) bool { return e.Kind == kind && e.Cache == "c" && fits(e) })
		all := slices.Clone(w.events)
		w.mu.Unlock()
		if found {
			return
		}
		select {
		case <-w.heard:
		case <-late.C:
			t.Fatalf("no event %q as wanted among %+v", kind, all)
		}
	}
}

func TestObserver_hearsOfEverythingOffTheHitPath(t *testing.T) {
	server := redistest.Start(t)
	w := newWitness()
	failed := errors.New("the source is down")
	c := newCache(t, tiercache.Config[string, string]{
		Name: "c", TTL: time.Minute, Capacity: 100, Redis: newRedis(t, server), Observer: w,
		Load: func(_ context.Context, key string) (string, error) {
			if key == "bad" {
				return "", failed
			}
			return "v", nil
		},
	})
	get := func(key string) { _, _ = c.Get(t.Context(), key) }
	get("good")
	w.expect(t, tiercache.EventLoad, func(e tiercache.Event) bool { return e.Err == nil && e.Keys == 1 && e.Took > 0 })
	get("bad")
	w.expect(t, tiercache.EventLoad, func(e tiercache.Event) bool { return errors.Is(e.Err, failed) })
	server.Do("SET", "c:odd", "garbage", "PX", "60000")
	get("odd")
	w.expect(t, tiercache.EventCorrupt, func(e tiercache.Event) bool { return e.Err != nil && e.Keys == 1 })
	for i := range 300 {
		get(strconv.Itoa(i))
	}
	w.expect(t, tiercache.EventEvict, func(e tiercache.Event) bool { return e.Keys > 0 })
	err := c.RegisterLoader(tiercache.Loader[string, string]{Name: "one", Load: func(_ context.Context, emit func(string, string) error) error { return emit("w", "v") }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.expect(t, tiercache.EventWarm, func(e tiercache.Event) bool { return e.Keys == 1 && e.Err == nil })

	server.Kill()
	if err := c.Delete(t.Context(), "good"); !errors.Is(err, tiercache.ErrDegraded) {
		t.Fatalf("Delete without Redis: %v", err)
	}
	w.expect(t, tiercache.EventRedis, func(e tiercache.Event) bool { return e.Err != nil })
	w.expect(t, tiercache.EventDegraded, func(e tiercache.Event) bool { return errors.Is(e.Err, tiercache.ErrDegraded) })
	server.Restart()
	w.expect(t, tiercache.EventEpoch, func(tiercache.Event) bool { return true })
	w.expect(t, tiercache.EventReplay, func(e tiercache.Event) bool { return e.Keys >= 1 })
}

func TestStats_notices(t *testing.T) {
	server := redistest.Start(t)
	cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Redis: newRedis(t, server)}
	a := newCache(t, cfg)
	cfg.Redis = newRedis(t, server)
	b := newCache(t, cfg)
	for range 3 {
		if err := a.Set(t.Context(), "k", "v"); err != nil {
			t.Fatal(err)
		}
	}
	if s := a.Stats(); s.NoticesSent < 3 || s.Breaker != tiercache.BreakerClosed || s.Pending != 0 {
		t.Errorf("%+v", s)
	}
	for range 500 {
		if s := b.Stats(); s.NoticesReceived >= 3 && s.Coherent {
			return
		}
		waitFor(10 * time.Millisecond)
	}
	t.Errorf("the other node: %+v", b.Stats())
}
