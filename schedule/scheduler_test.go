package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/schedule"
)

// log keeps the due and start times of runs.
type log struct {
	mu   sync.Mutex
	runs []schedule.Run
}

func (l *log) run(ctx context.Context) error {
	r, _ := schedule.RunFromContext(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs = append(l.runs, r)
	return nil
}

func (l *log) all() []schedule.Run {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.runs)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// begin adds the jobs to a scheduler in UTC, starts it, and stops it at the end of the test.
func begin(t *testing.T, cfg schedule.Config, jobs ...schedule.Job) *schedule.Scheduler {
	t.Helper()
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	s := schedule.New(cfg)
	for _, j := range jobs {
		if err := s.Add(j); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// the context of the test has ended, and so have the runs
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func status(t *testing.T, s *schedule.Scheduler, name string) schedule.JobStatus {
	t.Helper()
	for _, st := range s.Jobs() {
		if st.Name == name {
			return st
		}
	}
	t.Fatalf("no job %q", name)
	return schedule.JobStatus{}
}

func every(tb testing.TB, d time.Duration) schedule.Interval {
	tb.Helper()
	i, err := schedule.Every(d)
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

// wait lets virtual time pass and the runs of that time begin.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func nothing(context.Context) error { return nil }

func TestScheduler_fires_exactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		start := time.Now().UTC() // midnight, 2000-01-01
		begin(t, schedule.Config{}, schedule.Job{Name: "cron", Schedule: parse(t, "*/15 9 * * *"), Run: l.run})
		wait(24 * time.Hour)
		var got []time.Duration
		for _, r := range l.all() {
			got = append(got, r.Due.Sub(start))
			if !r.Started.Equal(r.Due) || r.Late != 0 || r.Missed != 0 {
				t.Errorf("run %+v: want it started when due", r)
			}
		}
		h := 9 * time.Hour
		want := []time.Duration{h, h + 15*time.Minute, h + 30*time.Minute, h + 45*time.Minute}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}

// TestScheduler_years runs daily jobs in a zone with daylight saving for years and compares with
// the parser's own due times.
func TestScheduler_years(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loc := location(t, "America/New_York")
		schedules := map[string]schedule.Schedule{
			"gap":     parse(t, "30 2 * * *"),
			"overlap": parse(t, "30 1 * * *"),
			"leap":    parse(t, "0 0 29 2 *"),
			"elapsed": every(t, 36*time.Hour),
		}
		logs := map[string]*log{}
		var jobs []schedule.Job
		for name, sch := range schedules {
			logs[name] = &log{}
			jobs = append(jobs, schedule.Job{Name: name, Schedule: sch, Run: logs[name].run})
		}
		start := time.Now().In(loc)
		begin(t, schedule.Config{Location: loc, MaxSleep: time.Hour}, jobs...)
		wait(10 * 365 * 24 * time.Hour)
		for name, l := range logs {
			at := start
			runs := l.all()
			for i, r := range runs {
				if at = schedules[name].Next(at); !r.Due.Equal(at) || !r.Started.Equal(at) {
					t.Fatalf("%s: run %d due %v, started %v, want both %v", name, i, r.Due, r.Started, at)
				}
			}
			want := map[string]int{"gap": 3650, "overlap": 3650, "leap": 3, "elapsed": 2433}[name]
			if len(runs) != want {
				t.Errorf("%s: %d runs in ten years, want %d", name, len(runs), want)
			}
		}
	})
}

func TestScheduler_interval_does_not_drift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		start := time.Now()
		begin(t, schedule.Config{}, schedule.Job{Name: "a", Schedule: parse(t, "@every 10s"), Run: func(ctx context.Context) error {
			<-time.After(3 * time.Second)
			return l.run(ctx)
		}})
		wait(time.Hour)
		for i, r := range l.all() {
			if want := start.Add(time.Duration(i+1) * 10 * time.Second); !r.Due.Equal(want) || !r.Started.Equal(want) {
				t.Fatalf("run %d: due %v, started %v, want %v", i, r.Due, r.Started, want)
			}
		}
		if n := len(l.all()); n != 359 {
			t.Errorf("%d runs ended in an hour, want 359", n)
		}
	})
}

