package warm_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

func TestStatus_whatATaskIsWorth(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCache(t, "brands", rows("popular", keysOf(10)...))
		e := newEngine(t, off(), c)
		value := func() *warm.ValueStatus { return e.Status().Warmup.Tasks[0].Value }
		run(t, e, warm.Request{})
		for range 3 {
			for _, key := range keysOf(4) {
				if _, err := c.Get(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := c.Delete(t.Context(), keysOf(5)[4], keysOf(1)[0]); err != nil { // one unread, one read
			t.Fatal(err)
		}
		want := &warm.ValueStatus{Rows: 10, Warmed: 10, Useful: 4, Wasted: 1, Unread: 5, Hits: 12, UsefulShare: 0.8}
		if diff := cmp.Diff(want, value()); diff != "" {
			t.Errorf("after reads (-want +got):\n%s", diff)
		}
		wait(t.Context(), 2*time.Hour) // their TTL is one
		want = &warm.ValueStatus{Rows: 10, Warmed: 10, Useful: 4, Wasted: 6, Hits: 12, UsefulShare: 0.4}
		if diff := cmp.Diff(want, value()); diff != "" {
			t.Errorf("after their TTL (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(tiercache.WarmStats{Rows: 10, Warmed: 10, Useful: 4, Wasted: 6, Hits: 12}, c.Stats().Warm["popular"]); diff != "" {
			t.Errorf("Stats (-want +got):\n%s", diff)
		}
	})
}

func TestStatus_evictedUnread(t *testing.T) {
	c, err := tiercache.New(tiercache.Config[string, string]{Name: "small", TTL: time.Hour, Capacity: 100, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, c.Close)
	if err := c.RegisterLoader(rows("popular", keysOf(80)...)); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, off(), c)
	run(t, e, warm.Request{})
	for i := range 2000 { // a stream of others, each read: what nobody reads has to go
		key := string(rune('a'+i%26)) + time.Duration(i).String()
		if err := c.Set(t.Context(), key, "v"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	v := e.Status().Warmup.Tasks[0].Value
	if v.EvictedUnread == 0 || v.Useful != 0 || v.EvictedUnread+v.Wasted+v.Unread != 80 {
		t.Errorf("%+v, want some of the 80 evicted unread, and all of them accounted for", v)
	}
}

func TestPace(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		slow := loader{Name: "popular", Load: rows("", keysOf(500)...).Load}
		e := newEngine(t, warm.Config{ItemsPerSecond: 100, SkipStartup: true}, newCache(t, "c", slow))
		began := time.Now()
		if tr := task(t, run(t, e, warm.Request{}), "popular"); tr.Status != warm.TaskOK || tr.Items != 500 {
			t.Errorf("%+v, want ok with 500", tr)
		}
		if took := time.Since(began); took < 4800*time.Millisecond || took > 5*time.Second {
			t.Errorf("500 items at 100 a second took %v", took)
		}

		calls := newEngine(t, warm.Config{SourceCallsPerSecond: 2, SkipStartup: true, Concurrency: 8})
		slowTasks(t, calls, "a", "b", "c", "d", "e")
		began = time.Now()
		run(t, calls, warm.Request{})
		if took := time.Since(began); took != 3*time.Second { // they begin half a second apart, and take one each
			t.Errorf("5 calls at 2 a second took %v, want 3 s", took)
		}
	})
}

func TestPace_aTurnThatComesTooLateIsTheTimeout(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{ItemsPerSecond: 1, TaskTimeout: 3 * time.Second, SkipStartup: true}, newCache(t, "c", rows("popular", keysOf(50)...)))
		tr := task(t, run(t, e, warm.Request{}), "popular")
		if tr.Status != warm.TaskPartial || tr.Items == 0 || tr.Items > 5 || tr.Err == nil {
			t.Errorf("%+v, want partial with the few items that had their turn", tr)
		}
	})
}
