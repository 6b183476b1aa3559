package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

// field is where peers run: one origin and one Redis for all, a folder and a port for each.
type field struct {
	folder string
	origin *origin
	redis  *redistest.Server
	made   int
}

// place is a new folder and a free port.
func (f *field) place(ctx context.Context) (place, error) {
	f.made++
	at := place{folder: filepath.Join(f.folder, strconv.Itoa(f.made)), origin: f.origin.addr}
	if err := os.MkdirAll(filepath.Join(at.folder, "cache"), 0o755); err != nil {
		return at, err
	}
	if err := os.MkdirAll(filepath.Join(at.folder, "lock"), 0o755); err != nil {
		return at, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return at, err
	}
	at.addr = listener.Addr().String()
	return at, listener.Close()
}

// process is a peer that runs.
type process struct {
	place

	cmd   *exec.Cmd
	log   *printed
	ended chan error
}

// printed is what a process prints.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *printed) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *printed) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts a peer and waits until it passes a request on, and is warm where it is to be.
func (p peer) start(ctx context.Context, at place) (*process, error) {
	cmd, err := p.command(ctx, at)
	if err != nil {
		return nil, err
	}
	s := &process{place: at, cmd: cmd, log: new(printed), ended: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- cmd.Wait() }()
	within := time.After(30 * time.Second)
	for {
		if err := s.ready(ctx); err == nil {
			return s, nil
		}
		select {
		case err := <-s.ended:
			s.ended <- err
			return nil, fmt.Errorf("%s ended: %w\n%s", p.name, err, s.log)
		case <-within:
			return nil, errors.Join(fmt.Errorf("%s is not ready\n%s", p.name, s.log), s.stop())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *process) ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/ready", http.NoBody)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	if s.warm != "" && !strings.Contains(s.log.String(), "warm: run ended") {
		return errors.New("not warm")
	}
	return nil
}

// stop ends a peer as an operator would.
func (s *process) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.ended: //nolint:errcheck // by a signal: some say so with an exit code
		return nil
	case <-time.After(20 * time.Second):
		return errors.Join(fmt.Errorf("%s does not end", s.cmd.Path), s.cmd.Process.Kill())
	}
}

// cpu is the processor time that a process and its children have taken, by proc(5).
func (s *process) cpu() time.Duration {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	type taken struct {
		parent int
		ticks  int64
	}
	all := make(map[int]taken)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ") // its name may hold blanks
		words := strings.Fields(rest)
		if len(words) < 13 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		parent, _ := strconv.Atoi(words[1])
		user, _ := strconv.ParseInt(words[11], 10, 64)
		system, _ := strconv.ParseInt(words[12], 10, 64)
		all[pid] = taken{parent, user + system}
	}
	var sum int64
	for pid, t := range all {
		for up := pid; up != 0; up = all[up].parent {
			if up == s.cmd.Process.Pid {
				sum += t.ticks
				break
			}
		}
	}
	return time.Duration(sum) * time.Second / 100 // USER_HZ
}
