package admin_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/leaktest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
	"github.com/warmcache/warmcache/warm/admin"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// service is an engine with the tasks numbers (a loader of three entries) and gated (a function
// that waits for the gate), behind a handler.
type service struct {
	*httptest.Server
	engine *warm.Engine
	gate   chan struct{} // closed: gated returns
}

func serve(t *testing.T, engineCfg warm.Config, cfg admin.Config) *service {
	t.Helper()
	c, err := tiercache.New(tiercache.Config[string, int]{Name: "numbers", TTL: time.Hour, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	err = c.RegisterLoader(tiercache.Loader[string, int]{Name: "numbers", Load: func(_ context.Context, emit func(string, int) error) error {
		return errors.Join(emit("one", 1), emit("two", 2), emit("three", 3))
	}})
	if err != nil {
		t.Fatal(err)
	}
	engineCfg.Logger, engineCfg.SkipStartup, engineCfg.SkipSchedule = quiet(), true, true
	e, err := warm.New(engineCfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{engine: e, gate: make(chan struct{})}
	err = errors.Join(e.Add(c), e.AddFunc("gated", func(ctx context.Context) (int, error) {
		select {
		case <-s.gate:
			return 1, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}, warm.TaskOptions{}), e.Start(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	h, err := admin.Handler(e, cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.Handle("/deep/admin/", http.StripPrefix("/deep/admin", h))
	mux.Handle("/deep/admin", http.StripPrefix("/deep/admin", h))
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		select {
		case <-s.gate:
		default:
			close(s.gate)
		}
		if err := errors.Join(e.Stop(ctx), c.Close()); err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return s
}

func open() admin.Config { return admin.Config{Unprotected: true} }

const execute = "/api/cache/warmup/execute"

// do sends a request; each header is "Name: value".
func (s *service) do(t *testing.T, method, path, body string, headers ...string) (code int, answer string, header http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, res.Body)
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

func TestHandler_mustBeToldWhoMay(t *testing.T) {
	e, err := warm.New(warm.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]struct {
		e    *warm.Engine
		cfg  admin.Config
		want string
	}{
		"neither":   {e, admin.Config{}, "Unprotected"},
		"both":      {e, admin.Config{Authorize: admin.Bearer("x"), Unprotected: true}, "contradict"},
		"no engine": {nil, open(), "engine is nil"},
	} {
		if h, err := admin.Handler(try.e, try.cfg); err == nil || h != nil || !strings.Contains(err.Error(), try.want) {
			t.Errorf("%s: %v, %v; want an error that says %q", name, h, err, try.want)
		}
	}
}

func TestStatus(t *testing.T) {
	s := serve(t, warm.Config{}, open())
	code, text, header := s.do(t, "GET", "/api/cache/warmup/status", "")
	if code != 200 || header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", code, header.Get("Content-Type"))
	}
	for _, want := range []string{`{"warmup":{"running":false,"registered_tasks":["numbers","gated"],"last_metrics":null`, `"scheduler":{"running":false,"tasks":[]}`} {
		if !strings.Contains(text, want) {
			t.Errorf("status lacks %s:\n%s", want, text)
		}
	}
}

func TestExecute(t *testing.T) {
	tests := []struct {
		name, body string
		code       int
		want       []string
	}{
		{"everything", "", 202, []string{`"run_id":"`, `"state":"running"`, `"tasks":["numbers","gated"]`}},
		{"blanks", " \n", 202, []string{`"tasks":["numbers","gated"]`}},
		{"empty object", "{}", 202, []string{`"tasks":["numbers","gated"]`}},
		{"the sample", `{"tasks":[],"sequential":false,"dry_run":false,"wait":"20ms"}`, 202, []string{`"state":"running"`}},
		{"one task, and wait", `{"tasks":["numbers"],"wait":"30s"}`, 200, []string{
			`"state":"done"`, `"total_tasks":1,"completed_tasks":1,"cached_items":3,"success_rate":100.0`, `"status":"ok"`,
		}},
		{"dry", `{"tasks":["numbers"],"dry_run":true,"sequential":true,"wait":"30s"}`, 200, []string{`"emitted":3`}},
		{"unknown task", `{"tasks":["numbers","nope"]}`, 400, []string{`nope`, `known: numbers, gated`}},
		{"control characters", `{"tasks":["a\u0000\u001b[31m\r\nb"]}`, 400, []string{`\\x00\\x1b[31m\\r\\nb`}},
		{"unknown field", `{"task":["numbers"]}`, 400, []string{`unknown field \"task\"`}},
		{"wrong type", `{"tasks":"numbers"}`, 400, []string{`tasks must not be a string`}},
		{"wrong type in it", `{"tasks":[1]}`, 400, []string{`tasks must not be a number`}},
		{"number for wait", `{"wait":30}`, 400, []string{`wait must not be a number`}},
		{"bad wait", `{"wait":"soon"}`, 400, []string{`wait \"soon\"`, `10m`}},
		{"negative wait", `{"wait":"-1s"}`, 400, []string{`wait`}},
		{"long wait", `{"wait":"24h"}`, 400, []string{`wait`}},
		{"no JSON", `tasks=numbers`, 400, []string{`JSON object`}},
		{"array", `["numbers"]`, 400, []string{`JSON object`}},
		{"null", `null`, 400, []string{`JSON object`}},
		{"cut off", `{"tasks":["numbers"`, 400, []string{`no end`}},
		{"broken", `{"tasks":}`, 400, []string{`invalid JSON at byte`}},
		{"something behind", `{} {}`, 400, []string{`behind`}},
		{"rubbish behind", `{}x`, 400, []string{`behind`}},
		{"10 MB", `{"tasks":["` + strings.Repeat("a", 10<<20) + `"]}`, 413, []string{`65536 bytes`}},
		{"10 MB of blanks", strings.Repeat(" ", 10<<20), 413, []string{`65536 bytes`}},
		{"thousands of names", `{"tasks":["x"` + strings.Repeat(`,"y"`, 15000) + `]}`, 400, []string{`unknown task`}},
		{"deep", `{"tasks":` + strings.Repeat("[", 60000), 400, []string{`error`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, warm.Config{}, open())
			code, text, header := s.do(t, "POST", execute, tt.body)
			if code != tt.code || header.Get("Content-Type") != "application/json" || !json.Valid([]byte(text)) || len(text) > 2000 {
				t.Errorf("%d (%s) %.500s; want %d and short JSON", code, header.Get("Content-Type"), text, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("answer %s lacks %s", text, want)
				}
			}
			if code >= 400 {
				var e map[string]string
				if err := json.Unmarshal([]byte(text), &e); err != nil || len(e) != 1 || e["error"] == "" {
					t.Errorf(`answer %s, want {"error": "..."}`, text)
				}
				if s.engine.Status().Warmup.Running {
					t.Error("a refused request runs something")
				}
			}
		})
	}
}

func TestExecute_100AtOnceAreOneRun(t *testing.T) {
	s := serve(t, warm.Config{}, open())
	ids := make([]string, 100)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			code, text, _ := s.do(t, "POST", execute, "")
			var a struct {
				RunID string `json:"run_id"`
			}
			if err := json.Unmarshal([]byte(text), &a); err != nil || code != 202 {
				t.Errorf("%d %s", code, text)
			}
			ids[i] = a.RunID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("runs %q and %q, want one", id, ids[0])
		}
	}
	close(s.gate)
	ticket, err := s.engine.Begin(t.Context(), warm.Request{Tasks: []string{"numbers"}})
	if err != nil {
		t.Fatal(err)
	}
	<-ticket.Done()
	if n := len(s.engine.History()); n > 2 {
		t.Errorf("%d runs, want one for all requests", n)
	}
}

func TestExecute_survivesItsClient(t *testing.T) {
	s := serve(t, warm.Config{}, open())
	events := s.engine.Watch(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+execute, strings.NewReader(`{"tasks":["gated"],"wait":"1m"}`))
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() {
		res, err := s.Client().Do(req)
		if err == nil {
			err = errors.Join(errors.New("an answer"), res.Body.Close())
		}
		gone <- err
	}()
	for ev := range events {
		if ev.Kind == warm.EventTaskStarted {
			cancel()
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Fatalf("the request ended with %v", err)
			}
			close(s.gate)
		}
		if ev.Kind == warm.EventTaskEnded {
			if ev.Status != warm.TaskOK {
				t.Errorf("gated: %s, want ok without its client", ev.Status)
			}
			break
		}
	}
}

func TestExecute_disabledOrStopped(t *testing.T) {
	s := serve(t, warm.Config{Disabled: true}, open())
	if code, text, _ := s.do(t, "POST", execute, ""); code != 503 || !strings.Contains(text, "disabled") {
		t.Errorf("disabled: %d %s, want 503", code, text)
	}
	s = serve(t, warm.Config{}, open())
	if err := s.engine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, text, _ := s.do(t, "POST", execute, ""); code != 503 || !strings.Contains(text, "stopped") {
		t.Errorf("stopped: %d %s, want 503", code, text)
	}
	if code, _, _ := s.do(t, "GET", "/readyz", ""); code != 503 {
		t.Errorf("readyz of a stopped engine: %d, want 503", code)
	}
}

// nilError is an error type whose methods dereference their receiver.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }
func (e *nilError) Is(error) bool { return e.text == "" }

func TestAuthorize(t *testing.T) {
	panics := func(*http.Request) error { panic("oops") }
	forbids := func(*http.Request) error { return errors.New("not you; db password hunter2") }
	tests := []struct {
		name      string
		authorize func(*http.Request) error
		header    string
		code      int
	}{
		{"no token", admin.Bearer("secret"), "X-None: 1", 401},
		{"wrong token", admin.Bearer("secret"), "Authorization: Bearer secret2", 401},
		{"prefix", admin.Bearer("secret"), "Authorization: Bearer secre", 401},
		{"other scheme", admin.Bearer("secret"), "Authorization: Basic secret", 401},
		{"bare", admin.Bearer("secret"), "Authorization: secret", 401},
		{"right", admin.Bearer("secret"), "Authorization: bearer secret", 202},
		{"empty token never", admin.Bearer(""), "Authorization: Bearer ", 401},
		{"not allowed", forbids, "X-None: 1", 403},
		{"panics", panics, "X-None: 1", 403},
		{"its error panics", func(*http.Request) error { return (*nilError)(nil) }, "X-None: 1", 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, warm.Config{}, admin.Config{Authorize: tt.authorize})
			code, text, header := s.do(t, "POST", execute, "", tt.header)
			if code != tt.code || strings.Contains(text, "hunter2") {
				t.Errorf("%d %s, want %d", code, text, tt.code)
			}
			if code == 401 && header.Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			if running := s.engine.Status().Warmup.Running; running != (tt.code == 202) {
				t.Errorf("running %v", running)
			}
			if code, _, _ := s.do(t, "GET", "/api/cache/warmup/status", ""); code != 200 {
				t.Errorf("status: %d, want it open", code)
			}
		})
	}
}

