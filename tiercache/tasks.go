package tiercache

import (
	"sync"
	"time"
)

// tasks counts what runs in the background, so that Close can wait for it. It is a WaitGroup that
// lets nobody in once it is closed, and that doesn't wait for ever.
type tasks struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when the last one left after close
}

func (t *tasks) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.n++
	return true
}

func (t *tasks) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n--; t.n == 0 && t.closed {
		close(t.idle)
	}
}

func (t *tasks) close(wait time.Duration) {
	t.mu.Lock()
	t.closed = true
	t.idle = make(chan struct{})
	running := t.n > 0
	t.mu.Unlock()
	if !running {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-t.idle:
	case <-timer.C:
	}
}
