package warm_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/warm"
)

// stopBound is what every Stop of the project keeps once its context has ended.
const stopBound = 3 * time.Second

// stuckHandler is a user's log handler that does not return from one line before the test ends.
type stuckHandler struct {
	slog.Handler
	at      string        // its message
	reached chan struct{} // closed as the line comes
	once    *sync.Once
	release chan struct{}
}

// stuckLog returns a log that blocks at lines of this message, and the channel that tells of it.
func stuckLog(t *testing.T, at string) (log *slog.Logger, reached <-chan struct{}) {
	t.Helper()
	h := stuckHandler{slog.DiscardHandler, at, make(chan struct{}), new(sync.Once), make(chan struct{})}
	t.Cleanup(func() { close(h.release) })
	return slog.New(h), h.reached
}

func (h stuckHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h stuckHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.at {
		h.once.Do(func() { close(h.reached) })
		<-h.release
	}
	return nil
}

func (h stuckHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// within calls do and fails the test where that takes longer than the bound, and the machine was
// not late by so much.
func within(t *testing.T, bound time.Duration, what string, do func()) {
	t.Helper()
	late, begun := redistest.Late(t), time.Now()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		do()
	}()
	select {
	case <-returned:
	case <-time.After(bound + 10*time.Second):
		t.Fatalf("%s has not returned after %v", what, bound+10*time.Second)
	}
	took, excused := time.Since(begun), late.Since(begun)
	if took > bound+excused {
		t.Errorf("%s took %v, want %v at most, and the machine was late by %v", what, took, bound, excused)
	}
}

// answers calls the methods that anybody may call at any time.
func answers(t *testing.T, e *warm.Engine) {
	t.Helper()
	within(t, time.Second, "Status", func() { e.Status() })
	within(t, time.Second, "History", func() { e.History() })
	within(t, time.Second, "Lint", func() { e.Lint() })
	within(t, time.Second, "Hot", func() { _, _ = e.Hot(t.Context(), "none", 1) })
	within(t, time.Second, "AddFunc", func() { _ = e.AddFunc("late", nothing, warm.TaskOptions{}) })
}

func nothing(context.Context) (int, error) { return 1, nil }

// soon is Stop with a context that ends soon.
func soon(t *testing.T, e *warm.Engine) (err error) {
	t.Helper()
	within(t, stopBound, "Stop", func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 100*time.Millisecond)
		defer cancel()
		err = e.Stop(ctx)
	})
	return err
}

// A handler of logs that blocks holds whoever logs, and nobody else.
func TestStop_aLogThatBlocks(t *testing.T) {
	t.Parallel()
	unread := refreshing("unread", 150*time.Millisecond, nil)
	required := rows("required", "1")
	required.Required = true
	for _, tt := range []struct {
		at     string // the line
		cfg    warm.Config
		loader loader
		begin  func(t *testing.T, e *warm.Engine)
		says   string // the error of Stop; empty = none, as the caller of Start knows that it waits
	}{
		{"warm: disabled", warm.Config{Disabled: true}, required, startAside, ""},
		{"warm: ready", warm.Config{SkipStartup: true}, rows("a", "1"), startAside, ""},
		{"warm: ready", warm.Config{}, required, startAside, "still runs"},
		{"warm: ready without all required tasks", warm.Config{SkipStartup: true, ReadyTimeout: time.Millisecond}, required, startAside, "background still runs"},
		{"warm: run started", off(), required, beginRun, "still runs"},
		{"warm: task ended", off(), required, beginRun, "still runs"},
		{"warm: run ended", off(), required, beginRun, "still runs"},
		{"warm: refresh stopped", warm.Config{SkipSchedule: true}, unread, startAside, "background still runs"},
		{"warm: run skipped", warm.Config{SkipStartup: true, Interval: time.Second}, rows("a", "1"), runForLong, "interval_cache_warmup"},
		{"warm: run failed to begin", warm.Config{SkipStartup: true, Interval: time.Second}, rows("a", "1"), addNonsense, "interval_cache_warmup"},
	} {
		t.Run(strings.ReplaceAll(tt.at, " ", "_"), func(t *testing.T) {
			t.Parallel()
			var reached <-chan struct{}
			tt.cfg.Logger, reached = stuckLog(t, tt.at)
			e, err := warm.New(tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Add(newCache(t, "c", tt.loader)); err != nil {
				t.Fatal(err)
			}
			tt.begin(t, e)
			within(t, 10*time.Second, "the line", func() { <-reached })
			answers(t, e)
			switch err := soon(t, e); {
			case tt.says == "" && err != nil:
				t.Errorf("Stop = %v, want none", err)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || !errors.Is(err, context.DeadlineExceeded)):
				t.Errorf("Stop = %v, want it to say %q and why its context ended", err, tt.says)
			}
			answers(t, e)
		})
	}
}

