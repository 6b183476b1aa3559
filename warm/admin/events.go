package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/warmcache/warmcache/warm"
)

const heartbeat = 15 * time.Second // keeps proxies from closing a stream that is idle

// step is a warm.Event on the wire.
type step struct {
	Type            warm.EventKind  `json:"type"`
	Time            time.Time       `json:"time"`
	Run             string          `json:"run"`
	Trigger         warm.Trigger    `json:"trigger"`
	Task            string          `json:"task,omitempty"`
	Status          warm.TaskStatus `json:"status,omitempty"`
	Items           int             `json:"items"`
	DurationSeconds float64         `json:"duration_seconds"`
	Reason          string          `json:"reason,omitempty"`
	Completed       int             `json:"completed"`
	Total           int             `json:"total"`
	Dropped         int             `json:"dropped,omitempty"`
}

// events streams the engine's events until the client goes away, the engine has stopped or the
// server is shut down. A client that doesn't read loses events first, and then its connection.
func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		fail(w, http.StatusServiceUnavailable, fmt.Sprintf("there are %d event streams already", mostStreams))
		return
	}
	if r.Method == http.MethodHead {
		streamHeader(w)
		return
	}
	// Watch before the first byte: who has seen the stream open misses nothing.
	events, stop := h.watch(r.Context())
	defer stop()
	s := openStream(w)
	if s.send(": events of the warm-up\n\n") == nil {
		s.pass(events, h.shutdown(r), func(warm.Event) (wanted, last bool) { return true, false })
	}
}

// watch returns the events from this call on, and what ends them.
func (h *handler) watch(ctx context.Context) (events <-chan warm.Event, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	watched := h.engine.Watch(ctx)
	c := make(chan warm.Event)
	go func() {
		defer close(c)
		for ev := range watched {
			select {
			case c <- ev:
			case <-ctx.Done():
			}
		}
	}()
	return c, func() {
		cancel()
		for range c { // until the goroutine is gone
		}
	}
}

// stream is an answer of server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// streamHeader asks for no buffering: nginx holds an answer back until it is complete unless it is
// told not to.
func streamHeader(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
}

func openStream(w http.ResponseWriter) stream {
	streamHeader(w)
	return stream{w, http.NewResponseController(w)}
}

func (s stream) send(format string, args ...any) error {
	// Not every writer has deadlines; one that has none blocks this client's goroutine alone.
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := fmt.Fprintf(s.w, format, args...); err != nil {
		return err
	}
	return s.control.Flush()
}

// object sends a value as an event of this kind.
func (s stream) object(kind string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.send("event: %s\ndata: %s\n\n", kind, data)
}

// pass sends the events that are wanted until one is the last, there are no more, over is closed,
// or the client is gone.
func (s stream) pass(events <-chan warm.Event, over <-chan struct{}, take func(warm.Event) (wanted, last bool)) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		var last bool
		select {
		case ev, open := <-events:
			if !open {
				return
			}
			var wanted bool
			if wanted, last = take(ev); wanted {
				err = s.step(ev)
			}
		case <-beat.C:
			err = s.send(": still here\n\n")
		case <-over:
			return
		}
		if err != nil || last {
			return
		}
	}
}

func (s stream) step(ev warm.Event) error {
	return s.object(string(ev.Kind), step{
		Type: ev.Kind, Time: ev.Time, Run: ev.Run, Trigger: ev.Trigger, Task: ev.Task, Status: ev.Status, Items: ev.Items,
		DurationSeconds: ev.Duration.Seconds(), Reason: ev.Reason, Completed: ev.Completed, Total: ev.Total, Dropped: ev.Dropped,
	})
}

// lastSteps is how long the steps of a run that is over are waited for: they are written already,
// and on their way through the engine's queue.
const lastSteps = time.Second

// follow streams a run that was begun or joined: the event accepted, the steps, and last the event
// result with its record, or the event error. After wait the record is the one of a run that goes
// on.
func (h *handler) follow(w http.ResponseWriter, r *http.Request, ticket *warm.Ticket, events <-chan warm.Event, wait time.Duration) {
	s := openStream(w)
	_, begun := state(ticket)
	if s.object("accepted", begun) != nil {
		return
	}
	over := make(chan struct{})
	done := make(chan struct{})
	defer func() { close(done) }()
	go func() {
		defer close(over)
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ticket.Done():
			timer.Reset(lastSteps)
			select {
			case <-timer.C:
			case <-done:
			}
		case <-timer.C:
		case <-h.shutdown(r):
		case <-done:
		}
	}()
	s.pass(events, over, func(ev warm.Event) (wanted, last bool) {
		ours := ev.Run == ticket.ID()
		return ours, ours && ev.Kind == warm.EventRunEnded
	})
	run, err := ticket.Run()
	if err != nil {
		_ = s.object("error", map[string]string{"error": err.Error()}) // a client that is gone is nobody to tell
		return
	}
	_ = s.object("result", run.Status())
}

// shutdown is closed once the server that serves r is shut down, which waits for every request: an
// open stream would hold it up. It is nil where r comes from no http.Server.
func (h *handler) shutdown(r *http.Request) <-chan struct{} {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	ends, known := h.servers[server]
	if !known {
		ends = make(chan struct{})
		h.servers[server] = ends
		server.RegisterOnShutdown(func() { // Shutdown may be called again, and so this too
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.servers[server] == ends {
				delete(h.servers, server)
				close(ends)
			}
		})
	}
	return ends
}
