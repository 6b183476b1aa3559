package admin_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/warm"
	"github.com/warmcache/warmcache/warm/admin"
)

// One request runs tasks, shows their steps, and ends with the record.
func TestExecute_streams_to_who_accepts_it(t *testing.T) {
	t.Parallel()
	s := serve(t, warm.Config{}, open())
	code, body, header := s.do(t, "POST", execute, `{"tasks":["numbers"]}`, "Accept: text/event-stream")
	if code != http.StatusOK || header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("code %d, header %v", code, header)
	}
	for _, part := range []string{"event: accepted\n", "event: task_ended\n", "event: run_ended\n", "event: result\n", `"completed_tasks":1`} {
		_, rest, found := strings.Cut(body, part)
		if !found {
			t.Fatalf("no %q, or not in this order: %s", part, body)
		}
		body = rest
	}
}

func TestExecute_behind_a_proxy_that_rewrites_Host(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.TrustedOrigins = []string{"https://ops.example.com"}
	s := serve(t, warm.Config{}, cfg)
	for origin, want := range map[string]int{"https://ops.example.com": 202, "https://evil.example.com": 403} {
		if code, body, _ := s.do(t, "POST", execute, `{"tasks":["gated"]}`, "Origin: "+origin); code != want {
			t.Errorf("%s: %d %s, want %d", origin, code, body, want)
		}
	}
	cfg.TrustedOrigins = []string{"ops.example.com"}
	if _, err := admin.Handler(s.engine, cfg); err == nil || !strings.Contains(err.Error(), "TrustedOrigins") {
		t.Errorf("error %v, want one that names TrustedOrigins", err)
	}
}

// An open event stream doesn't hold up the server's Shutdown.
func TestEvents_end_with_Shutdown(t *testing.T) {
	t.Parallel()
	s := serve(t, warm.Config{}, open())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/cache/warmup/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, res.Body)
	body := bufio.NewReader(res.Body)
	if _, err := body.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Config.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Error(err)
	}
}
