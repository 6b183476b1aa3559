package tiercache

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// The errors that callers tell apart with [errors.Is]. Everything else that a method returns wraps
// the error of the loader, of Redis or of the caller's context.
var (
	// ErrNotFound says that the source has no such key. A loader returns it, and Get returns it to
	// every caller; with Config.NegativeTTL the answer is remembered for that long.
	ErrNotFound = errors.New("tiercache: not found")
	// ErrNotModified is what Config.Reload returns to keep the old value and to renew its lifetime.
	ErrNotModified = errors.New("tiercache: not modified")
	// ErrDegraded says that a write reached this process's memory only: its invalidation is queued,
	// and Redis is told when it is back.
	ErrDegraded = errors.New("tiercache: degraded")
	// ErrClosed is the answer of every method of a closed cache.
	ErrClosed = errors.New("tiercache: closed")
	// ErrRecursive says that a load asked, directly or through other keys, for the very key it is
	// loading; waiting would never end.
	ErrRecursive = errors.New("tiercache: recursive load")
	// ErrMaxItems is what emit returns, wrapped, to a warmup loader that is over its MaxItems.
	ErrMaxItems = errors.New("tiercache: the loader is over its MaxItems")
	// ErrGoexit says that a loader ended its goroutine with runtime.Goexit instead of returning.
	ErrGoexit = errors.New("tiercache: loader called runtime.Goexit")
)

// PanicError is a loader's panic, as an error to every waiter; find it with [errors.As] and a
// *PanicError.
type PanicError struct {
	Value any    // what the loader panicked with
	Stack []byte // the loader's stack, as runtime/debug.Stack formats it
}

func newPanicError(v any) *PanicError { return &PanicError{Value: v, Stack: debug.Stack()} }

// Error names the value; the stack is left to whoever logs it.
func (e *PanicError) Error() string { return fmt.Sprintf("tiercache: loader panicked: %v", e.Value) }

// Unwrap returns the value where it is an error itself, so that errors.Is sees through panic(err).
// It is not a loader's answer: ErrNotFound and ErrClosed are not seen in it.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return alien(err)
}
