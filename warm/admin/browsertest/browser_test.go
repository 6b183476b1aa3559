package browsertest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
	"github.com/warmcache/warmcache/warm/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "open sesame"

// patience is for a browser on a machine that is busy with other tests.
const patience = 2 * time.Minute

// service is an engine with three tasks behind a handler below /admin: numbers (a loader of three
// entries), gated (a function that waits for the gate) and fails.
type service struct {
	*httptest.Server

	engine *warm.Engine
	gate   chan struct{}
}

func serve(t *testing.T) *service {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	cache, err := tiercache.New(tiercache.Config[string, int]{Name: "numbers", TTL: time.Hour, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() }) //nolint:errcheck // it has no error to tell
	err = cache.RegisterLoader(tiercache.Loader[string, int]{
		Name: "numbers", Required: true, RefreshAt: 0.8,
		Load: func(_ context.Context, emit func(string, int) error) error {
			return errors.Join(emit("one", 1), emit("two", 2), emit("three", 3))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &service{gate: make(chan struct{})}
	s.engine, err = warm.New(warm.Config{SkipStartup: true, ReadyTimeout: time.Millisecond, Timeout: patience, TaskTimeout: patience, Retries: -1, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		s.engine.Add(cache),
		s.engine.AddFunc("gated", func(ctx context.Context) (int, error) {
			select {
			case <-s.gate:
				return 1, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}, warm.TaskOptions{Priority: -1}),
		s.engine.AddFunc("fails", func(context.Context) (int, error) { return 0, errors.New("no") }, warm.TaskOptions{}),
		s.engine.Start(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.engine.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	handler, err := admin.Handler(s.engine, admin.Config{Authorize: admin.Bearer(token), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/admin", http.StripPrefix("/admin", handler))
	mux.Handle("/admin/", http.StripPrefix("/admin", handler))
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// browser is a page in a Chromium of its own.
type browser struct {
	t   *testing.T
	ctx context.Context // chromedp keeps the browser in it

	mu    sync.Mutex
	asked []string
}

// open starts a browser with a profile of its own and opens a page. The test fails where the page
// reports an error, also one of its security policy.
func open(t *testing.T, s *service, path string) *browser {
	t.Helper()
	program := chromium(t)
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WSURLReadTimeout(patience), chromedp.WindowSize(1280, 1000),
	})
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		closeBrowser() // it waits for the process, which has the profile's files open
		cancel()
	})
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.hear); err != nil { // it starts the browser
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(s.URL + path))
	return b
}

// chromium finds the browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "there is no chromium on PATH; on Debian: apt-get install chromium"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

func (b *browser) hear(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.mu.Lock()
		b.asked = append(b.asked, e.Request.Method+" "+e.Request.URL)
		b.mu.Unlock()
	case *runtime.EventExceptionThrown:
		b.t.Errorf("the page threw %v", e.ExceptionDetails)
	case *log.EventEntryAdded:
		// What is refused or does not answer is shown to people, and an entry of the browser's own
		// log all the same.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			b.t.Errorf("the browser's log: %s: %s", e.Entry.Source, e.Entry.Text)
		}
	}
}

// requests are the method and the URL of all requests so far.
func (b *browser) requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.asked)
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// evaluate returns the value of an expression of JavaScript.
func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// eventually waits until an expression has a value, as text.
func (b *browser) eventually(expression, want string) {
	b.t.Helper()
	redistest.Eventually(b.t, patience, func() error {
		if got := fmt.Sprint(evaluate[any](b, expression)); got != want {
			return fmt.Errorf("%s is %q, want %q", expression, got, want)
		}
		return nil
	})
}
