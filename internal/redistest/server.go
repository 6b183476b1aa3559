// Package redistest gives tests and benchmarks a Redis to work against: real
// redis-server processes (alone, under Sentinel, as a Cluster), a proxy that
// spoils the way to them, and an in-memory server for virtual time.
//
// Real servers listen on random loopback ports, work in a directory of their
// own, keep nothing on disk, and are killed when the test ends, also when the
// test binary dies first. Where redis-server is missing, tests that ask for one
// are skipped; with the environment variable CI set they fail.
//
// Nothing here returns an error: what goes wrong ends the test with a message
// and the server's last log lines.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Ports are drawn from below the range that the kernel hands out by itself, so
// that nobody takes a killed server's port before its Restart; a Cluster's bus
// listens 10,000 higher and stays below that range too.
const (
	firstPort = 10_000
	ports     = 10_000
	host      = "127.0.0.1"
)

// startTimeout bounds the start of one server on a busy machine.
const startTimeout = 20 * time.Second

// A Server is one redis-server process. Its methods may be called from several
// goroutines at once.
type Server struct {
	tb       TB
	binary   string
	dir      string
	port     int
	args     func(port int) []string
	password string
	clock    []string // of the environment: what gives it a clock of its own; nil: the machine's
	admin    *redis.Client

	mu      sync.Mutex
	process *os.Process
	exited  chan struct{} // closed once process is gone
}

// Start runs a redis-server until the test ends. The args go to its command
// line, after our own, such as "--maxmemory", "2mb".
func Start(tb TB, args ...string) *Server {
	tb.Helper()
	s := alone(tb, args)
	s.launch()
	return s
}

// alone is a Server that is not started yet, and no part of a group.
func alone(tb TB, args []string) *Server {
	tb.Helper()
	s := prepare(tb, func(port int) []string {
		return append([]string{
			"--port", strconv.Itoa(port), "--bind", host, "--save", "", "--appendonly", "no",
		}, args...)
	})
	for i, arg := range args {
		if arg == "--requirepass" && i+1 < len(args) {
			s.password = args[i+1]
		}
	}
	return s
}

// prepare makes a Server that is not started yet; args builds its command line
// for the port that it gets.
func prepare(tb TB, args func(port int) []string) *Server {
	tb.Helper()
	s := &Server{tb: tb, binary: executable(tb, "redis-server"), dir: tb.TempDir(), args: args}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("redis-server on %s ended its log with:\n%s", s.Addr(), s.logTail())
		}
		s.Kill()
		if s.admin != nil {
			s.admin.Close() //nolint:errcheck // the server is gone; only the pool's goroutines matter
		}
	})
	return s
}

// NoServers is the environment variable that has every test skipped that starts a server: those of
// `make test-fast`.
const NoServers = "NO_SERVERS"

// executable finds an executable of the package redis-server, or of that name;
// without it the test is skipped, or fails in CI.
func executable(tb TB, name string) string {
	tb.Helper()
	if os.Getenv(NoServers) != "" {
		tb.Skipf("redistest: this test needs %s, and %s is set", name, NoServers)
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	stop := tb.Skipf
	if os.Getenv("CI") != "" {
		stop = tb.Fatalf
	}
	from := "`apt-get install redis-server` or `brew install redis`"
	if name == faker {
		from = "`apt-get install " + faker + "`"
	}
	stop("redistest: this test needs %s on PATH: install it with %s (%v)", name, from, err)
	return ""
}

// launch picks ports until the server comes up on one: another process may
// take a free port between our look and redis-server's bind.
func (s *Server) launch() {
	s.tb.Helper()
	var err error
	for range 20 {
		s.port, err = freePort()
		if err != nil {
			continue
		}
		s.admin = redis.NewClient(s.adminOptions())
		if err = s.run(); err == nil {
			return
		}
		s.Kill()
		s.admin.Close() //nolint:errcheck // it never connected, or to a stranger
		if !strings.Contains(s.logTail(), "in use") && !errors.Is(err, errStranger) {
			break
		}
	}
	s.tb.Fatalf("redistest: starting redis-server on %s: %v\n%s", s.Addr(), err, s.logTail())
}

// freePort returns a port on which nobody listens at the moment.
func freePort() (int, error) {
	port := firstPort + rand.IntN(ports)
	for _, p := range []int{port, port + 10_000} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p))) //nolint:noctx // a loopback bind does not wait
		if err != nil {
			return 0, err
		}
		if err := l.Close(); err != nil {
			return 0, err
		}
	}
	return port, nil
}