func TestCrossSitePostsAreRefused(t *testing.T) {
	var log bytes.Buffer
	s := serve(t, warm.Config{}, admin.Config{Unprotected: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, header := range []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"} {
		if code, text, _ := s.do(t, "POST", execute, "", header); code != 403 || !strings.Contains(text, "another site") {
			t.Errorf("%s: %d %s, want 403", header, code, text)
		}
	}
	if code, _, _ := s.do(t, "POST", execute, "", "Sec-Fetch-Site: same-origin", "Origin: "+s.URL); code != 202 {
		t.Errorf("same origin: %d, want 202", code)
	}
}

func TestMethodsAndPaths(t *testing.T) {
	s := serve(t, warm.Config{}, open())
	for _, tt := range []struct {
		method, path string
		code         int
		allow        string
	}{
		{"GET", execute, 405, "POST"},
		{"DELETE", execute, 405, "POST"},
		{"POST", "/api/cache/warmup/status", 405, "GET, HEAD"},
		{"POST", "/readyz", 405, "GET, HEAD"},
		{"PUT", "/api/cache/warmup/events", 405, "GET, HEAD"},
		{"POST", "/", 405, "GET, HEAD"},
		{"HEAD", "/readyz", 200, ""},
		{"HEAD", "/api/cache/warmup/events", 200, ""},
		{"GET", "/api/cache/warmup/nothing", 404, ""},
		{"GET", "/page.go", 404, ""},
		{"GET", "/%0d%0aX-Evil:%201", 404, ""},
	} {
		code, text, header := s.do(t, tt.method, tt.path, "")
		if code != tt.code || header.Get("Allow") != tt.allow || header.Get("X-Evil") != "" {
			t.Errorf("%s %s: %d, Allow %q, %s; want %d, %q", tt.method, tt.path, code, header.Get("Allow"), text, tt.code, tt.allow)
		}
	}
}

func TestReadyz(t *testing.T) {
	e, err := warm.New(warm.Config{Logger: quiet(), SkipSchedule: true})
	if err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	err = e.AddFunc("needed", func(context.Context) (int, error) { <-gate; return 1, nil }, warm.TaskOptions{Required: true})
	if err != nil {
		t.Fatal(err)
	}
	h, err := admin.Handler(e, open())
	if err != nil {
		t.Fatal(err)
	}
	readyz := func() (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, text := readyz(); code != 503 || text != `{"ready":false,"timed_out":false,"waiting_for":["needed"]}` {
		t.Errorf("before: %d %s", code, text)
	}
	close(gate)
	<-e.Ready()
	if code, text := readyz(); code != 200 || text != `{"ready":true,"timed_out":false,"waiting_for":[]}` {
		t.Errorf("after: %d %s", code, text)
	}
	if err := e.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestEvents(t *testing.T) {
	s := serve(t, warm.Config{}, open())
	close(s.gate)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/cache/warmup/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(req) // returns with the first byte: the stream is open
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, res.Body)
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type %q", got)
	}
	if _, err := s.engine.Run(t.Context(), warm.Request{Tasks: []string{"numbers"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.engine.Stop(t.Context()); err != nil { // ends the stream
		t.Fatal(err)
	}
	var kinds []string
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if kind, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			kinds = append(kinds, kind)
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var ev map[string]any
			if err := json.Unmarshal([]byte(data), &ev); err != nil || ev["run"] == "" || ev["type"] != kinds[len(kinds)-1] {
				t.Errorf("data %s: %v", data, err)
			}
		}
	}
	if got, want := fmt.Sprint(kinds), "[run_started task_started task_ended run_ended]"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
}

func TestEvents_deafAndVanishingClientsAreHarmless(t *testing.T) {
	s := serve(t, warm.Config{}, open())
	close(s.gate)
	for i := range 140 { // more than there may be: the rest is told so
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/cache/warmup/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, res.Body) // never read
		if want := map[bool]int{true: 200, false: 503}[i < 128]; res.StatusCode != want {
			t.Fatalf("stream %d: %d, want %d", i+1, res.StatusCode, want)
		}
	}
	for range 300 {
		if r, err := s.engine.Run(t.Context(), warm.Request{Tasks: []string{"numbers"}}); err != nil || r.SuccessRate() != 100 {
			t.Fatalf("Run: %v, %v", err, r.Err())
		}
	}
}

func TestPage(t *testing.T) {
	s := serve(t, warm.Config{}, open())
	for _, prefix := range []string{"/", "/deep/admin/", "/deep/admin"} {
		code, text, header := s.do(t, "GET", prefix, "") // the client follows the redirect of the last
		if code != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/html") || !strings.Contains(text, "<title>") {
			t.Errorf("%s: %d %s", prefix, code, header.Get("Content-Type"))
		}
		if csp := header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
			t.Errorf("%s: Content-Security-Policy %q", prefix, csp)
		}
		if strings.Contains(text, "http://") || strings.Contains(text, "https://") || strings.Contains(text, `="/`) {
			t.Errorf("%s: the page names something outside, or from the root", prefix)
		}
		for _, part := range []string{"page.css", "page.js"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: the page lacks %s", prefix, part)
			}
			if code, _, _ := s.do(t, "GET", strings.TrimSuffix(prefix, "/")+"/"+part, ""); code != 200 {
				t.Errorf("%s/%s: %d", prefix, part, code)
			}
		}
	}
}

