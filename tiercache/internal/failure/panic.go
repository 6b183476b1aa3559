package failure

import (
	"runtime/debug"

	"github.com/warmcache/warmcache/internal/usercode"
)

// PanicError is a panic of code of the user's, as an error to everybody who waits for it.
type PanicError struct {
	Value any    // what the loader panicked with
	Stack []byte // the loader's stack, as runtime/debug.Stack formats it
}

// Error names the value; the stack is left to whoever logs it.
func (e *PanicError) Error() string { return "tiercache: loader panicked: " + usercode.Text(e.Value) }

// Unwrap returns the value where it is an error itself, so that errors.Is sees through panic(err).
// It is not a loader's answer: ErrNotFound and ErrClosed are not seen in it.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return Alien(err)
}

// NewPanicError is the panic with v of the goroutine that calls it.
func NewPanicError(v any) *PanicError { return &PanicError{Value: v, Stack: debug.Stack()} }