func TestScheduler_overlap(t *testing.T) {
	// A run takes 24 s and is due every 10 s, for a minute.
	tests := map[string]struct {
		policy                                  schedule.Overlap
		begun, skipped, queued, most, cancelled int
	}{
		"skip":    {policy: schedule.OverlapSkip, begun: 2, skipped: 4, most: 1},
		"queue":   {policy: schedule.OverlapQueue, begun: 3, skipped: 2, queued: 1, most: 1},
		"allow":   {policy: schedule.OverlapAllow, begun: 6, most: 3},
		"replace": {policy: schedule.OverlapReplace, begun: 6, most: 1, cancelled: 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var begun, now, most, cancelled atomic.Int32
				s := begin(t, schedule.Config{}, schedule.Job{
					Name: "a", Schedule: every(t, 10*time.Second), Overlap: tt.policy,
					Run: func(ctx context.Context) error {
						begun.Add(1)
						most.Store(max(most.Load(), now.Add(1)))
						defer now.Add(-1)
						select {
						case <-time.After(24 * time.Second):
							return nil
						case <-ctx.Done():
							cancelled.Add(1)
							return context.Cause(ctx)
						}
					},
				})
				wait(61 * time.Second)
				st := status(t, s, "a")
				got := []int{int(begun.Load()), st.Skipped, st.Queued, int(most.Load()), int(cancelled.Load())}
				want := []int{tt.begun, tt.skipped, tt.queued, tt.most, tt.cancelled}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("begun, skipped, queued, most at once, cancelled (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// unprintable panics with itself where it is printed, which fmt and slog pass on.
type unprintable struct{}

func (u unprintable) Error() string { panic(u) }

// panicky is a log handler that panics.
type panicky struct{ slog.Handler }

func (panicky) Enabled(context.Context, slog.Level) bool  { return true }
func (panicky) Handle(context.Context, slog.Record) error { panic("Handle") }

func TestScheduler_isolates_failures(t *testing.T) {
	boom := errors.New("boom")
	tests := map[string]struct {
		run     func(context.Context) error
		outcome schedule.Outcome
		check   func(error) bool
	}{
		"error": {func(context.Context) error { return boom }, schedule.OutcomeError, func(err error) bool { return errors.Is(err, boom) }},
		"panic": {func(context.Context) error { panic("no") }, schedule.OutcomePanic, func(err error) bool {
			var p *schedule.PanicError
			return errors.As(err, &p) && p.Value == "no" && strings.Contains(string(p.Stack), "scheduler_test.go")
		}},
		"panic with an error": {func(context.Context) error { panic(boom) }, schedule.OutcomePanic, func(err error) bool { return errors.Is(err, boom) }},
		"Goexit": {func(context.Context) error { runtime.Goexit(); return nil }, schedule.OutcomeError, func(err error) bool {
			return errors.Is(err, schedule.ErrGoexit)
		}},
		"an unprintable panic": {func(context.Context) error { panic(unprintable{}) }, schedule.OutcomePanic, func(err error) bool { return err.Error() != "" }},
		"unprintable":          {func(context.Context) error { return unprintable{} }, schedule.OutcomeError, func(err error) bool { return errors.Is(err, unprintable{}) }},
		"timeout": {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, schedule.OutcomeError, func(err error) bool {
			return errors.Is(err, context.DeadlineExceeded)
		}},
	}
	for name, tt := range tests {
		for _, policy := range []schedule.Overlap{schedule.OverlapSkip, schedule.OverlapQueue, schedule.OverlapAllow, schedule.OverlapReplace} {
			t.Run(fmt.Sprint(name, policy), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := begin(t, schedule.Config{Concurrency: 1, Logger: slog.New(panicky{slog.DiscardHandler})}, schedule.Job{
						Name: "a", Schedule: every(t, time.Minute), Run: tt.run, Overlap: policy, Timeout: time.Second,
					})
					for n := 1; n <= 3; n++ {
						wait(time.Minute + time.Second)
						if err := s.Trigger("a"); err != nil {
							t.Fatal(err)
						}
						wait(2 * time.Second)
						st := status(t, s, "a")
						if st.Runs != 2*n || st.Failures != 2*n || st.Skipped != 0 || st.Running != 0 || st.LastOutcome != tt.outcome || !tt.check(st.LastError) {
							t.Fatalf("after %d rounds: %+v", n, st)
						}
					}
				})
			})
		}
	}
}

func TestScheduler_pause_and_resume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		start := time.Now()
		s := begin(t, schedule.Config{}, schedule.Job{Name: "a", Schedule: every(t, 10*time.Minute), Run: l.run})
		wait(25 * time.Minute)
		if err := s.Pause("a"); err != nil {
			t.Fatal(err)
		}
		if st := status(t, s, "a"); !st.Paused || !st.NextRun.IsZero() {
			t.Errorf("paused: %+v", st)
		}
		wait(60 * time.Minute)
		if err := s.Trigger("a"); err != nil {
			t.Fatal(err)
		}
		if err := s.Resume("a"); err != nil {
			t.Fatal(err)
		}
		if st := status(t, s, "a"); !st.NextRun.Equal(start.Add(90 * time.Minute)) {
			t.Errorf("resumed after 85 minutes: next run %v, want the phase of the start", st.NextRun)
		}
		wait(10 * time.Minute)
		var got []time.Duration
		for _, r := range l.all() {
			got = append(got, r.Due.Sub(start))
		}
		want := []time.Duration{10 * time.Minute, 20 * time.Minute, 85 * time.Minute, 90 * time.Minute}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}