func TestLogsCarryNoRawControlCharacters(t *testing.T) {
	var log bytes.Buffer
	cfg := admin.Config{Logger: slog.New(slog.NewTextHandler(&log, nil)), Authorize: func(r *http.Request) error {
		return errors.New("no such user: " + r.URL.Query().Get("user"))
	}}
	s := serve(t, warm.Config{}, cfg)
	s.do(t, "POST", execute+"?user=a%0alevel=ERROR%1b[31m", "")
	if text := log.String(); strings.Count(text, "\n") != 1 || strings.ContainsRune(text, '\x1b') {
		t.Errorf("log %q, want one line without control characters", text)
	}
}

func FuzzExecute(f *testing.F) {
	e, err := warm.New(warm.Config{Logger: quiet(), SkipStartup: true, SkipSchedule: true})
	if err != nil {
		f.Fatal(err)
	}
	if err := e.AddFunc("a", func(context.Context) (int, error) { return 1, nil }, warm.TaskOptions{}); err != nil {
		f.Fatal(err)
	}
	h, err := admin.Handler(e, admin.Config{Unprotected: true, Logger: quiet()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := e.Stop(context.WithoutCancel(f.Context())); err != nil {
			f.Error(err)
		}
	})
	for _, seed := range []string{"", "{}", `{"tasks":["a"],"wait":"1ms"}`, `{"tasks":["\u0000"]}`, `{"wait":"-1ns"}`, `{"a":`, "[", "{}{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.Contains(body, []byte("wait")) && bytes.ContainsAny(body, "smh") && !bytes.Contains(body, []byte("ms")) {
			t.Skip("it may wait for long")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, execute, bytes.NewReader(body)))
		if w.Code != 200 && w.Code != 202 && w.Code != 400 && w.Code != 413 {
			t.Errorf("%d for %q", w.Code, body)
		}
		if !json.Valid(w.Body.Bytes()) || w.Body.Len() > 4000 {
			t.Errorf("answer %.4000s for %q", w.Body, body)
		}
	})
}

func shut(t *testing.T, body io.Closer) {
	t.Helper()
	if err := body.Close(); err != nil {
		t.Error(err)
	}
}
