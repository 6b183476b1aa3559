package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
	"github.com/warmcache/warmcache/warm/admin"
)

var program string // as a user would run it

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "warmctl")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system's folder for what nobody keeps
	program = filepath.Join(dir, "warmctl")
	if out, err := exec.CommandContext(context.Background(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// outcome is what one call of the program did.
type outcome struct {
	code     int
	out, err string
}

// call runs the program with these variables and no others.
func call(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append([]string{"TZ=UTC"}, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("warmctl %q: %v", args, err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// want checks the exit code, and that both outputs together hold each text.
func (o outcome) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d\n%s%s", o.code, code, o.out, o.err)
	}
	for _, text := range texts {
		if !strings.Contains(o.out+o.err, text) {
			t.Errorf("output lacks %q:\n%s%s", text, o.out, o.err)
		}
	}
}

// golden compares JSON with its form, by value.
func (o outcome) golden(t *testing.T, want string) {
	t.Helper()
	var got, wanted any
	if err := json.Unmarshal([]byte(o.out), &got); err != nil {
		t.Fatalf("no JSON: %v\n%s%s", err, o.out, o.err)
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, try := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "warmctl explain CACHE KEY"},
		{"help", 0, "warmctl next EXPR"},
		{"verfy", 2, `no command "verfy"`},
		{"status -h", 0, "-addr"},
		{"status now", 2, "1 arguments given; it takes 0"},
		{"status -adr x", 2, "-adr"},
		{"status -addr ftp://x", 2, "-addr: want a URL"},
		{"status -addr http://user:pw@x", 2, "-addr: want a URL without user"},
		{"next", 2, "it takes 1"},
		{"next x", 2, "five fields"},
		{"next @daily -n 0", 2, "-n 0: want 1 to 1000"},
		{"next -tz Nowhere/At_All @daily", 2, `-tz "Nowhere/At_All"`},
		{"hot", 2, "it takes 1"},
		{"hot c -n 0", 2, "-n 0"},
		{"explain c", 2, "it takes 2"},
		{"verify -n 0", 2, "-n 0"},
		{"status -addr 127.0.0.1:1", 1, "no service answers at http://127.0.0.1:1"},
	} {
		t.Run(try.args, func(t *testing.T) {
			t.Parallel()
			call(t, nil, strings.Fields(try.args)...).want(t, try.code, try.want)
		})
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	call(t, nil, "next", "0 3 * * 1-5", "-n", "2").want(t, 0, "at 03:00, on Monday to Friday (UTC)", " 03:00:00 +00:00   in ")
	call(t, nil, "next", "0 0 31 2 *").want(t, 1, "never")
	call(t, nil, "next", "-json", "-tz", "Europe/Berlin", "0 30 2 * 3 * 2097", "-n", "3").golden(t, `{
		"expression": "0 30 2 * 3 * 2097",
		"description": "at 02:30, in March, in the year 2097",
		"timezone": "Europe/Berlin",
		"next": ["2097-03-01T02:30:00+01:00", "2097-03-02T02:30:00+01:00", "2097-03-03T02:30:00+01:00"]
	}`)
}

const token = "sekret-token"

// service is an engine with the cache numbers, and the tasks numbers, slow (until the gate opens)
// and broken, behind a handler that wants the token.
type service struct {
	addr  string
	cache *tiercache.Cache[string, int]
	gate  chan struct{}
}

func serve(t *testing.T) service {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	c, err := tiercache.New(tiercache.Config[string, int]{
		Name: "numbers", TTL: time.Hour, LearnHot: 10, Logger: quiet, Capacity: 1000,
		Load: func(_ context.Context, key string) (int, error) { return len(key), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	err = c.RegisterLoader(tiercache.Loader[string, int]{Name: "numbers", Load: func(_ context.Context, emit func(string, int) error) error {
		return errors.Join(emit("one", 1), emit("two", 2), emit("three", 3))
	}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := warm.New(warm.Config{Logger: quiet, SkipStartup: true, Priority: []string{}, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	s := service{cache: c, gate: make(chan struct{}, 1)}
	err = errors.Join(
		e.Add(c),
		e.AddFunc("slow", func(ctx context.Context) (int, error) {
			select {
			case <-s.gate:
				return 7, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}, warm.TaskOptions{}),
		e.AddFunc("broken", func(context.Context) (int, error) { return 0, errors.New("no such table: " + token) }, warm.TaskOptions{}),
		e.Start(t.Context()),
	)
	if err != nil {
		t.Fatal(err)
	}
	h, err := admin.Handler(e, admin.Config{Authorize: admin.Bearer(token), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/admin/", http.StripPrefix("/admin", h))
	server := httptest.NewServer(mux)
	s.addr = server.URL + "/admin"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := errors.Join(e.Stop(ctx), c.Close()); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return s
}

func (s service) call(t *testing.T, args ...string) outcome {
	t.Helper()
	return call(t, []string{"ADMIN_TOKEN=" + token}, append(args, "-addr", s.addr)...)
}
