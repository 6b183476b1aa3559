package warm_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// slowTasks adds functions that take a second each, or until their context's end, and counts their
// calls.
func slowTasks(t *testing.T, e *warm.Engine, names ...string) *atomic.Int64 {
	t.Helper()
	var calls atomic.Int64
	for _, name := range names {
		err := e.AddFunc(name, func(ctx context.Context) (int, error) {
			calls.Add(1)
			wait(ctx, time.Second)
			return 1, ctx.Err()
		}, warm.TaskOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	return &calls
}

type outcome struct {
	run warm.Run
	err error
}

// async calls Run in a goroutine.
func async(ctx context.Context, e *warm.Engine, req warm.Request) <-chan outcome {
	c := make(chan outcome, 1)
	go func() {
		r, err := e.Run(ctx, req)
		c <- outcome{r, err}
	}()
	return c
}

func TestRun_joinsARunOfTheSameTasks(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{})
		calls := slowTasks(t, e, "a", "b")
		var wg sync.WaitGroup
		ids := make([]string, 100)
		for i := range ids {
			wg.Go(func() {
				req := warm.Request{}
				if i%2 == 1 {
					req.Tasks = []string{"b", "a", "b"} // the same ones
				}
				r, err := e.Run(t.Context(), req)
				if err != nil || r.Err() != nil {
					t.Errorf("Run: %v, %v", err, r.Err())
				}
				ids[i] = r.ID
			})
		}
		wg.Wait()
		if calls.Load() != 2 || len(e.History()) != 1 {
			t.Errorf("%d calls, %d runs; want 2, 1", calls.Load(), len(e.History()))
		}
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("runs %q and %q, want one", id, ids[0])
			}
		}
	})
}

func TestRun_othersWaitTheirTurnInOneRun(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{})
		names := []string{"a", "b", "c", "d"}
		slowTasks(t, e, names...)
		first := async(t.Context(), e, warm.Request{Tasks: []string{"a"}})
		synctest.Wait()
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				name := names[1+i%3]
				r, err := e.Run(t.Context(), warm.Request{Tasks: []string{name}})
				if err != nil || task(t, r, name).Status != warm.TaskOK {
					t.Errorf("Run(%s): %+v, %v", name, r, err)
				}
			})
		}
		synctest.Wait()
		if got := e.Status().Warmup.QueuedRuns; got != 1 {
			t.Errorf("%d runs are queued, want 1", got)
		}
		wg.Wait()
		<-first
		h := e.History()
		if len(h) != 2 || len(h[1].Tasks) != 3 {
			t.Fatalf("history %+v, want a run of a, then one of b, c and d", h)
		}
		if h[1].Started.Before(h[0].Ended) {
			t.Error("two runs went on at once")
		}
	})
}

func TestRun_dryAndRealDontJoin(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{})
		slowTasks(t, e, "a")
		first := async(t.Context(), e, warm.Request{})
		synctest.Wait()
		dry := run(t, e, warm.Request{DryRun: true})
		if other := <-first; other.run.ID == dry.ID || !dry.DryRun || other.run.DryRun {
			t.Errorf("real %+v and dry %+v, want two runs", other.run, dry)
		}
	})
}

func TestRun_cancel(t *testing.T) {
	t.Run("alone", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			e := newEngine(t, warm.Config{Concurrency: 1})
			slowTasks(t, e, "a", "b")
			gone := errors.New("caller has left")
			ctx, cancel := context.WithCancelCause(t.Context())
			res := async(ctx, e, warm.Request{})
			synctest.Wait()
			cancel(gone)
			got := <-res
			want := map[string]warm.TaskStatus{"a": "cancelled", "b": "cancelled"}
			if diff := cmp.Diff(want, statuses(got.run)); diff != "" || got.err != nil {
				t.Errorf("error %v, statuses (-want +got):\n%s", got.err, diff)
			}
			if !errors.Is(got.run.Err(), gone) || got.run.Ended.IsZero() {
				t.Errorf("Err() = %v, Ended %v; want the cause, and an end", got.run.Err(), got.run.Ended)
			}
			if r := run(t, e, warm.Request{}); r.SuccessRate() != 100 {
				t.Errorf("the next run: %v", r.Err())
			}
		})
	})
	t.Run("joined by another", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			e := newEngine(t, warm.Config{})
			slowTasks(t, e, "a")
			ctx, cancel := context.WithCancel(t.Context())
			first := async(ctx, e, warm.Request{})
			synctest.Wait()
			second := async(t.Context(), e, warm.Request{})
			synctest.Wait()
			cancel()
			if got := <-first; !errors.Is(got.err, context.Canceled) || !got.run.Ended.IsZero() {
				t.Errorf("the caller that left: %+v, %v; want its own error and a run that goes on", got.run, got.err)
			}
			if got := <-second; got.err != nil || got.run.SuccessRate() != 100 {
				t.Errorf("the other: %v, %v; want its run", got.run.Err(), got.err)
			}
		})
	})
	t.Run("in the queue", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			e := newEngine(t, warm.Config{})
			calls := slowTasks(t, e, "a", "b")
			first := async(t.Context(), e, warm.Request{Tasks: []string{"a"}})
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			second := async(ctx, e, warm.Request{Tasks: []string{"b"}})
			synctest.Wait()
			cancel()
			if got := <-second; !errors.Is(got.err, context.Canceled) {
				t.Errorf("the caller that left the queue: %v, want its own error", got.err)
			}
			<-first
			synctest.Wait()
			if calls.Load() != 1 || len(e.History()) != 1 {
				t.Errorf("%d calls, %d runs; want the first alone", calls.Load(), len(e.History()))
			}
		})
	})
	t.Run("before it begins", func(t *testing.T) {
		e := newEngine(t, warm.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := e.Run(ctx, warm.Request{}); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want ctx's error", err)
		}
		if len(e.History()) != 0 {
			t.Error("it has run all the same")
		}
	})
}

