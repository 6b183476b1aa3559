package tiercache

import (
	"errors"

	"github.com/warmcache/warmcache/tiercache/internal/failure"
)

// The errors that callers tell apart with [errors.Is]. Everything else that a method returns wraps
// the error of the loader, of Redis or of the caller's context.
var (
	// ErrNotFound says that the source has no such key. A loader returns it, and Get returns it to
	// every caller; with Config.NegativeTTL the answer is remembered for that long.
	ErrNotFound = failure.ErrNotFound
	// ErrNotModified is what Config.Reload returns to keep the old value and to renew its lifetime.
	ErrNotModified = errors.New("tiercache: not modified")
	// ErrDegraded says that a write reached this process's memory only: its invalidation is queued,
	// and Redis is told when it is back.
	ErrDegraded = errors.New("tiercache: degraded")
	// ErrClosed is the answer of every method of a closed cache.
	ErrClosed = failure.ErrClosed
	// ErrRecursive says that a load asked, directly or through other keys, for the very key it is
	// loading; waiting would never end.
	ErrRecursive = errors.New("tiercache: recursive load")
	// ErrMaxItems is what emit returns, wrapped, to a warmup loader that is over its MaxItems.
	ErrMaxItems = errors.New("tiercache: the loader is over its MaxItems")
	// ErrGoexit says that a loader ended its goroutine with runtime.Goexit instead of returning.
	ErrGoexit = failure.ErrGoexit
)

// PanicError is a loader's panic, as an error to every waiter; find it with [errors.As] and a
// *PanicError. Value (any) is what the loader panicked with, and Stack ([]byte) the loader's stack,
// as runtime/debug.Stack formats it. Where Value is an error itself, errors.Is sees through it.
// That is not a loader's answer: ErrNotFound and ErrClosed are not seen in it.
type PanicError = failure.PanicError
