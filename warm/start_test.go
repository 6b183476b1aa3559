package warm_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// off is a configuration in which nothing runs by itself.
func off() warm.Config { return warm.Config{SkipStartup: true, SkipSchedule: true} }

func triggers(e *warm.Engine) []warm.Trigger {
	var all []warm.Trigger
	for _, r := range e.History() {
		all = append(all, r.Trigger)
	}
	return all
}

func TestStart_warmsInTheBackground(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{SkipSchedule: true})
		slowTasks(t, e, "a")
		begun := time.Now()
		start(t, e)
		if took := time.Since(begun); took != 0 {
			t.Errorf("Start took %v, want it to return at once", took)
		}
		if s := e.Status().Warmup; !s.Running || s.CurrentRun == nil || s.CurrentRun.Trigger != warm.TriggerStartup {
			t.Errorf("status %+v, want the startup run to go on", s)
		}
		if err := e.Start(t.Context()); !errors.Is(err, warm.ErrStarted) {
			t.Errorf("second Start = %v, want ErrStarted", err)
		}
		wait(t.Context(), 2*time.Second)
		if diff := cmp.Diff([]warm.Trigger{"startup"}, triggers(e)); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}

func TestStart_skipStartup(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, off(), newCache(t, "c", rows("a", "1")))
		start(t, e)
		wait(t.Context(), 48*time.Hour)
		if got := triggers(e); len(got) != 0 {
			t.Errorf("runs %v, want none", got)
		}
	})
}

func TestStart_disabled(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		l := rows("a", "1")
		l.Required = true
		e := newEngine(t, warm.Config{Disabled: true}, newCache(t, "c", l))
		start(t, e)
		<-e.Ready()
		wait(t.Context(), 48*time.Hour)
		if _, err := e.Run(t.Context(), warm.Request{}); !errors.Is(err, warm.ErrDisabled) {
			t.Errorf("Run = %v, want ErrDisabled", err)
		}
		if s := e.Status(); len(e.History()) != 0 || s.Warmup.Enabled || s.Scheduler.Running {
			t.Errorf("status %+v with %d runs, want nothing enabled and nothing run", s, len(e.History()))
		}
	})
}

func TestStart_theEndOfItsContextStops(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{})
		slowTasks(t, e, "a")
		ctx, cancel := context.WithCancel(t.Context())
		if err := e.Start(ctx); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if got := statuses(e.History()[0])["a"]; got != warm.TaskCancelled {
			t.Errorf("a: %s, want cancelled", got)
		}
		if _, err := e.Run(t.Context(), warm.Request{}); !errors.Is(err, warm.ErrStopped) {
			t.Errorf("Run = %v, want ErrStopped", err)
		}
		if err := e.Start(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Start with a context that is over = %v, want its error", err)
		}
	})
}

func TestSchedule_firesExactly(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) { // begins at midnight UTC, 2000-01-01
		berlin, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		cfg := warm.Config{SkipStartup: true, Interval: -1, Location: berlin}
		e := newEngine(t, cfg, newCache(t, "c", rows("a", "1")))
		start(t, e)
		wait(t.Context(), 48*time.Hour)
		synctest.Wait()
		var got []string
		for _, r := range e.History() {
			got = append(got, string(r.Trigger)+" "+r.Started.In(berlin).Format(time.DateTime))
		}
		want := []string{"schedule 2000-01-01 03:00:00", "schedule 2000-01-02 03:00:00"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}

func TestSchedule_interval(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{SkipStartup: true, Location: time.UTC, Schedule: "30 4 1 6 *"}, newCache(t, "c", rows("a", "1")))
		start(t, e)
		begun := time.Now()
		wait(t.Context(), 150*time.Minute)
		synctest.Wait()
		h := e.History()
		if len(h) != 2 || h[0].Started.Sub(begun) != time.Hour || h[1].Started.Sub(begun) != 2*time.Hour {
			t.Errorf("runs %+v, want them after 1h and 2h", h)
		}
	})
}

func TestSchedule_isSkippedWhileARunGoesOn(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{Interval: time.Minute, Timeout: time.Hour, TaskTimeout: time.Hour, Schedule: "30 4 1 6 *"})
		err := e.AddFunc("long", func(ctx context.Context) (int, error) { wait(ctx, 210*time.Second); return 1, nil }, warm.TaskOptions{})
		if err != nil {
			t.Fatal(err)
		}
		start(t, e)
		wait(t.Context(), 4*time.Minute+time.Second)
		synctest.Wait()
		s := e.Status().Warmup
		if len(e.History()) != 1 || s.SkippedRuns != 3 || s.QueuedRuns != 0 || !s.Running {
			t.Errorf("%d runs over, %d skipped, %d queued, running %v; want 1, 3, 0, true", len(e.History()), s.SkippedRuns, s.QueuedRuns, s.Running)
		}
	})
}