func TestBegin_isTheEnginesRun(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{})
		slowTasks(t, e, "a")
		ctx, cancel := context.WithCancel(t.Context())
		ticket, err := e.Begin(ctx, warm.Request{Trigger: warm.TriggerHTTP})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		again, err := e.Begin(t.Context(), warm.Request{Trigger: warm.TriggerHTTP})
		if err != nil || !again.Joined() || again.ID() != ticket.ID() {
			t.Errorf("second Begin: %v, joined %v; want it to join", err, again.Joined())
		}
		leaves, leave := context.WithCancel(t.Context())
		joiner := async(leaves, e, warm.Request{})
		synctest.Wait()
		leave()
		<-joiner
		<-ticket.Done()
		if r, err := ticket.Run(); err != nil || r.SuccessRate() != 100 || r.Trigger != warm.TriggerHTTP {
			t.Errorf("Run() = %+v, %v; want it unharmed by who left", r, err)
		}
	})
}

func TestStop(t *testing.T) {
	t.Run("drains", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			e := newEngine(t, warm.Config{})
			slowTasks(t, e, "a", "b")
			first := async(t.Context(), e, warm.Request{Tasks: []string{"a"}})
			synctest.Wait()
			queued := async(t.Context(), e, warm.Request{Tasks: []string{"b"}})
			synctest.Wait()
			if err := e.Stop(t.Context()); err != nil {
				t.Errorf("Stop: %v", err)
			}
			if got := <-first; got.err != nil || got.run.SuccessRate() != 100 {
				t.Errorf("the running run: %v, %v; want it done", got.run.Err(), got.err)
			}
			if got := <-queued; !errors.Is(got.err, warm.ErrStopped) {
				t.Errorf("the queued run: %v, want ErrStopped", got.err)
			}
		})
	})
	t.Run("cancels when its context ends", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			e := newEngine(t, warm.Config{})
			err := e.AddFunc("long", func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, warm.TaskOptions{})
			if err != nil {
				t.Fatal(err)
			}
			res := async(t.Context(), e, warm.Request{})
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			begun := time.Now()
			if err := e.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Stop = %v, want its context's error", err)
			}
			if took := time.Since(begun); took != 3*time.Second {
				t.Errorf("Stop took %v, want 3s", took)
			}
			if got := <-res; task(t, got.run, "long").Status != warm.TaskCancelled {
				t.Errorf("the run: %+v, want it cancelled", got.run)
			}
		})
	})
	t.Run("names who ignores it", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			e := newEngine(t, warm.Config{})
			release := make(chan struct{})
			err := e.AddFunc("deaf", func(context.Context) (int, error) { <-release; return 0, nil }, warm.TaskOptions{})
			if err != nil {
				t.Fatal(err)
			}
			res := async(t.Context(), e, warm.Request{})
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			begun := time.Now()
			err = e.Stop(ctx)
			if err == nil || !strings.Contains(err.Error(), "deaf") || time.Since(begun) != time.Second {
				t.Errorf("Stop = %v after %v, want it to name deaf after 1s", err, time.Since(begun))
			}
			if got := <-res; task(t, got.run, "deaf").Status != warm.TaskAbandoned {
				t.Errorf("the run: %+v, want it abandoned", got.run)
			}
			close(release)
		})
	})
	t.Run("is in a hurry when its context ends", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			e := newEngine(t, warm.Config{TaskTimeout: time.Second, Grace: time.Hour})
			release := make(chan struct{})
			err := e.AddFunc("deaf", func(context.Context) (int, error) { <-release; return 0, nil }, warm.TaskOptions{})
			if err != nil {
				t.Fatal(err)
			}
			async(t.Context(), e, warm.Request{})
			wait(t.Context(), 10*time.Second) // deep in its grace
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			begun := time.Now()
			if err := e.Stop(ctx); err == nil || time.Since(begun) != 2*time.Second {
				t.Errorf("Stop = %v after %v, want an error after 2s", err, time.Since(begun))
			}
			close(release)
		})
	})
	t.Run("in any order", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			e := newEngine(t, warm.Config{}, newCache(t, "c", rows("a", "1")))
			for range 2 {
				if err := e.Stop(t.Context()); err != nil {
					t.Errorf("Stop before Start: %v", err)
				}
			}
			<-e.Ready() // nobody waits for ever
			for name, err := range map[string]error{
				"Start":   e.Start(t.Context()),
				"Run":     second(e.Run(t.Context(), warm.Request{})),
				"Begin":   second(e.Begin(t.Context(), warm.Request{})),
				"Add":     e.Add(newCache(t, "d", rows("b", "1"))),
				"AddFunc": e.AddFunc("f", func(context.Context) (int, error) { return 0, nil }, warm.TaskOptions{}),
			} {
				if !errors.Is(err, warm.ErrStopped) {
					t.Errorf("%s after Stop = %v, want ErrStopped", name, err)
				}
			}
		})
	})
	t.Run("by many, in traffic", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			e := newEngine(t, warm.Config{Interval: time.Second, Schedule: "* * * * * *"}, newCache(t, "c", rows("a", "1")))
			start(t, e)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					wait(t.Context(), time.Duration(i)*100*time.Millisecond)
					if _, err := e.Run(t.Context(), warm.Request{}); err != nil && !errors.Is(err, warm.ErrStopped) {
						t.Errorf("Run: %v", err)
					}
				})
				wg.Go(func() {
					wait(t.Context(), time.Second)
					if err := e.Stop(t.Context()); err != nil {
						t.Errorf("Stop: %v", err)
					}
				})
			}
			wg.Wait()
		})
	})
}