// startAside begins Start, which may be who has to wait for the log.
func startAside(t *testing.T, e *warm.Engine) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	go func() { _ = e.Start(ctx) }() // the line doesn't come where it fails
}

func beginRun(t *testing.T, e *warm.Engine) {
	t.Helper()
	if _, err := e.Begin(t.Context(), warm.Request{}); err != nil {
		t.Fatal(err)
	}
}

// runForLong has a run in the way of those of the clock.
func runForLong(t *testing.T, e *warm.Engine) {
	t.Helper()
	long := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
	if err := e.AddFunc("long", long, warm.TaskOptions{}); err != nil {
		t.Fatal(err)
	}
	beginRun(t, e)
	startAside(t, e)
}

// addNonsense adds a task that keeps every run from beginning.
func addNonsense(t *testing.T, e *warm.Engine) {
	t.Helper()
	startAside(t, e)
	<-e.Ready()
	if err := e.AddFunc("nonsense", nothing, warm.TaskOptions{After: []string{"nobody"}}); err != nil {
		t.Fatal(err)
	}
}

// The line of Stop itself is no reason to cancel later, or nothing.
func TestStop_itsOwnLineBlocks(t *testing.T) {
	t.Parallel()
	log, reached := stuckLog(t, "warm: ready")
	e, err := warm.New(warm.Config{SkipSchedule: true, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	cancelled := make(chan struct{})
	err = e.AddFunc("long", func(ctx context.Context) (int, error) {
		<-ctx.Done()
		close(cancelled)
		return 0, ctx.Err()
	}, warm.TaskOptions{Required: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	err = soon(t, e)
	if err == nil || !strings.Contains(err.Error(), "background still runs") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop = %v, want it to say that the log blocks", err)
	}
	within(t, time.Second, "the line", func() { <-reached })
	within(t, time.Second, "the task's end", func() { <-cancelled })
	answers(t, e)
	if again := soon(t, e); again == nil {
		t.Error("the second Stop = nil, though the log still blocks")
	}
}

// blocker is what methods of a user's wait for, once it is armed.
type blocker struct{ armed, release chan struct{} }

func newBlocker(t *testing.T) blocker {
	t.Helper()
	b := blocker{make(chan struct{}), make(chan struct{})}
	t.Cleanup(func() { close(b.release) })
	return b
}

func (b blocker) wait() {
	select {
	case <-b.armed:
		<-b.release
	default:
	}
}

type blockingError struct{ blocker }

func (e blockingError) Error() string { e.wait(); return "down" }
func (e blockingError) Is(error) bool { e.wait(); return false }

type blockingTarget struct {
	warm.Target
	blocker
}

func (t blockingTarget) Name() string { t.wait(); return t.Target.Name() }

// The name of a cache is asked for once, as it is added.
func TestStop_aTargetThatBlocks(t *testing.T) {
	t.Parallel()
	own := newBlocker(t)
	e, err := warm.New(off())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Add(blockingTarget{newCache(t, "c", rows("a", "1")), own}); err != nil {
		t.Fatal(err)
	}
	close(own.armed)
	within(t, time.Second, "Status", func() { e.Status() })
	if err := soon(t, e); err != nil {
		t.Errorf("Stop = %v, want none: nothing runs", err)
	}
}

// What an error of the user's says is asked for once, as the task ends.
func TestStop_anErrorThatBlocks(t *testing.T) {
	t.Parallel()
	own := blockingError{newBlocker(t)}
	cfg := off()
	cfg.Logger, cfg.Retries = quiet(), -1
	e, err := warm.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	err = e.AddFunc("a", func(context.Context) (int, error) { return 0, own }, warm.TaskOptions{})
	if err != nil {
		t.Fatal(err)
	}
	run(t, e, warm.Request{})
	close(own.armed)
	answers(t, e)
	if err := soon(t, e); err != nil {
		t.Errorf("Stop = %v, want none: nothing runs", err)
	}
}

// A caller of Run who leaves is held by no log either.
func TestRun_aLogThatBlocks(t *testing.T) {
	t.Parallel()
	cfg := off()
	cfg.Grace = 100 * time.Millisecond
	log, reached := stuckLog(t, "warm: run started")
	cfg.Logger = log
	e, err := warm.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.AddFunc("a", nothing, warm.TaskOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-reached
		cancel()
	}()
	within(t, stopBound+cfg.Grace, "Run", func() { _, err = e.Run(ctx, warm.Request{}) })
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "still runs") {
		t.Errorf("Run = %v, want it to say that the run still runs", err)
	}
	if err := soon(t, e); err == nil {
		t.Error("Stop = nil, want it to name the run")
	}
}
