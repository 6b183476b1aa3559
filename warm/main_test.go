package warm_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/leaktest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(nodeAddress); address != "" {
		os.Exit(nodeProcess(address))
	}
	leaktest.VerifyTestMain(bubbletest.Apart(m))
}

type loader = tiercache.Loader[string, string]

type cache = tiercache.Cache[string, string]

// newCache returns a memory-only cache whose values live for an hour, with the loaders registered.
func newCache(t *testing.T, name string, loaders ...loader) *cache {
	t.Helper()
	c, err := tiercache.New(tiercache.Config[string, string]{Name: name, TTL: time.Hour, Logger: quiet()})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	for _, l := range loaders {
		if err := c.RegisterLoader(l); err != nil {
			t.Fatalf("RegisterLoader: %v", err)
		}
	}
	return c
}

// newEngine returns an engine with the targets added. It is stopped at the end of the test.
func newEngine(t *testing.T, cfg warm.Config, targets ...warm.Target) *warm.Engine {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	e, err := warm.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	if err := e.Add(targets...); err != nil {
		t.Fatalf("Add: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := e.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return e
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// rows is a loader that emits these keys.
func rows(name string, keys ...string) loader {
	return loader{Name: name, Load: func(_ context.Context, emit func(key, value string) error) error {
		for _, key := range keys {
			if err := emit(key, "value of "+key); err != nil {
				return err
			}
		}
		return nil
	}}
}

func run(t *testing.T, e *warm.Engine, req warm.Request) warm.Run {
	t.Helper()
	r, err := e.Run(t.Context(), req)
	if err != nil {
		t.Fatalf("Run(%+v): %v", req, err)
	}
	return r
}

func start(t *testing.T, e *warm.Engine) {
	t.Helper()
	if err := e.Start(t.Context()); err != nil {
		t.Fatalf("Start: %v", err)
	}
}

// task returns the record of one task.
func task(t *testing.T, r warm.Run, name string) warm.TaskRun {
	t.Helper()
	for _, tr := range r.Tasks {
		if tr.Name == name {
			return tr
		}
	}
	t.Fatalf("run %+v has no task %q", r, name)
	return warm.TaskRun{}
}

// statuses returns the outcome of each task by its name.
func statuses(r warm.Run) map[string]warm.TaskStatus {
	m := make(map[string]warm.TaskStatus)
	for _, tr := range r.Tasks {
		m[tr.Name] = tr.Status
	}
	return m
}

// diary notes what happens, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.lines...)
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
