package warm_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

func TestRun_everyTask(t *testing.T) {
	brands := newCache(t, "brands", rows("popular_brands", "a", "b"))
	reports := newCache(t, "reports", rows("recent_reports", "1", "2", "3"))
	e := newEngine(t, warm.Config{}, brands, reports)
	if err := e.AddFunc("extra", func(context.Context) (int, error) { return 7, nil }, warm.TaskOptions{}); err != nil {
		t.Fatal(err)
	}

	r := run(t, e, warm.Request{})

	if err := r.Err(); err != nil {
		t.Errorf("Err() = %v, want nil", err)
	}
	if r.Items() != 12 || r.SuccessRate() != 100 || r.Trigger != warm.TriggerManual || r.ID == "" {
		t.Errorf("Items %d, SuccessRate %v, Trigger %q, ID %q; want 12, 100, manual, some", r.Items(), r.SuccessRate(), r.Trigger, r.ID)
	}
	if got := task(t, r, "recent_reports"); got.Role != warm.RoleLocal || got.Attempts != 1 || got.Items != 3 || got.Result.Memory != 3 {
		t.Errorf("recent_reports = %+v, want local, 1 attempt, 3 items, 3 in memory", got)
	}
	if entry, ok := brands.Peek("b"); !ok || entry.Value != "value of b" {
		t.Errorf("Peek(b) = %+v, %v, want the warmed value", entry, ok)
	}
}

func TestRun_order(t *testing.T) {
	tests := []struct {
		name     string
		priority []string
		want     string
	}{
		{"a list", []string{"low", "plain"}, "low plain high mid user_stats base top"},
		{"no list: the engine knows no names", nil, "high mid low user_stats base top plain"},
		{"an empty list", []string{}, "high mid low user_stats base top plain"},
	}
	for _, tt := range tests {
		for _, cfg := range []warm.Config{{Concurrency: 1}, {Sequential: true, Concurrency: 8}} {
			t.Run(fmt.Sprintf("%s/concurrency %d", tt.name, cfg.Concurrency), func(t *testing.T) {
				cfg.Priority = tt.priority
				e := newEngine(t, cfg)
				var order diary
				for _, def := range []struct {
					name string
					opts warm.TaskOptions
				}{
					{"low", warm.TaskOptions{}},
					{"top", warm.TaskOptions{Priority: 100, After: []string{"base"}}}, // its dependency decides
					{"mid", warm.TaskOptions{Priority: 5}},
					{"user_stats", warm.TaskOptions{}},
					{"base", warm.TaskOptions{}},
					{"high", warm.TaskOptions{Priority: 9}},
					{"plain", warm.TaskOptions{}},
				} {
					if err := e.AddFunc(def.name, func(context.Context) (int, error) { order.note(def.name); return 1, nil }, def.opts); err != nil {
						t.Fatal(err)
					}
				}
				r := run(t, e, warm.Request{})
				if got := strings.Join(order.read(), " "); got != tt.want {
					t.Errorf("order %q, want %q", got, tt.want)
				}
				if r.SuccessRate() != 100 {
					t.Errorf("SuccessRate %v: %v", r.SuccessRate(), r.Err())
				}
			})
		}
	}
}

func TestRun_dependenciesAcrossCachesHoldNoSlot(t *testing.T) {
	var order diary
	noting := func(l loader, after ...string) loader {
		load := l.Load
		l.After = after
		l.Load = func(ctx context.Context, emit func(string, string) error) error {
			order.note(l.Name)
			return load(ctx, emit)
		}
		return l
	}
	one := newCache(t, "one", noting(rows("c", "1"), "b"), noting(rows("a", "2")))
	two := newCache(t, "two", noting(rows("b", "3"), "a"))
	e := newEngine(t, warm.Config{Concurrency: 2}, one, two)
	if r := run(t, e, warm.Request{}); r.SuccessRate() != 100 {
		t.Fatalf("run: %v", r.Err())
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, order.read()); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestRun_concurrencyIsBounded(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{Concurrency: 3})
		var now, most atomic.Int64
		for i := range 10 {
			err := e.AddFunc(fmt.Sprintf("t%d", i), func(ctx context.Context) (int, error) {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				wait(ctx, time.Second)
				now.Add(-1)
				return 1, nil
			}, warm.TaskOptions{})
			if err != nil {
				t.Fatal(err)
			}
		}
		r := run(t, e, warm.Request{})
		if most.Load() != 3 || r.Duration() != 4*time.Second {
			t.Errorf("at most %d at once in %v, want 3 in 4s", most.Load(), r.Duration())
		}
	})
}

