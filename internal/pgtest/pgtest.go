// Package pgtest gives tests a PostgreSQL to work against: a real server on a random loopback port,
// in a directory of its own, that is gone when the test ends, also when the test binary dies first.
// Where PostgreSQL is missing, tests that ask for it are skipped; with the environment variable CI
// set they fail.
//
// The server refuses to run as root, so as root it runs as the user postgres. It keeps its promises
// to nobody: fsync is off. Text sorts by the rules of a language (ICU), as on many a real server,
// so that an ORDER BY which counts on bytes is found out.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/warmcache/warmcache/internal/redistest"
)

// startTimeout bounds the start of the server on a busy machine.
const startTimeout = 30 * time.Second

// A Server is one PostgreSQL server.
type Server struct {
	tb        testing.TB
	bin       string
	dir       string
	port      int
	databases atomic.Int64
}

// Start runs a server until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, bin: programs(tb)}
	dir, err := os.MkdirTemp("", "pgtest") //nolint:usetesting // below tb.TempDir, which is root's alone, the user postgres could not reach it
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	s.dir = dir
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("pgtest: %v", err)
		}
	})
	attributes := s.own()
	s.initialize(attributes)
	s.run(attributes)
	return s
}

// Database creates an empty database and returns its connection string, for the driver "pgx".
func (s *Server) Database() string {
	s.tb.Helper()
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	conn, err := pgx.Connect(s.tb.Context(), s.dsn("postgres"))
	if err != nil {
		s.tb.Fatalf("pgtest: %v", err)
	}
	defer conn.Close(s.tb.Context()) //nolint:errcheck // nothing is left to lose
	if _, err := conn.Exec(s.tb.Context(), "CREATE DATABASE "+name); err != nil {
		s.tb.Fatalf("pgtest: create database %s: %v", name, err)
	}
	return s.dsn(name)
}

func (s *Server) dsn(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// programs finds the directory of postgres and initdb, which Debian keeps off the PATH.
func programs(tb testing.TB) string {
	tb.Helper()
	if os.Getenv(redistest.NoServers) != "" {
		tb.Skipf("pgtest: this test needs PostgreSQL, and %s is set", redistest.NoServers)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.Sort(found)
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	for _, path := range slices.Backward(found) {
		if target, err := filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(target)
		}
	}
	stop := tb.Skipf
	if os.Getenv("CI") != "" {
		stop = tb.Fatalf
	}
	stop("pgtest: this test needs PostgreSQL: install it with `apt-get install postgresql` or `brew install postgresql`")
	return ""
}

// own gives the directory to the user that the server runs as, and returns what makes a child run
// as that user.
func (s *Server) own() *syscall.SysProcAttr {
	s.tb.Helper()
	attributes := dieWithParent()
	if os.Getuid() != 0 {
		return attributes
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		s.tb.Fatalf("pgtest: PostgreSQL does not run as root, and there is no user postgres: %v", err)
	}
	uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr, os.Chown(s.dir, int(uid), int(gid))); err != nil {
		s.tb.Fatalf("pgtest: give %s to the user postgres: %v", s.dir, err)
	}
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes
}

func (s *Server) initialize(attributes *syscall.SysProcAttr) {
	s.tb.Helper()
	cmd := exec.CommandContext(s.tb.Context(), filepath.Join(s.bin, "initdb"), "--pgdata="+s.data(), "--username=postgres", "--auth=trust",
		"--no-sync", "--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8")
	cmd.Dir, cmd.SysProcAttr = s.dir, attributes
	if out, err := cmd.CombinedOutput(); err != nil {
		s.tb.Fatalf("pgtest: initdb: %v\n%s", err, out)
	}
}

// run starts the server, on another port where another process took ours, and has it stopped when
// the test ends.
func (s *Server) run(attributes *syscall.SysProcAttr) {
	s.tb.Helper()
	var err error
	for range 10 {
		s.port = 10_000 + rand.IntN(20_000) // below the range that the kernel hands out by itself
		if err = s.try(attributes); err == nil || !strings.Contains(err.Error(), "in use") {
			break
		}
	}
	if err != nil {
		s.tb.Fatalf("pgtest: start postgres on port %d: %v", s.port, err)
	}
}

func (s *Server) try(attributes *syscall.SysProcAttr) error {
	logName := filepath.Join(s.dir, "log")
	log, err := os.Create(logName)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	//nolint:noctx // the process is to outlive any context: the clean-up ends it
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data(), "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = s.dir, attributes, log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		cmd.Wait() //nolint:errcheck // how a killed server ends is of no interest
	}()
	if err := s.await(exited); err != nil {
		stop(cmd.Process, exited)
		text, _ := os.ReadFile(logName)
		return fmt.Errorf("%w\n%s", err, bytes.TrimSpace(text))
	}
	s.tb.Cleanup(func() { stop(cmd.Process, exited) })
	return nil
}

// stop ends the server without a checkpoint, and its children with it.
func stop(process *os.Process, exited <-chan struct{}) {
	process.Signal(syscall.SIGQUIT) //nolint:errcheck // it fails only where the process has ended
	<-exited
}

// await polls until the server answers.
func (s *Server) await(exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(s.tb.Context(), startTimeout)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.dsn("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-exited:
			return errors.New("postgres exited at once")
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }
