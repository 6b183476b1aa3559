package warm

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

// EventKind says what an Event tells of.
type EventKind string

// The kinds of events.
const (
	EventRunStarted  EventKind = "run_started"
	EventRunEnded    EventKind = "run_ended"
	EventRunSkipped  EventKind = "run_skipped" // of the clock; Run is the one that was in the way
	EventTaskStarted EventKind = "task_started"
	EventTaskEnded   EventKind = "task_ended"
)

// Event is a step of a run. Fields that say nothing of a kind are zero.
type Event struct {
	Kind      EventKind
	Time      time.Time
	Run       string // its ID
	Trigger   Trigger
	Task      string
	Status    TaskStatus    // of a task that ended
	Role      Role          // of a task that ended
	Items     int           // cached by the task, or by the run
	Duration  time.Duration // of the task, or of the run
	Reason    string        // why a task is not ok, in the engine's words; the loader's own error stands in the log and in Run
	Completed int           // tasks of the run that are ok so far
	Total     int           // tasks of the run
	Dropped   int           // events before this one that the reader was too slow for
}

// eventBuffer is how many events a reader may be behind: more than a run of all tasks has in most
// programs.
const eventBuffer = 256

// Watch returns the events from this call on, in order. It ends with ctx or once the engine has
// stopped. A slow reader loses the oldest events, which the next one counts, and never holds a run.
// The sequence may be ranged over once.
func (e *Engine) Watch(ctx context.Context) iter.Seq[Event] {
	w := e.events.subscribe()
	stop := context.AfterFunc(ctx, func() { e.events.unsubscribe(w) }) // also where nobody ranges
	return func(yield func(Event) bool) {
		defer stop()
		defer e.events.unsubscribe(w)
		for ctx.Err() == nil {
			events, open := w.take()
			for _, ev := range events {
				if !yield(ev) {
					return
				}
			}
			if len(events) > 0 {
				continue
			}
			if !open {
				return
			}
			select {
			case <-w.wake:
			case <-ctx.Done():
			}
		}
	}
}

// hub hands events to its watchers without ever waiting for one. The zero hub is ready.
type hub struct {
	mu       sync.Mutex
	watchers []*watcher
	closed   bool
}

type watcher struct {
	mu      sync.Mutex
	events  []Event
	dropped int
	closed  bool
	wake    chan struct{} // holds one
}

func (h *hub) subscribe() *watcher {
	w := &watcher{wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		w.closed = true
		return w
	}
	h.watchers = append(h.watchers, w)
	return w
}

func (h *hub) unsubscribe(w *watcher) {
	h.mu.Lock()
	h.watchers = slices.DeleteFunc(h.watchers, func(x *watcher) bool { return x == w })
	h.mu.Unlock()
	w.close()
}

func (h *hub) publish(ev Event) {
	ev.Time = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.watchers {
		w.put(ev)
	}
}

// close ends every watcher once it has read what there is.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, w := range h.watchers {
		w.close()
	}
	h.watchers = nil
}

func (w *watcher) put(ev Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if len(w.events) == eventBuffer {
		w.events = slices.Delete(w.events, 0, 1)
		w.dropped++
	}
	w.events = append(w.events, ev)
	w.signal()
}

// take returns what has come since the last time, and whether more can come.
func (w *watcher) take() (events []Event, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	events, w.events = w.events, nil
	if len(events) > 0 {
		events[0].Dropped, w.dropped = w.dropped, 0
	}
	return events, !w.closed
}

func (w *watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.signal()
}

func (w *watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