// wait returns after d or at ctx's end.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func TestRun_refusesWhatCannotRun(t *testing.T) {
	c := newCache(t, "c", rows("a", "1"), rows("b", "1"))
	tests := []struct {
		name  string
		cfg   warm.Config
		after map[string][]string
		req   warm.Request
		want  []string
	}{
		{"unknown task", warm.Config{}, nil, warm.Request{Tasks: []string{"a", "nope\n"}}, []string{`"nope\n"`, "known: a, b"}},
		{"unknown priority", warm.Config{Priority: []string{"a", "typo"}}, nil, warm.Request{}, []string{`"typo"`, "known: a, b"}},
		{"unknown dependency", warm.Config{}, map[string][]string{"x": {"ghost"}}, warm.Request{}, []string{`"x"`, `"ghost"`}},
		{"cycle", warm.Config{}, map[string][]string{"x": {"y"}, "y": {"z"}, "z": {"x"}}, warm.Request{}, []string{"cycle", "x after y after z after x"}},
		{"trigger", warm.Config{}, nil, warm.Request{Trigger: "me"}, []string{`"me"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t, tt.cfg, c)
			for _, name := range []string{"x", "y", "z"} {
				if after, ok := tt.after[name]; ok {
					if err := e.AddFunc(name, func(context.Context) (int, error) { return 0, nil }, warm.TaskOptions{After: after}); err != nil {
						t.Fatal(err)
					}
				}
			}
			_, err := e.Run(t.Context(), tt.req)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want it to name %s", err, want)
				}
			}
			if n := len(e.History()); n != 0 {
				t.Errorf("%d runs in History, want none", n)
			}
			if len(tt.req.Tasks) == 0 && tt.req.Trigger == "" {
				if err := e.Start(t.Context()); err == nil {
					t.Error("Start: no error")
				}
			}
		})
	}
}

func TestRun_failuresStayApart(t *testing.T) {
	boom := errors.New("table is gone")
	c := newCache(
		t, "c",
		rows("good", "1", "2"),
		loader{Name: "bad", Load: func(context.Context, func(string, string) error) error { return permanent{boom} }},
		loader{Name: "half", Load: func(_ context.Context, emit func(string, string) error) error {
			return errors.Join(emit("3", "x"), permanent{boom})
		}},
		loader{Name: "panics", Load: func(context.Context, func(string, string) error) error { panic("at the disco") }},
		loader{Name: "exits", Load: func(context.Context, func(string, string) error) error { runtime.Goexit(); return nil }},
		loader{Name: "empty", Load: func(context.Context, func(string, string) error) error { return nil }},
	)
	e := newEngine(t, warm.Config{}, c)
	add := func(name string, fn func(context.Context) (int, error), after ...string) {
		t.Helper()
		if err := e.AddFunc(name, fn, warm.TaskOptions{After: after}); err != nil {
			t.Fatal(err)
		}
	}
	ok := func(context.Context) (int, error) { return 1, nil }
	add("func_panics", func(context.Context) (int, error) { panic(boom) })
	add("func_exits", func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
	add("after_bad", ok, "bad")
	add("after_after_bad", ok, "after_bad")
	add("after_half", ok, "half")

	r := run(t, e, warm.Request{})

	want := map[string]warm.TaskStatus{
		"good": "ok", "bad": "failed", "half": "partial", "panics": "failed", "exits": "failed", "empty": "ok",
		"func_panics": "failed", "func_exits": "failed", "after_bad": "skipped", "after_after_bad": "skipped", "after_half": "ok",
	}
	if diff := cmp.Diff(want, statuses(r)); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if !errors.Is(r.Err(), boom) || !errors.Is(task(t, r, "bad").Err, boom) {
		t.Errorf("Err() = %v, want it to wrap the loader's", r.Err())
	}
	for _, name := range []string{"panics", "func_panics"} {
		var p *tiercache.PanicError
		if got := task(t, r, name); !errors.As(got.Err, &p) || len(p.Stack) == 0 || got.Attempts != 1 {
			t.Errorf("%s: %v after %d attempts, want a PanicError with its stack after 1", name, got.Err, got.Attempts)
		}
	}
	if got := task(t, r, "func_exits").Err; !errors.Is(got, tiercache.ErrGoexit) {
		t.Errorf("func_exits: %v, want ErrGoexit", got)
	}
	if got := task(t, r, "after_bad"); got.Attempts != 0 || !strings.Contains(got.Err.Error(), "after bad, which is failed") {
		t.Errorf("after_bad: %+v, want no attempt and the reason", got)
	}
	if got := task(t, r, "empty").Warning; got == "" {
		t.Error("a loader without rows has no warning")
	}
	if got := task(t, r, "half").Items; got != 1 {
		t.Errorf("half: %d items, want the one that was cached", got)
	}
}

// permanent is an error that isn't worth another try.
type permanent struct{ error }

func (permanent) Permanent() bool { return true }
func (p permanent) Unwrap() error { return p.error }

func TestRun_retries(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		c := newCache(t, "c", loader{Name: "flaky", Load: func(_ context.Context, emit func(string, string) error) error {
			if calls.Add(1) < 3 {
				return errors.New("connection reset")
			}
			return emit("k", "v")
		}})
		e := newEngine(t, warm.Config{}, c)
		if got := task(t, run(t, e, warm.Request{}), "flaky"); got.Status != warm.TaskOK || got.Attempts != 3 {
			t.Errorf("flaky: %s after %d attempts (%v), want ok after 3", got.Status, got.Attempts, got.Err)
		}

		never := newEngine(t, warm.Config{Retries: -1}, c)
		calls.Store(0)
		if got := task(t, run(t, never, warm.Request{}), "flaky"); got.Status != warm.TaskFailed || got.Attempts != 1 {
			t.Errorf("without retries: %s after %d attempts, want failed after 1", got.Status, got.Attempts)
		}
	})
}

func TestRun_retryBudgetSparesADeadSource(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{})
		var calls atomic.Int64
		const tasks = 20
		for i := range tasks {
			err := e.AddFunc(fmt.Sprintf("t%d", i), func(context.Context) (int, error) {
				calls.Add(1)
				return 0, errors.New("source is down")
			}, warm.TaskOptions{})
			if err != nil {
				t.Fatal(err)
			}
		}
		r := run(t, e, warm.Request{})
		if calls.Load() != 2*tasks || r.SuccessRate() != 0 {
			t.Errorf("%d calls of the source, success rate %v; want %d, 0", calls.Load(), r.SuccessRate(), 2*tasks)
		}
	})
}

func TestRun_retriesStayInTheTasksTimeout(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{TaskTimeout: 10 * time.Millisecond, Retries: 1000})
		for i := range 200 { // of 200 random waits, some are over 10 ms
			err := e.AddFunc(fmt.Sprintf("t%d", i), func(context.Context) (int, error) { return 0, errors.New("down") }, warm.TaskOptions{})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, tr := range run(t, e, warm.Request{}).Tasks {
			if took := tr.Ended.Sub(tr.Started); took > 10*time.Millisecond {
				t.Fatalf("%s took %v, over its timeout", tr.Name, took)
			}
		}
	})
}

func TestRun_timeouts(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context, emit func(string, string) error) error {
			if err := emit("k", "v"); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}
		c := newCache(t, "c", loader{Name: "slow", Load: slow}, loader{Name: "own", Load: slow, Timeout: 3 * time.Second})
		e := newEngine(t, warm.Config{TaskTimeout: 10 * time.Second, Timeout: 20 * time.Second, Concurrency: 1}, c)
		for _, name := range []string{"third", "fourth"} {
			err := e.AddFunc(name, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, warm.TaskOptions{Priority: -1})
			if err != nil {
				t.Fatal(err)
			}
		}
		r := run(t, e, warm.Request{})
		if r.Duration() != 20*time.Second {
			t.Errorf("the run took %v, want its timeout of 20s", r.Duration())
		}
		for name, want := range map[string]string{
			"slow": "the task's timeout of 10s is over", "own": "the task's timeout of 3s is over",
			"third": "the run's timeout of 20s is over", "fourth": "the run's timeout of 20s is over",
		} {
			got := task(t, r, name)
			if got.Err == nil || !strings.Contains(got.Err.Error(), want) || !errors.Is(got.Err, context.DeadlineExceeded) {
				t.Errorf("%s: %s, %v; want %q", name, got.Status, got.Err, want)
			}
			if got.Attempts > 1 {
				t.Errorf("%s: %d attempts, want no retry of a timeout", name, got.Attempts)
			}
		}
		if got := task(t, r, "third").Status; got != warm.TaskFailed {
			t.Errorf("third: %s, want failed", got)
		}
		if got := task(t, r, "fourth").Status; got != warm.TaskCancelled {
			t.Errorf("fourth, which had not begun: %s, want cancelled", got)
		}
	})
}

func TestRun_abandonsALoaderThatIgnoresItsContext(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var late error
		c := newCache(t, "c", loader{Name: "deaf", Timeout: 2 * time.Second, Load: func(_ context.Context, emit func(string, string) error) error {
			<-release
			late = emit("late", "v")
			return late
		}}, rows("good", "1"))
		e := newEngine(t, warm.Config{Grace: 3 * time.Second}, c)

		r := run(t, e, warm.Request{})
		if got := task(t, r, "deaf"); got.Status != warm.TaskAbandoned || r.Duration() != 5*time.Second {
			t.Errorf("deaf: %s after %v, want abandoned after 5s", got.Status, r.Duration())
		}
		if diff := cmp.Diff([]string{"deaf"}, e.Status().Warmup.Abandoned); diff != "" {
			t.Errorf("Abandoned (-want +got):\n%s", diff)
		}

		again := run(t, e, warm.Request{})
		if got := task(t, again, "deaf"); got.Status != warm.TaskSkipped || !strings.Contains(got.Err.Error(), "still runs") {
			t.Errorf("deaf, while it still runs: %s (%v), want skipped with the reason", got.Status, got.Err)
		}
		if diff := cmp.Diff([]string{"deaf"}, e.Status().Warmup.Abandoned); diff != "" {
			t.Errorf("Abandoned after another run (-want +got):\n%s", diff)
		}

		close(release)
		synctest.Wait()
		if late == nil {
			t.Error("an emit after the run was taken")
		}
		if _, ok := c.Peek("late"); ok {
			t.Error("what a loader emitted after it was abandoned is in the cache")
		}
		if got := e.Status().Warmup.Abandoned; len(got) != 0 {
			t.Errorf("Abandoned = %v, want none once the loader has returned", got)
		}
	})
}

func TestRun_dry(t *testing.T) {
	c := newCache(t, "c", rows("a", "1", "2"))
	e := newEngine(t, warm.Config{}, c)
	if err := e.AddFunc("fn", func(context.Context) (int, error) { t.Error("a function ran dry"); return 0, nil }, warm.TaskOptions{}); err != nil {
		t.Fatal(err)
	}
	r := run(t, e, warm.Request{DryRun: true})
	if !r.DryRun || task(t, r, "a").Result.Emitted != 2 || task(t, r, "fn").Status != warm.TaskSkipped {
		t.Errorf("dry run: %+v", r)
	}
	if _, ok := c.Peek("1"); ok {
		t.Error("a dry run wrote")
	}
	if e.Status().Warmup.LastMetrics != nil {
		t.Error("a dry run has become the last metrics")
	}
	if len(e.History()) != 1 {
		t.Error("a dry run is not in History")
	}
}

func TestRun_maxItemsIsABoundAndNoFailure(t *testing.T) {
	l := rows("many", "1", "2", "3", "4")
	l.MaxItems = 2
	e := newEngine(t, warm.Config{}, newCache(t, "c", l))
	got := task(t, run(t, e, warm.Request{}), "many")
	if got.Status != warm.TaskOK || got.Items != 2 || got.Attempts != 1 || !strings.Contains(got.Warning, "MaxItems 2") {
		t.Errorf("many: %+v, want ok with 2 items, 1 attempt and a warning", got)
	}
}

func TestHistory_keepsTheLast50AndCopies(t *testing.T) {
	e := newEngine(t, warm.Config{}, newCache(t, "c", rows("a", "1")))
	var ids []string
	for range 55 {
		ids = append(ids, run(t, e, warm.Request{}).ID)
	}
	h := e.History()
	got := make([]string, 0, len(h))
	for _, r := range h {
		got = append(got, r.ID)
	}
	if diff := cmp.Diff(ids[5:], got); diff != "" {
		t.Errorf("History (-want +got):\n%s", diff)
	}
	h[0].Tasks[0].Name = "scribble"
	if e.History()[0].Tasks[0].Name != "a" {
		t.Error("History shares its records with the caller")
	}
}

func TestRun_logLines(t *testing.T) {
	var log logBuffer
	c := newCache(t, "c", rows("good", "1"), loader{Name: "bad", Load: func(context.Context, func(string, string) error) error {
		return permanent{errors.New("no\ntable")}
	}})
	e := newEngine(t, warm.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, c)
	run(t, e, warm.Request{})
	for _, want := range []string{
		`msg="warm: run started"`, "tasks=2 concurrent=true",
		`msg="warm: task ended"`, "task=good status=ok items=1",
		`msg="warm: task failed"`, "task=bad status=failed", `error="no\ntable"`,
		`msg="warm: run ended"`, "completed=1 total=2",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
}
