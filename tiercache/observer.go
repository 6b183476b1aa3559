package tiercache

import (
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// mostEvents is how many events wait for an observer that is slow; then the oldest go.
const mostEvents = 1024

// watcher tells the observer of one cache what happens, in order and one at a time, in a goroutine
// of its own that is there while there is something to tell. So an observer that blocks, or closes
// the cache, holds up nobody but itself: not a sweep, not the notices of other nodes.
type watcher struct {
	observer Observer // nil: nobody listens
	cache    string
	log      *slog.Logger
	dropped  atomic.Uint64

	mu      sync.Mutex
	events  []Event // a ring of mostEvents
	first   int
	n       int
	closed  bool
	telling chan struct{} // nil: there is no goroutine; closed when it ends
}

// tell queues an event.
func (w *watcher) tell(e Event) {
	if w.observer == nil {
		return
	}
	e.Cache = w.cache
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if w.events == nil {
		w.events = make([]Event, mostEvents)
	}
	w.events[(w.first+w.n)%mostEvents] = e
	if w.n++; w.n > mostEvents {
		w.n = mostEvents
		w.first = (w.first + 1) % mostEvents
		w.dropped.Add(1)
	}
	if w.telling == nil {
		w.telling = make(chan struct{})
		go w.run()
	}
}

// run tells what there is.
func (w *watcher) run() {
	for {
		w.mu.Lock()
		if w.n == 0 {
			close(w.telling)
			w.telling, w.events, w.first = nil, nil, 0
			w.mu.Unlock()
			return
		}
		e := w.events[w.first]
		w.events[w.first] = Event{}
		w.first = (w.first + 1) % mostEvents
		w.n--
		w.mu.Unlock()
		w.observe(e)
	}
}

// observe calls the observer, whose panics are its own. Where it ends the goroutine another one
// goes on.
func (w *watcher) observe(e Event) {
	returned := false
	defer func() {
		if v := recover(); v != nil {
			w.log.Error("tiercache: the observer panicked", slog.Any("panic", v))
		} else if !returned {
			go w.run()
		}
	}()
	w.observer.Observe(e)
	returned = true
}

// close takes in nothing more, and waits until what there is has been told; not where it is called
// by the observer itself.
func (w *watcher) close(wait time.Duration) {
	w.mu.Lock()
	w.closed = true
	telling := w.telling
	w.mu.Unlock()
	if telling == nil || observing() {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-telling:
	case <-timer.C:
	}
}

// observing reports whether this goroutine is in a call of an observer.
func observing() bool {
	var pcs [64]uintptr
	for skip := 0; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		for frames := runtime.CallersFrames(pcs[:n]); ; {
			frame, more := frames.Next()
			if strings.HasSuffix(frame.Function, "tiercache.(*watcher).observe") {
				return true
			}
			if !more {
				break
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}