func second[T any](_ T, err error) error { return err }

func TestAdd_refuses(t *testing.T) {
	e := newEngine(t, warm.Config{}, newCache(t, "c", rows("a", "1")))
	fn := func(context.Context) (int, error) { return 0, nil }
	for name, err := range map[string]error{
		`"a"`:      e.Add(newCache(t, "d", rows("new", "1"), rows("a", "1"))),
		"nil":      e.Add(nil),
		"1 is nil": e.Add((*tiercache.Cache[string, string])(nil)),
		"task of":  e.AddFunc("a", fn, warm.TaskOptions{}),
		`"x y"`:    e.AddFunc("x y", fn, warm.TaskOptions{}),
		`""`:       e.AddFunc("", fn, warm.TaskOptions{}),
		"is nil":   e.AddFunc("f", nil, warm.TaskOptions{}),
		"Timeout":  e.AddFunc("f", fn, warm.TaskOptions{Timeout: -1}),
		"After":    e.AddFunc("f", fn, warm.TaskOptions{After: []string{"f"}}),
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want one that names %s", err, name)
		}
	}
	if diff := cmp.Diff([]string{"a"}, e.Status().Warmup.RegisteredTasks); diff != "" {
		t.Errorf("tasks after refused ones (-want +got):\n%s", diff)
	}
}

func TestNew_reportsEveryBadField(t *testing.T) {
	_, err := warm.New(warm.Config{
		Concurrency: -1, Schedule: "61 * * * *", Interval: 1, TaskTimeout: -1, Grace: -1, LockLife: -1, Timeout: -1, ReadyTimeout: -1,
		Priority: []string{"a", "a", "b c"},
	})
	for _, want := range []string{"Concurrency", "Schedule", "Interval", "TaskTimeout", "Grace", "LockLife", "\nTimeout", "ReadyTimeout", `"a"`, `"b c"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want it to name %s", err, want)
		}
	}
	if _, err := warm.New(warm.Config{Schedule: "0 0 31 2 *"}); err == nil || !strings.Contains(err.Error(), "never runs") {
		t.Errorf("a date that never comes: %v", err)
	}
	if _, err := warm.New(warm.Config{}); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
}

func TestRun_doesntJoinARunThatIsBeingCancelled(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{})
		first := true
		err := e.AddFunc("slow_to_leave", func(ctx context.Context) (int, error) {
			if first {
				first = false
				<-ctx.Done()
				wait(context.WithoutCancel(ctx), time.Second) // within Grace
				return 0, ctx.Err()
			}
			return 1, nil
		}, warm.TaskOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		leaver := async(ctx, e, warm.Request{})
		synctest.Wait()
		cancel()
		synctest.Wait()
		if r := run(t, e, warm.Request{}); r.SuccessRate() != 100 {
			t.Errorf("a call after the cancelled one: %v, want a run of its own", r.Err())
		}
		<-leaver
	})
}

func TestRun_dryAndRealWaitApart(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{})
		slowTasks(t, e, "a", "b")
		first := async(t.Context(), e, warm.Request{Tasks: []string{"a"}})
		synctest.Wait()
		dry := async(t.Context(), e, warm.Request{Tasks: []string{"b"}, DryRun: true})
		synctest.Wait()
		second := async(t.Context(), e, warm.Request{Tasks: []string{"b"}})
		<-first
		if got := <-dry; !got.run.DryRun {
			t.Errorf("the dry run: %+v", got.run)
		}
		if got := <-second; got.run.DryRun || got.run.SuccessRate() != 100 {
			t.Errorf("the real run: %+v", got.run)
		}
	})
}
