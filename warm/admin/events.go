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

// events streams the engine's events until the client goes away or the engine has stopped. A client that doesn't read loses events first, and
// then its connection.
func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		fail(w, http.StatusServiceUnavailable, fmt.Sprintf("there are %d event streams already", mostStreams))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	stream := http.NewResponseController(w)
	send := func(format string, args ...any) error {
		// Not every writer has deadlines; one that has none blocks this client's goroutine alone.
		_ = stream.SetWriteDeadline(time.Now().Add(writeTime))
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return err
		}
		return stream.Flush()
	}

	// Watch before the first byte: who has seen the stream open misses nothing.
	watched := h.engine.Watch(ctx)
	events := make(chan warm.Event)
	go func() {
		defer close(events)
		for ev := range watched {
			select {
			case events <- ev:
			case <-ctx.Done():
			}
		}
	}()
	defer func() {
		cancel()
		for range events { // until the goroutine is gone
		}
	}()

	if send(": events of the warm-up\n\n") != nil {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case ev, open := <-events:
			if !open {
				return
			}
			err = sendStep(send, ev)
		case <-beat.C:
			err = send(": still here\n\n")
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func sendStep(send func(format string, args ...any) error, ev warm.Event) error {
	data, err := json.Marshal(step{
		Type: ev.Kind, Time: ev.Time, Run: ev.Run, Trigger: ev.Trigger, Task: ev.Task, Status: ev.Status, Items: ev.Items,
		DurationSeconds: ev.Duration.Seconds(), Reason: ev.Reason, Completed: ev.Completed, Total: ev.Total, Dropped: ev.Dropped,
	})
	if err != nil {
		return err
	}
	return send("event: %s\ndata: %s\n\n", ev.Kind, data)
}
