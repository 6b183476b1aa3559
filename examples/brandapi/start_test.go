package main_test

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

// TestStart_answersWhileFilling: before the database is ready every path says how far it is, and
// the process is alive.
func TestStart_answersWhileFilling(t *testing.T) {
	t.Parallel()
	p := launch(t, "DATABASE_URL="+filepath.Join(t.TempDir(), "brands.db"), "DEMO_REPORTS=5000000")
	s := &service{process: p, client: &http.Client{Timeout: time.Minute}}
	t.Cleanup(s.client.CloseIdleConnections)
	at := regexp.MustCompile(`at=(http://\S+)`)
	redistest.Eventually(t, time.Minute, func() error {
		found := at.FindStringSubmatch(p.log.String())
		if found == nil {
			return errors.New("it does not say where it answers")
		}
		s.url = found[1]
		if a, err := s.request(t.Context(), http.MethodGet, "/api/brands/Nike", ""); err != nil || !strings.Contains(a.body, "of 5000000 reports") {
			return errors.Join(errors.New("it does not say how far it is: "+a.body), err)
		}
		return nil
	})
	for path, code := range map[string]int{"/api/brands/Nike": 503, "/": 503, "/readyz": 503, "/api/cache/warmup/status": 503, "/healthz": 200} {
		a := s.get(path)
		if a.code != code || code == 503 && (!strings.Contains(a.body, "is being filled") || a.header.Get("Retry-After") == "") {
			t.Errorf("GET %s while the database is filled: %d %s, want %d", path, a.code, a.body, code)
		}
	}
	s.terminate()
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		code int
	}{
		"-h": {[]string{"-h"}, 0}, "--help": {[]string{"--help"}, 0}, "an unknown flag": {[]string{"-port=80"}, 2}, "a word": {[]string{"serve"}, 2},
		"an address with a password": {[]string{"postgres://me:" + secret + "@host/name"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := binary(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, program, tt.args...)
			cmd.Dir = t.TempDir()
			var stdout, stderr strings.Builder
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != tt.code {
				t.Errorf("exit code %d (%v), want %d", got, err, tt.code)
			}
			out := stdout.String()
			if tt.code != 0 {
				out = stderr.String()
			}
			for _, variable := range []string{
				"ADDR", "DATABASE_URL", "DEMO_REPORTS", "REDIS_URL", "REDIS_TIMEOUT", "ADMIN_TOKEN", "WARMUP_SCHEDULE", "WARMUP_LEARN_HOT_COUNT", "NEGATIVE_TTL",
			} {
				if !strings.Contains(out, variable) {
					t.Errorf("the usage lacks %s: %s", variable, out)
				}
			}
			if strings.Contains(stdout.String()+stderr.String(), secret) {
				t.Error("an argument is repeated")
			}
		})
	}
}
