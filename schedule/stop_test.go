package schedule_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/schedule"
)

func TestAdd_refuses(t *testing.T) {
	hourly := parse(t, "@hourly")
	tests := map[string]struct {
		job  schedule.Job
		is   error
		want []string
	}{
		"everything missing": {schedule.Job{}, nil, []string{"no Name", "no Schedule", "no Run"}},
		"negative durations": {
			schedule.Job{Name: "a", Schedule: hourly, Run: nothing, Timeout: -1, Jitter: -time.Second},
			nil,
			[]string{`job "a"`, "bad Timeout -1ns", "bad Jitter -1s"},
		},
		"a stable delay without a delay": {
			schedule.Job{Name: "a", Schedule: hourly, Run: nothing, StableJitter: true},
			nil,
			[]string{`job "a"`, "StableJitter", "Jitter"},
		},
		"unknown policies": {
			schedule.Job{Name: "a", Schedule: hourly, Run: nothing, Overlap: 9, Missed: -2},
			nil,
			[]string{"bad Overlap 9", "bad Missed -2"},
		},
		"taken name":      {schedule.Job{Name: "taken", Schedule: hourly, Run: nothing}, schedule.ErrDuplicate, []string{`"taken"`}},
		"impossible date": {schedule.Job{Name: "a", Schedule: parse(t, "0 0 31 2 *"), Run: nothing}, schedule.ErrNeverRuns, []string{"0 0 31 2 *"}},
		"passed year":     {schedule.Job{Name: "a", Schedule: parse(t, "0 0 0 1 1 * 1999"), Run: nothing}, schedule.ErrNeverRuns, []string{"1999"}},
		"zero interval":   {schedule.Job{Name: "a", Schedule: schedule.Interval{}, Run: nothing}, schedule.ErrNeverRuns, nil},
		"zero cron":       {schedule.Job{Name: "a", Schedule: &schedule.Cron{}, Run: nothing}, schedule.ErrNeverRuns, nil},
		"nil cron":        {schedule.Job{Name: "a", Schedule: (*schedule.Cron)(nil), Run: nothing}, nil, []string{"panic"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := schedule.New(schedule.Config{})
			if err := s.Add(schedule.Job{Name: "taken", Schedule: hourly, Run: nothing}); err != nil {
				t.Fatal(err)
			}
			err := s.Add(tt.job)
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Fatalf("Add(%+v) = %v, want %v", tt.job, err, tt.is)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if n := len(s.Jobs()); n != 1 {
				t.Errorf("%d jobs, want the first alone", n)
			}
		})
	}
}

func TestScheduler_lifecycle(t *testing.T) {
	ctx := t.Context()
	s := schedule.New(schedule.Config{})
	check := func(what string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	job := schedule.Job{Name: "a", Schedule: every(t, time.Hour), Run: nothing}
	check("Add", s.Add(job), nil)
	check("Stop before Start", s.Stop(ctx), schedule.ErrNotStarted)
	check("Trigger before Start", s.Trigger("a"), schedule.ErrNotStarted)
	check("Pause before Start", s.Pause("a"), nil)
	check("Resume before Start", s.Resume("a"), nil)
	check("Start", s.Start(ctx), nil)
	check("Start twice", s.Start(ctx), schedule.ErrStarted)
	check("Trigger of an unknown job", s.Trigger("b"), schedule.ErrUnknownJob)
	check("Pause of an unknown job", s.Pause("b"), schedule.ErrUnknownJob)
	check("Resume of an unknown job", s.Resume("b"), schedule.ErrUnknownJob)
	check("Stop", s.Stop(ctx), nil)
	check("Stop twice", s.Stop(ctx), nil)
	check("Start after Stop", s.Start(ctx), schedule.ErrStopped)
	check("Trigger after Stop", s.Trigger("a"), schedule.ErrStopped)
	check("Add after Stop", s.Add(schedule.Job{Name: "b", Schedule: every(t, time.Hour), Run: nothing}), schedule.ErrStopped)
	if !s.Remove("a") {
		t.Error("Remove after Stop: false")
	}

	ended, cancel := context.WithCancel(ctx)
	cancel()
	check("Start with an ended context", schedule.New(schedule.Config{}).Start(ended), context.Canceled)
	bad := schedule.New(schedule.Config{Concurrency: -1, MaxSleep: -1, Grace: -1}).Start(ctx)
	for _, field := range []string{"Concurrency", "MaxSleep", "Grace"} {
		if bad == nil || !strings.Contains(bad.Error(), field) {
			t.Errorf("a bad Config: %v, want %s named", bad, field)
		}
	}
}

func TestStop_waits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		s := begin(t, schedule.Config{Concurrency: 1},
			schedule.Job{Name: "slow", Schedule: parse(t, "* * * * *"), Overlap: schedule.OverlapQueue, Run: func(ctx context.Context) error {
				<-time.After(90 * time.Second)
				ended = true
				return ctx.Err()
			}},
			schedule.Job{Name: "waits for its slot", Schedule: parse(t, "30 1 * * * *"), Run: nothing})
		wait(2*time.Minute + time.Second)
		start := time.Now()
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		st := status(t, s, "slow")
		if waited := time.Since(start); waited != 29*time.Second || !ended || st.LastError != nil {
			t.Errorf("Stop took %v, ended %v, error %v; want 29s, true and none", waited, ended, st.LastError)
		}
		if st.Runs != 1 || st.Skipped != 1 || st.Queued != 0 {
			t.Errorf("status %+v, want the queued run skipped", st)
		}
		if st := status(t, s, "waits for its slot"); st.Runs != 0 || st.LastOutcome != schedule.OutcomeSkipped {
			t.Errorf("status %+v, want no run without its slot before Stop", st)
		}
	})
}