var (
	errStranger = errors.New("another redis-server answers on this port")
	errExited   = errors.New("redis-server exited at once")
)

// run starts the process on s.port and waits until it answers.
func (s *Server) run() error {
	log, err := os.Create(s.logFile())
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	//nolint:noctx // the process is to outlive any context: Kill ends it
	cmd := exec.Command(s.binary, s.args(s.port)...)
	// A file, not a pipe: no goroutine copies, and a stopped process blocks nobody.
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, s.dir
	if s.clock != nil {
		cmd.Env = append(os.Environ(), s.clock...)
	}
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		cmd.Wait() //nolint:errcheck // a killed process has no interesting exit status
	}()
	s.mu.Lock()
	s.process, s.exited = cmd.Process, exited
	s.mu.Unlock()

	return s.waitReady(cmd.Process.Pid, exited)
}

// adminOptions are plain: no retries that would hide a state, nothing sent
// that was not asked for.
func (s *Server) adminOptions() *redis.Options {
	return &redis.Options{
		Addr: s.Addr(), Password: s.password, Protocol: 2,
		PoolSize: 2, MaxRetries: -1, DialerRetries: 1,
		ContextTimeoutEnabled: true, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// waitReady polls until the process answers; pid tells it from a stranger
// that was given the same port.
func (s *Server) waitReady(pid int, exited <-chan struct{}) error {
	ctx, cancel := s.context(startTimeout)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.ping(ctx, pid)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return errExited
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v: %w", startTimeout, err)
		case <-tick.C:
		}
		if errors.Is(err, errStranger) {
			return err
		}
	}
}

func (s *Server) ping(ctx context.Context, pid int) error {
	// A bare connect first: go-redis logs each dial that fails.
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	if err := s.admin.Ping(ctx).Err(); err != nil { // LOADING is an error here
		return err
	}
	info, err := s.admin.Info(ctx, "server").Result()
	if err != nil {
		return err
	}
	if field(info, "process_id") != strconv.Itoa(pid) {
		return errStranger
	}
	return nil
}

// Addr is the server's host:port; it stays the same over Restart.
func (s *Server) Addr() string {
	return net.JoinHostPort(host, strconv.Itoa(s.port))
}

// Dir is the server's working directory, where SAVE would put its snapshot.
func (s *Server) Dir() string { return s.dir }

// Client returns a client with go-redis's own defaults, changed by the given
// functions, and closed when the test ends.
func (s *Server) Client(change ...func(*redis.Options)) *redis.Client {
	s.tb.Helper()
	opts := &redis.Options{Addr: s.Addr(), Password: s.password}
	for _, f := range change {
		f(opts)
	}
	client := redis.NewClient(opts)
	s.tb.Cleanup(func() { client.Close() }) //nolint:errcheck // the test may have closed it
	return client
}

// Do runs one command over a connection of its own and returns the reply.
func (s *Server) Do(args ...any) any {
	s.tb.Helper()
	ctx, cancel := s.context(startTimeout)
	defer cancel()
	reply, err := s.admin.Do(ctx, args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		s.tb.Fatalf("redistest: %v on %s: %v", args, s.Addr(), err)
	}
	return reply
}

// Info returns one field of INFO, "" where it is missing.
func (s *Server) Info(section, name string) string {
	s.tb.Helper()
	text, ok := s.Do("INFO", section).(string)
	if !ok {
		s.tb.Fatalf("redistest: INFO %s on %s: not a text", section, s.Addr())
	}
	return field(text, name)
}

// Calls returns how often clients had this command run since the start, in
// scripts too.
func (s *Server) Calls(command string) int {
	s.tb.Helper()
	stat := s.Info("commandstats", "cmdstat_"+strings.ToLower(command)) // calls=3,usec=…
	count, _, _ := strings.Cut(strings.TrimPrefix(stat, "calls="), ",")
	n, err := strconv.Atoi(count)
	if err != nil {
		return 0 // a command that never ran has no line
	}
	return n
}

// field finds name in INFO's "name:value" lines.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (s *Server) context(limit time.Duration) (context.Context, context.CancelFunc) {
	// Clean-up functions need it too, and run with the test's context cancelled.
	return context.WithTimeout(context.WithoutCancel(s.tb.Context()), limit)
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// logTail returns the end of the current process's log.
func (s *Server) logTail() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	const keep = 4 << 10
	return string(text[max(0, len(text)-keep):])
}
