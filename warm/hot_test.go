package warm_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

func learner(t *testing.T, m *redistest.InMemory) (*tiercache.Redis, *cache) {
	t.Helper()
	r, err := tiercache.NewRedis(m.Client(), tiercache.RedisConfig{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r.Close) })
	c, err := tiercache.New(tiercache.Config[string, string]{
		Name: "brands", TTL: time.Hour, Redis: r, Logger: quiet(), LearnHot: 20,
		Load: func(_ context.Context, key string) (string, error) { return "value of " + key, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, c.Close) })
	return r, c
}

// A node that starts into a warm fleet has what the fleet reads in its memory by the time it is
// ready, and has asked the source for nothing.
func TestHot_aNewNodeIsWarm(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		m := redistest.Memory(t)
		_, old := learner(t, m)
		for i := range 10 {
			for range 40 - i {
				if _, err := old.Get(t.Context(), strconv.Itoa(i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		<-time.After(5 * time.Second)

		r, c := learner(t, m)
		e := newEngine(t, warm.Config{Redis: r, SkipSchedule: true}, c)
		start(t, e)
		<-e.Ready()
		for i := range 10 {
			if _, ok := c.Peek(strconv.Itoa(i)); !ok {
				t.Errorf("ready, but the hot key %d is not in memory", i)
			}
		}
		if n := c.Stats().Loads; n != 0 {
			t.Errorf("the source was asked %d times", n)
		}
		synctest.Wait()
		got := task(t, e.History()[0], "hot:brands")
		if got.Status != warm.TaskOK || got.Items != 10 || got.Result.Memory != 10 {
			t.Errorf("%+v, want ok with 10 in memory", got)
		}
		hot, err := e.Hot(t.Context(), "brands", 2)
		if err != nil || len(hot) != 2 || hot[0].Key != "0" {
			t.Errorf("Hot = %+v, %v", hot, err)
		}
		x, err := e.Explain(t.Context(), "brands", "3")
		if err != nil || !x.Memory.Fresh || x.Key != "3" {
			t.Errorf("Explain = %+v, %v", x, err)
		}
		if f := e.Lint(); len(f) != 0 {
			t.Errorf("findings about it: %v", f)
		}
	})
}

// Before anything is learned there is nothing to warm: that is no warning.
func TestHot_nothingLearnedYetIsNoWarning(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		m := redistest.Memory(t)
		r, c := learner(t, m)
		log := new(logBuffer)
		e := newEngine(t, warm.Config{Redis: r, Logger: slog.New(slog.NewTextHandler(log, nil))}, c)
		if tr := task(t, run(t, e, warm.Request{}), "hot:brands"); tr.Status != warm.TaskOK || tr.Warning != "" {
			t.Errorf("%+v, want ok without a warning", tr)
		}
		if text := log.String(); strings.Contains(text, "level=WARN") || !strings.Contains(text, "nothing was learned yet") {
			t.Errorf("the log says\n%s", text)
		}
	})
}

func TestHot_unknownCache(t *testing.T) {
	t.Parallel()
	e := newEngine(t, warm.Config{}, newCache(t, "brands", rows("a", "1")), newCache(t, "users"))
	_, err := e.Hot(t.Context(), "nobody", 1)
	var unknown *warm.UnknownCacheError
	if !errors.As(err, &unknown) || err.Error() != `warm: unknown cache "nobody"; known: brands, users` {
		t.Errorf("Hot of an unknown cache: %v", err)
	}
	if _, err = e.Explain(t.Context(), "nobody", "k"); !errors.As(err, &unknown) {
		t.Errorf("Explain of an unknown cache: %v", err)
	}
	if _, err = e.Hot(t.Context(), "users", 1); !errors.Is(err, tiercache.ErrNotLearning) {
		t.Errorf("Hot of a cache that learns nothing: %v", err)
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	small, err := tiercache.New(tiercache.Config[string, string]{Name: "small", TTL: time.Hour, Capacity: 10, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, small.Close)
	many := make([]string, 12)
	for i := range many {
		many[i] = "key " + strconv.Itoa(i)
	}
	first, second := rows("first", many...), rows("second", "x", "y", "x")
	second.After, second.MaxItems = []string{"first"}, 1
	if err := errors.Join(small.RegisterLoader(first), small.RegisterLoader(second)); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, warm.Config{}, small)
	if err := e.AddFunc("fn", func(context.Context) (int, error) { return 0, errors.New("it ran") }, warm.TaskOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := e.Plan(t.Context(), warm.Request{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.Tasks {
		got.Tasks[i].DurationSeconds = 0
	}
	want := warm.Plan{
		Tasks: []warm.TaskPlan{
			{Name: "first", Cache: "small", After: []string{}, Status: warm.TaskOK, Items: 12, Cost: 8, NoRoom: 4, Keys: many},
			{Name: "second", Cache: "small", After: []string{"first"}, Status: warm.TaskOK, Items: 1, Cost: 1, Keys: []string{"x"}},
			{Name: "fn", After: []string{}, Status: warm.TaskSkipped, Reason: "a function cannot be run without writing"},
		},
		Caches: []warm.CachePlan{{Name: "small", Capacity: 10, Takes: 9}},
		Findings: []warm.Finding{
			{Task: "first", Check: warm.CheckRoom, Message: "4 of 12 items found no room in memory"},
			{Task: "second", Check: warm.CheckMaxItems, Message: "MaxItems 1 was reached: the query returns more"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Plan (-want +got):\n%s", diff)
	}
	if n := small.Stats().Entries; n != 0 {
		t.Errorf("a plan brought %d entries", n)
	}

	if err := small.Set(t.Context(), "key 3", "v"); err != nil {
		t.Fatal(err)
	}
	got, err = e.Plan(t.Context(), warm.Request{Tasks: []string{"first"}})
	if err != nil || len(got.Tasks) != 1 || got.Tasks[0].FreshMemory != 1 || got.Tasks[0].Cost != 9 || got.Caches[0].Used != 1 {
		t.Errorf("Plan of first = %+v, %v; want one entry that is there, and room for nine more", got, err)
	}
	if _, err := e.Plan(t.Context(), warm.Request{Tasks: []string{"nobody"}}); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("Plan of an unknown task: %v", err)
	}
}

func TestLint_staticRoomAndTimeout(t *testing.T) {
	t.Parallel()
	c, err := tiercache.New(tiercache.Config[string, string]{Name: "c", TTL: 24 * time.Hour, Capacity: 100, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, c.Close)
	l := rows("a", "1")
	l.MaxItems, l.Timeout = 81, 2*time.Minute
	if err := c.RegisterLoader(l); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, warm.Config{}, c)
	want := []warm.Finding{
		{Task: "a", Check: warm.CheckTimeout, Message: "timeout 2m, but a run is over after 1m, and its tasks with it"},
		{Task: "a", Check: warm.CheckRoom, Message: "MaxItems 81, but memory takes 80 entries of a warm-up at most"},
	}
	if diff := cmp.Diff(want, e.Lint()); diff != "" {
		t.Errorf("Lint (-want +got):\n%s", diff)
	}
}
