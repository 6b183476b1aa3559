package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/warmcache/warmcache/internal/leaktest"
	"github.com/warmcache/warmcache/internal/redistest"
)

// secret stands wherever a test gives the program a password: it must never be printed.
const secret = "hunter2"

var program struct {
	once sync.Once
	dir  string
	path string
	err  error

	fill     sync.Once
	database []byte // of an SQLite file with its demo data
	fillErr  error
}

func TestMain(m *testing.M) {
	leaktest.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if program.dir != "" {
			os.RemoveAll(program.dir) //nolint:errcheck // only litter is left
		}
		os.Exit(code)
	}))
}

// binary builds the program once, race detector on.
func binary(t *testing.T) string {
	t.Helper()
	program.once.Do(func() {
		program.dir, program.err = os.MkdirTemp("", "brandapi") //nolint:usetesting // it outlives this test
		if program.err != nil {
			return
		}
		program.path = filepath.Join(program.dir, "brandapi")
		out, err := exec.Command("go", "build", "-race", "-o", program.path, ".").CombinedOutput()
		if err != nil {
			program.err = fmt.Errorf("go build -race: %w\n%s", err, out)
		}
		// A test runs it as another user.
		program.err = errors.Join(program.err, os.Chmod(program.dir, 0o755))
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return program.path
}

// output collects what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// process is the program under test.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	log    *output
	exited chan struct{}
}

// launch runs the program with these variables and no others of its own, in a folder of its own.
// Its operations on Redis have much time, so that a busy machine is not taken for a Redis that is
// away; what comes of that is tested with a Redis that is.
func launch(t *testing.T, variables ...string) *process {
	t.Helper()
	p := prepare(t, variables...)
	p.begin()
	return p
}

func prepare(t *testing.T, variables ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary(t)), log: new(output), exited: make(chan struct{})}
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append([]string{"TMPDIR=" + os.TempDir(), "ADDR=127.0.0.1:0", "DEMO_REPORTS=3000", "REDIS_TIMEOUT=5s"}, variables...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	return p
}

// begin starts the command; the test ends it.
func (p *process) begin() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		p.cmd.Wait() //nolint:errcheck // ProcessState says it
	}()
	p.t.Cleanup(func() {
		p.kill()
		if p.t.Failed() {
			p.t.Logf("the program's log:\n%s", p.log)
		}
		if strings.Contains(p.log.String(), "DATA RACE") {
			p.t.Errorf("a data race in the program:\n%s", p.log)
		}
		if strings.Contains(p.log.String(), secret) {
			p.t.Errorf("the program printed a secret:\n%s", p.log)
		}
	})
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("%v: %v", s, err)
	}
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// wait returns the exit code, and fails the test where the process does not end in time.
func (p *process) wait(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		p.t.Fatalf("the program did not end within %v", within)
		return 0
	}
}

// terminate sends SIGTERM, after which the program must exit with 0. It promises 5 seconds, and
// keeps them by an alarm of its own after 4; here more may pass, as other tests keep the machine
// busy.
func (p *process) terminate() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.wait(30 * time.Second); code != 0 {
		p.t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// service is the program while it listens.
type service struct {
	*process

	url    string
	client *http.Client
}

var listening = regexp.MustCompile(`msg=listening url=(\S+)`)

// serve launches the program and waits until it listens.
func serve(t *testing.T, variables ...string) *service {
	t.Helper()
	return listen(launch(t, variables...))
}

func listen(p *process) *service {
	p.t.Helper()
	s := &service{process: p}
	redistest.Eventually(p.t, time.Minute, func() error {
		select {
		case <-p.exited:
			p.t.Fatalf("the program ended with %v before it listened", p.cmd.ProcessState)
		default:
		}
		found := listening.FindStringSubmatch(p.log.String())
		if found == nil {
			return errors.New("it does not listen")
		}
		s.url = found[1]
		return nil
	})
	transport := new(http.Transport)
	p.t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport, Timeout: time.Minute}
	return s
}

// answer is an HTTP answer that was read to its end.
type answer struct {
	code   int
	header http.Header
	body   string
}

// field finds a value in a JSON body by its path, nil where there is none.
func (a answer) field(path ...string) any {
	var value any
	if json.Unmarshal([]byte(a.body), &value) != nil {
		return nil
	}
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// yes reports whether a field of a JSON body is true.
func (a answer) yes(path ...string) bool {
	value, _ := a.field(path...).(bool)
	return value
}

func (s *service) request(ctx context.Context, method, path, body string, header ...string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	request.Host = request.Header.Get("Host") // "" is the URL's
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	text, err := io.ReadAll(response.Body)
	return answer{code: response.StatusCode, header: response.Header, body: string(text)}, err
}

// do sends a request that must be answered.
func (s *service) do(method, path, body string, header ...string) answer {
	s.t.Helper()
	a, err := s.request(s.t.Context(), method, path, body, header...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (s *service) get(path string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, path, "")
}

// warmed waits for the end of the start-up run.
func (s *service) warmed() {
	s.t.Helper()
	redistest.Eventually(s.t, time.Minute, func() error {
		if a := s.get("/api/cache/warmup/status"); a.field("warmup", "last_metrics") == nil || a.yes("warmup", "running") {
			return errors.New("the start-up run is not over: " + a.body)
		}
		return nil
	})
}

// loads is how often the caches have read the database for a request.
func (s *service) loads() (n float64) {
	s.t.Helper()
	caches, _ := s.get("/api/cache/stats").field().(map[string]any)
	if len(caches) != 5 {
		s.t.Fatalf("statistics of %d caches, want 5", len(caches))
	}
	for name := range caches {
		cache, _ := caches[name].(map[string]any)
		loads, ok := cache["Loads"].(float64)
		if !ok {
			s.t.Fatalf("cache %s has no Loads: %v", name, cache)
		}
		n += loads
	}
	return n
}