func refreshing(name string, ttl time.Duration, load func() error) loader {
	return loader{Name: name, TTL: ttl, RefreshAt: 0.8, Load: func(_ context.Context, emit func(string, string) error) error {
		if load != nil {
			if err := load(); err != nil {
				return err
			}
		}
		return emit("key", "value")
	}}
}

func TestRefresh_keepsEntriesWarm(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCache(t, "c", refreshing("a", 10*time.Minute, nil), rows("other", "1"))
		e := newEngine(t, warm.Config{SkipSchedule: true}, c)
		start(t, e)
		wait(t.Context(), time.Second)
		begun := e.History()[0].Started
		for range 59 { // a reader each minute; TTL 10 min, refreshed each 8
			wait(t.Context(), time.Minute)
			if _, err := c.Get(t.Context(), "key"); err != nil {
				t.Fatalf("cold after %v: %v", time.Since(begun), err)
			}
		}
		h := e.History()
		if len(h) != 8 {
			t.Fatalf("%d runs, want the startup and 7 refreshes", len(h))
		}
		for i, r := range h[1:] {
			if r.Trigger != warm.TriggerRefresh || len(r.Tasks) != 1 || r.Tasks[0].Name != "a" || r.Started.Sub(begun) != time.Duration(i+1)*8*time.Minute {
				t.Errorf("run %d: %s of %v after %v; want a refresh of a alone after %d times 8m", i+1, r.Trigger, statuses(r), r.Started.Sub(begun), i+1)
			}
		}
	})
}

func TestRefresh_stopsWhenNothingIsRead(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var log logBuffer
		c := newCache(t, "c", refreshing("a", 10*time.Minute, nil))
		e := newEngine(t, warm.Config{SkipSchedule: true, Logger: slog.New(slog.NewTextHandler(&log, nil))}, c)
		start(t, e)
		wait(t.Context(), 3*time.Hour)
		if got := len(e.History()); got != 3 { // at 8 and 16 minutes; at 24 it is idle
			t.Errorf("%d runs in 3 h without a read, want 3", got)
		}
		if !strings.Contains(log.String(), `msg="warm: refresh stopped" task=a`) {
			t.Errorf("the log doesn't say so:\n%s", log.String())
		}
		if r := e.Status().Warmup.Tasks[0].Refresh; r == nil || !r.Idle || r.NextUTC != nil {
			t.Errorf("refresh status %+v, want idle", r)
		}
		run(t, e, warm.Request{})
		wait(t.Context(), 9*time.Minute)
		if got := triggers(e)[3:]; !cmp.Equal(got, []warm.Trigger{"manual", "refresh"}) {
			t.Errorf("then %v, want it to resume after an ordinary run", got)
		}
	})
}

func TestRefresh_backsOffWhileTheSourceFails(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		fails := false
		calls := 0
		c := newCache(t, "c", refreshing("a", 10*time.Minute, func() error {
			calls++
			if fails {
				return errors.New("down")
			}
			return nil
		}))
		e := newEngine(t, warm.Config{SkipSchedule: true, Retries: -1}, c)
		start(t, e)
		wait(t.Context(), time.Minute)
		fails, calls = true, 0
		for range 60 {
			wait(t.Context(), time.Minute)
			_, _ = c.Get(t.Context(), "key")
		}
		if calls < 2 || calls > 20 {
			t.Errorf("%d calls of a dead source in an hour, want a few", calls)
		}
	})
}

