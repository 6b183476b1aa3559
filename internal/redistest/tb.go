package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
)

// A TB is what this package needs of a testing.TB, which is one. A program
// that is no test gets one from Program.
type TB interface {
	Cleanup(f func())
	Context() context.Context
	Failed() bool
	Fatalf(format string, args ...any)
	Helper()
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	TempDir() string
}

// Program calls run with a TB, for benchmarks that are programs. It returns
// what Fatalf or Skipf was told, nil where run came to its end, after the
// clean-up functions have run, the last one first. Logf writes to stderr.
// As in a test, Fatalf and Skipf are for run's own goroutine.
func Program(ctx context.Context, run func(TB)) error {
	p := &program{ctx: ctx}
	done := make(chan struct{})
	go func() { // so that Fatalf can end run
		defer close(done)
		defer p.cleanUp()
		run(p)
	}()
	<-done
	return p.err
}

// program is the TB of a program. Its methods are those of testing.TB.
type program struct {
	ctx context.Context //nolint:containedctx // Context returns it, as in a testing.TB

	mu       sync.Mutex
	cleanups []func()
	err      error
}

func (p *program) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}

func (p *program) cleanUp() {
	p.mu.Lock()
	cleanups := p.cleanups
	p.mu.Unlock()
	for _, f := range slices.Backward(cleanups) {
		f()
	}
}

func (p *program) Context() context.Context { return p.ctx }

func (p *program) Failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil
}

func (p *program) Fatalf(format string, args ...any) {
	p.mu.Lock()
	p.err = errors.Join(p.err, fmt.Errorf(format, args...))
	p.mu.Unlock()
	runtime.Goexit()
}

func (p *program) Skipf(format string, args ...any) { p.Fatalf(format, args...) }

func (*program) Helper() {}

func (*program) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (p *program) TempDir() string {
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		p.Fatalf("redistest: %w", err)
	}
	p.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // only litter is left
	return dir
}