func TestScheduler_add_and_remove_while_running(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		s := begin(t, schedule.Config{})
		wait(30 * time.Second)
		if err := s.Add(schedule.Job{Name: "a", Schedule: parse(t, "* * * * *"), Run: l.run}); err != nil {
			t.Fatal(err)
		}
		wait(5 * time.Minute)
		if got := len(l.all()); got != 5 {
			t.Errorf("%d runs in 5 minutes, want 5", got)
		}
		if !s.Remove("a") || s.Remove("a") {
			t.Error("Remove: want true once, then false")
		}
		wait(5 * time.Minute)
		if got := len(l.all()); got != 5 {
			t.Errorf("%d runs after Remove, want 5", got)
		}
		if jobs := s.Jobs(); len(jobs) != 0 {
			t.Errorf("jobs %v, want none", jobs)
		}
	})
}

func TestScheduler_reboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		s := begin(t, schedule.Config{}, schedule.Job{Name: "boot", Schedule: parse(t, "@reboot"), Run: l.run})
		if err := s.Add(schedule.Job{Name: "late", Schedule: parse(t, "@reboot"), Run: l.run}); err != nil {
			t.Fatal(err)
		}
		wait(48 * time.Hour)
		if runs := l.all(); len(runs) != 1 || runs[0].Job != "boot" {
			t.Errorf("runs %v, want one of boot", runs)
		}
		if st := status(t, s, "boot"); st.Runs != 1 || !st.NextRun.IsZero() || st.Type != "cron" {
			t.Errorf("status %+v", st)
		}
	})
}

func TestScheduler_concurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		var jobs []schedule.Job
		for i := range 20 {
			jobs = append(jobs, schedule.Job{Name: strconv.Itoa(i), Schedule: parse(t, "0 * * * *"), Run: func(context.Context) error {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				<-time.After(time.Minute)
				now.Add(-1)
				return nil
			}})
		}
		s := begin(t, schedule.Config{Concurrency: 4}, jobs...)
		wait(time.Hour + 6*time.Minute)
		runs := 0
		for _, st := range s.Jobs() {
			runs += st.Runs
		}
		if most.Load() != 4 || runs != 20 {
			t.Errorf("%d at once and %d runs, want 4 and 20", most.Load(), runs)
		}
	})
}

func TestScheduler_jitter(t *testing.T) {
	for _, stable := range []bool{false, true} {
		t.Run(fmt.Sprint("stable ", stable), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l log
				begin(t, schedule.Config{},
					schedule.Job{Name: "a", Schedule: parse(t, "* * * * *"), Run: l.run, Jitter: time.Hour, StableJitter: stable})
				wait(1000 * time.Minute)
				seen := map[time.Duration]bool{}
				runs := l.all()
				for _, r := range runs {
					delay := r.Started.Sub(r.Due)
					seen[delay] = true
					if delay < 0 || delay >= time.Minute || r.Missed != 0 || r.Late != 0 {
						t.Fatalf("run %+v: want a delay under a minute, and none missed or late", r)
					}
				}
				if len(runs) < 998 || stable != (len(seen) == 1) {
					t.Errorf("%d runs with %d different delays", len(runs), len(seen))
				}
			})
		})
	}
}