func TestRefresh_waitsForTheRunInItsWay(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCache(t, "c", refreshing("a", 10*time.Minute, nil))
		e := newEngine(t, warm.Config{SkipSchedule: true, Timeout: time.Hour, TaskTimeout: time.Hour}, c)
		err := e.AddFunc("long", func(ctx context.Context) (int, error) { wait(ctx, 9*time.Minute); return 1, nil }, warm.TaskOptions{})
		if err != nil {
			t.Fatal(err)
		}
		start(t, e) // a is due at 8 min, and the run is over at 9
		wait(t.Context(), 9*time.Minute+time.Second)
		h := e.History()
		if len(h) != 2 || h[1].Trigger != warm.TriggerRefresh || h[1].Started.Before(h[0].Ended) {
			t.Errorf("runs %v, want the refresh right after the startup run", triggers(e))
		}
	})
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestReady(t *testing.T) {
	required := func(name string, load func(ctx context.Context) error) loader {
		return loader{Name: name, Required: true, Load: func(ctx context.Context, emit func(string, string) error) error {
			return errors.Join(load(ctx), emit(name, "v"))
		}}
	}
	takes := func(d time.Duration) func(context.Context) error {
		return func(ctx context.Context) error { wait(ctx, d); return nil }
	}
	optional := func(name string, load func(ctx context.Context) error) loader {
		l := required(name, load)
		l.Required = false
		return l
	}
	fails := func(context.Context) error { return permanent{errors.New("down")} }
	tests := []struct {
		name    string
		cfg     warm.Config
		loaders []loader
		open    time.Duration // still closed a moment before
		timeout bool
	}{
		{"once the required tasks are done", warm.Config{}, []loader{required("a", takes(2*time.Second)), required("b", takes(3*time.Second)), optional("c", takes(time.Minute))}, 3 * time.Second, false},
		{"at once without required tasks", warm.Config{}, []loader{optional("c", takes(time.Minute))}, 0, false},
		{"after the wait", warm.Config{ReadyTimeout: 5 * time.Second}, []loader{required("a", takes(20*time.Second))}, 5 * time.Second, true},
		{"after the wait where one failed", warm.Config{}, []loader{{Name: "a", Required: true, Load: func(ctx context.Context, _ func(string, string) error) error { return fails(ctx) }}}, 30 * time.Second, true},
		{"partial is enough", warm.Config{}, []loader{required("a", fails)}, 0, false},
		{"after the wait where nothing runs", warm.Config{SkipStartup: true}, []loader{required("a", takes(0))}, 30 * time.Second, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				tt.cfg.SkipSchedule = true
				e := newEngine(t, tt.cfg, newCache(t, "c", tt.loaders...))
				if isClosed(e.Ready()) {
					t.Error("ready before Start")
				}
				start(t, e)
				if tt.open > 0 {
					wait(t.Context(), tt.open-time.Millisecond)
					if isClosed(e.Ready()) {
						t.Errorf("ready before %v", tt.open)
					}
				}
				wait(t.Context(), 2*time.Millisecond)
				if !isClosed(e.Ready()) {
					t.Errorf("not ready after %v", tt.open)
				}
				if got := e.Status().Warmup.Ready; !got.Ready || got.TimedOut != tt.timeout {
					t.Errorf("status %+v, want ready and timed out %v", got, tt.timeout)
				}
			})
		})
	}
}

func TestReady_byALaterRun(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		l := rows("a", "1")
		l.Required = true
		e := newEngine(t, off(), newCache(t, "c", l))
		start(t, e)
		run(t, e, warm.Request{DryRun: true})
		if isClosed(e.Ready()) {
			t.Error("a dry run has made it ready")
		}
		run(t, e, warm.Request{})
		if !isClosed(e.Ready()) {
			t.Error("not ready though the required task is done")
		}
	})
}

func TestWatch(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{Concurrency: 1}, newCache(t, "c", rows("a", "1", "2")))
		slowTasks(t, e, "b")
		events := e.Watch(t.Context())
		r := run(t, e, warm.Request{})
		if err := e.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for ev := range events { // ends, since the engine has stopped
			if ev.Run != r.ID || ev.Time.IsZero() || ev.Total != 2 {
				t.Errorf("event %+v, want the run's ID, a time and a total of 2", ev)
			}
			got = append(got, strings.TrimSpace(string(ev.Kind)+" "+ev.Task+" "+string(ev.Status)))
		}
		want := []string{"run_started", "task_started a", "task_ended a ok", "task_started b", "task_ended b ok", "run_ended"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		for ev := range e.Watch(t.Context()) {
			t.Errorf("event %+v after Stop", ev)
		}
	})
}

func TestWatch_aSlowReaderLosesTheOldestAndHoldsNobody(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{}, newCache(t, "c", rows("a", "1")))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events := e.Watch(ctx)
		_ = e.Watch(t.Context()) // never read
		const runs = 100         // 400 events
		for range runs {
			run(t, e, warm.Request{})
		}
		n, dropped := 0, 0
		for ev := range events {
			n++
			dropped += ev.Dropped
			if n+dropped == 4*runs {
				cancel() // ends the sequence
			}
		}
		if n != 256 || dropped != 144 {
			t.Errorf("%d events read, %d dropped; want 256, 144", n, dropped)
		}
	})
}

var _ warm.Target = (*tiercache.Cache[string, int])(nil)
