package failure

import "errors"

// The sentinels that rooms return or look for. tiercache hands them out, and says what they mean.
var (
	ErrNotFound = errors.New("tiercache: not found")
	ErrClosed   = errors.New("tiercache: closed")
	ErrGoexit   = errors.New("tiercache: loader called runtime.Goexit")
)
