package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// logs is what a server logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs the program with these arguments, and returns its URL, its log, and what stops it as a
// signal would. A test that does not stop it has it stopped.
func start(t *testing.T, env map[string]string, args ...string) (addr string, log *logs, stop func()) {
	t.Helper()
	o, err := parse(args, func(name string) string {
		if v, ok := env[name]; ok {
			return v
		}
		return map[string]string{"ADDR": "127.0.0.1:0"}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	listening, ended := make(chan net.Addr, 1), make(chan error, 1)
	log = new(logs)
	go func() {
		ended <- run(ctx, o, slog.New(slog.NewTextHandler(log, nil)), func(a net.Addr) { listening <- a })
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the program ended with %v\n%s", err, log)
			}
		case <-time.After(time.Minute):
			t.Errorf("the program does not end\n%s", log)
		}
	})
	t.Cleanup(stop)
	select {
	case a := <-listening:
		return "http://" + a.String(), log, stop
	case err := <-ended:
		ended <- err
		t.Fatalf("the program ended with %v", err)
	}
	return "", nil, nil
}

// answer is what came back of a request.
type answer struct {
	code   int
	header http.Header
	body   string
}

// ask makes a request with these header fields, name after value.
func ask(t *testing.T, method, to string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, to, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read to its end
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil {
		t.Fatalf("%s %s: %v", method, to, err)
	}
	return answer{res.StatusCode, res.Header, body.String()}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"": "",
		"-proxy http://127.0.0.1:9000/app -warm access.log -base https://www.example.com": "",
		"-redis redis://:pw@127.0.0.1:6379/0":                                             "",
		"-h":                                                                              "help requested",
		"-verbose":                                                                        "-verbose",
		"serve":                                                                           "1 arguments",
		"-proxy 127.0.0.1:9000":                                                           "-proxy: want a URL",
		"-proxy http://u:secret@h":                                                        "-proxy: want a URL",
		"-base https://www.example.com":                                                   "-warm beside it",
		"-warm a.log -base https://h/shop":                                                "-base: want a scheme and a host",
		"-redis http://secret":                                                            "-redis: want a URL",
	} {
		_, err := parse(strings.Fields(args), func(string) string { return "" })
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%q: error %v, want %q", args, err, want)
		}
	}
}

func TestMain_exitCodes(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "handler")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, tt := range []struct {
		arg, addr string
		code      int
		want      string
	}{
		{"-h", "", 0, "usage: handler"},
		{"-verbose", "", 2, "usage: handler"},
		{"", "127.0.0.1:no", 1, "unknown port"},
	} {
		cmd := exec.CommandContext(t.Context(), program)
		if tt.arg != "" {
			cmd.Args = append(cmd.Args, tt.arg)
		}
		cmd.Env = append(os.Environ(), "ADDR="+tt.addr)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != tt.code || !strings.Contains(string(out), tt.want) {
			t.Errorf("handler %s: exit code %d, want %d with %q:\n%s", tt.arg, code, tt.code, tt.want, out)
		}
	}
}