func TestScheduler_leader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		start := time.Now()
		refused := errors.New("no answer")
		s := begin(t, schedule.Config{Leader: func(_ context.Context, job string, due time.Time) (bool, error) {
			minutes := int(due.Sub(start) / time.Minute)
			if job != "a" {
				return false, fmt.Errorf("unexpected job %q", job)
			}
			if minutes == 4 {
				return true, refused
			}
			return minutes%2 == 0, nil
		}}, schedule.Job{Name: "a", Schedule: parse(t, "* * * * *"), Run: l.run})
		wait(6*time.Minute + time.Second)
		st := status(t, s, "a")
		if st.Runs != 2 || st.NotLeader != 4 || len(l.all()) != 2 {
			t.Errorf("status %+v, want 2 runs and 4 times not leader", st)
		}
		if h := s.History("a"); len(h) != 6 || !errors.Is(h[3].Err, refused) || h[3].Outcome != schedule.OutcomeNotLeader {
			t.Errorf("history %+v", h)
		}
	})
}

func TestScheduler_history(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, schedule.Config{History: 3}, schedule.Job{Name: "a", Schedule: parse(t, "* * * * *"), Run: nothing})
		start := time.Now()
		for _, want := range [][]int{{1}, {1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}} {
			wait(time.Minute)
			var got []int
			for _, r := range s.History("a") {
				got = append(got, int(r.Due.Sub(start)/time.Minute))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
		}
		if h := s.History("b"); h != nil {
			t.Errorf("history of an unknown job: %v", h)
		}
	})
}

func TestScheduler_hooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var heard []string
		hear := func(what string) func(schedule.Run) {
			return func(r schedule.Run) {
				mu.Lock()
				heard = append(heard, what+" "+string(r.Outcome))
				mu.Unlock()
				panic("a hook that panics changes nothing")
			}
		}
		s := begin(t, schedule.Config{OnStart: hear("start"), OnDone: hear("done")},
			schedule.Job{Name: "a", Schedule: every(t, time.Hour), Run: func(context.Context) error {
				<-time.After(time.Minute)
				return nil
			}})
		for range 2 { // the second is skipped
			if err := s.Trigger("a"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		wait(2 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff([]string{"start ", "done skipped", "done ok"}, heard); diff != "" {
			t.Errorf("hooks (-want +got):\n%s", diff)
		}
	})
}

// TestScheduler_custom_schedule uses schedules that misbehave.
func TestScheduler_custom_schedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		calls := 0
		s := begin(t, schedule.Config{}, schedule.Job{Name: "good", Schedule: parse(t, "* * * * *"), Run: l.run})
		err := s.Add(schedule.Job{Name: "bad", Run: nothing, Schedule: scheduleFunc(func(after time.Time) time.Time {
			if calls++; calls > 2 {
				return after.Add(-time.Hour)
			}
			return after.Add(time.Second)
		})})
		if err != nil {
			t.Fatal(err)
		}
		wait(3 * time.Minute)
		st := status(t, s, "bad")
		if st.Runs != 2 || st.ScheduleError == nil || !strings.Contains(st.ScheduleError.Error(), "want a later time") || st.Type != "custom" {
			t.Errorf("a schedule that goes backwards: %+v", st)
		}
		if len(l.all()) != 3 {
			t.Errorf("the other job ran %d times, want 3", len(l.all()))
		}
		err = s.Add(schedule.Job{Name: "panics", Run: nothing, Schedule: scheduleFunc(func(time.Time) time.Time { panic("no") })})
		if err == nil || !strings.Contains(err.Error(), "panic: no") {
			t.Errorf("a schedule that panics: %v", err)
		}
	})
}

type scheduleFunc func(time.Time) time.Time

func (f scheduleFunc) Next(after time.Time) time.Time { return f(after) }