func TestStop_names_who_still_runs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := begin(t, schedule.Config{},
			schedule.Job{Name: "deaf", Schedule: every(t, time.Minute), Run: func(context.Context) error { <-release; return nil }},
			schedule.Job{Name: "heeds", Schedule: every(t, time.Minute), Run: func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }},
			schedule.Job{Name: "removed", Schedule: every(t, time.Minute), Run: func(context.Context) error { <-release; return nil }},
			schedule.Job{Name: "idle", Schedule: every(t, time.Minute), Run: nothing})
		wait(61 * time.Second)
		s.Remove("removed")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := s.Stop(ctx)
		var stopped *schedule.StopError
		if !errors.As(err, &stopped) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Stop = %v, want a StopError", err)
		}
		if diff := cmp.Diff([]string{"deaf", "heeds", "removed"}, stopped.Cancelled); diff != "" {
			t.Errorf("cancelled (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"deaf", "removed"}, stopped.Running); diff != "" {
			t.Errorf("still running (-want +got):\n%s", diff)
		}
		if st := status(t, s, "heeds"); !errors.Is(st.LastError, schedule.ErrStopped) {
			t.Errorf("the cancelled run ended with %v, want ErrStopped as the cause", st.LastError)
		}
		close(release) // the second Stop, at the end of the test, waits for them
	})
}

func TestStop_does_not_name_who_waits_for_a_slot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, schedule.Config{Concurrency: 1},
			schedule.Job{Name: "runs", Schedule: parse(t, "* * * * *"), Run: func(ctx context.Context) error { <-ctx.Done(); return nil }},
			schedule.Job{Name: "waits", Schedule: parse(t, "15 1 * * * *"), Run: nothing})
		wait(2 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var stopped *schedule.StopError
		if err := s.Stop(ctx); !errors.As(err, &stopped) {
			t.Fatalf("Stop = %v, want a StopError", err)
		}
		if diff := cmp.Diff([]string{"runs"}, stopped.Cancelled); diff != "" {
			t.Errorf("cancelled (-want +got):\n%s", diff)
		}
		if st := status(t, s, "waits"); st.Runs != 0 || st.LastOutcome != schedule.OutcomeSkipped || !errors.Is(s.History("waits")[0].Err, schedule.ErrStopped) {
			t.Errorf("status %+v, history %+v; want its run skipped by Stop", st, s.History("waits"))
		}
	})
}

// A program whose context a signal has ended often stops with that context.
func TestStop_with_an_ended_context(t *testing.T) {
	t.Run("nothing runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := begin(t, schedule.Config{}, schedule.Job{Name: "a", Schedule: every(t, time.Hour), Run: nothing})
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Stop(ended); err != nil {
				t.Errorf("Stop = %v, want none: nothing was cut short", err)
			}
		})
	})
	t.Run("a hook hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			s := begin(t, schedule.Config{OnDone: func(schedule.Run) { <-release }},
				schedule.Job{Name: "a", Schedule: every(t, time.Hour), Run: nothing})
			wait(time.Hour)
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			const want = "schedule: stop: context canceled: a hook or the handler of Config.Logger has not returned"
			if err := s.Stop(ended); err == nil || err.Error() != want {
				t.Errorf("Stop = %v, want %s", err, want)
			}
			close(release)
		})
	})
	t.Run("a log handler hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log := stuckHandler{slog.DiscardHandler, make(chan struct{})}
			fails := func(context.Context) error { return errors.New("down") }
			s := begin(t, schedule.Config{Logger: slog.New(log)}, schedule.Job{Name: "a", Schedule: every(t, time.Hour), Run: fails})
			wait(time.Hour)
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			begun := time.Now()
			if err := s.Stop(ended); err == nil || !strings.Contains(err.Error(), "Config.Logger") || time.Since(begun) > time.Second {
				t.Errorf("Stop = %v after %v, want it to name the log within a second", err, time.Since(begun))
			}
			if st := status(t, s, "a"); st.Failures != 1 {
				t.Errorf("status %+v, want one failure", st)
			}
			close(log.release)
		})
	})
}

// stuckHandler is a log handler that does not return before it is released.
type stuckHandler struct {
	slog.Handler
	release chan struct{}
}

func (stuckHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h stuckHandler) Handle(context.Context, slog.Record) error {
	<-h.release
	return nil
}

func TestStart_ends_with_its_context(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := schedule.New(schedule.Config{Logger: quiet()})
		runs := 0
		err := s.Add(schedule.Job{Name: "a", Schedule: every(t, time.Minute), Run: func(context.Context) error { runs++; return nil }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := s.Start(ctx); err != nil {
			t.Fatal(err)
		}
		wait(90 * time.Second)
		cancel()
		wait(time.Hour)
		if err := s.Trigger("a"); runs != 1 || !errors.Is(err, schedule.ErrStopped) {
			t.Errorf("%d runs, Trigger: %v; want 1 and ErrStopped", runs, err)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
