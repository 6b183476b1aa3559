package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/warmcache/warmcache/warm"
)

const (
	mostBody    = 64 << 10
	longestWait = 10 * time.Minute
	writeTime   = 10 * time.Second // for an answer, once there is one
)

// order is the body of an execute request. All of it is optional.
type order struct {
	Tasks      []string `json:"tasks"` // none = all
	Sequential bool     `json:"sequential"`
	DryRun     bool     `json:"dry_run"`
	Wait       string   `json:"wait"` // how long to wait for the run's end; a duration, "" = not at all

	wait time.Duration
}

// accepted is the answer to a run that goes on: 202.
type accepted struct {
	RunID  string   `json:"run_id"`
	State  string   `json:"state"`  // queued or running
	Joined bool     `json:"joined"` // another had asked for it before
	Tasks  []string `json:"tasks"`
}

// finished is the answer to a run that is over: 200.
type finished struct {
	RunID   string               `json:"run_id"`
	State   string               `json:"state"` // done
	Joined  bool                 `json:"joined"`
	Metrics warm.Metrics         `json:"metrics"`
	Tasks   []warm.TaskRunStatus `json:"tasks"`
}

// execute begins or joins a run. The run is the engine's: a client that goes away doesn't end it. A
// client that accepts text/event-stream is shown the run's steps, and then its record.
func (h *handler) execute(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		wrongMethod(w, "POST")
		return
	}
	if !h.authorized(w, r) {
		return
	}
	o, code, err := readOrder(w, r)
	if err != nil {
		fail(w, code, err.Error())
		return
	}
	// One request does the work and shows its progress: behind a load balancer, a second one may
	// reach another process.
	var events <-chan warm.Event
	streamed := strings.Contains(r.Header.Get("Accept"), "text/event-stream")
	if streamed {
		var stop func()
		events, stop = h.watch(r.Context()) // before the run begins, so that nothing is missed
		defer stop()
	}
	ticket, err := h.engine.Begin(r.Context(), warm.Request{
		Tasks: o.Tasks, Sequential: o.Sequential, DryRun: o.DryRun, Trigger: warm.TriggerHTTP,
	})
	if err != nil {
		fail(w, codeOf(err), err.Error())
		return
	}
	h.cfg.Logger.InfoContext(r.Context(), "admin: run requested", slog.String("run", ticket.ID()),
		slog.Bool("joined", ticket.Joined()), slog.String("remote", r.RemoteAddr))
	if streamed {
		h.follow(w, r, ticket, events, cmp.Or(o.wait, longestWait))
		return
	}
	if o.wait > 0 {
		// The server's own WriteTimeout counts from the request on. Where there is none to move,
		// there is none in the way.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(o.wait + writeTime))
		timer := time.NewTimer(o.wait)
		defer timer.Stop()
		select {
		case <-ticket.Done():
		case <-timer.C:
		case <-r.Context().Done():
		}
	}
	now, body := state(ticket)
	answer(w, now, body)
}

// state is a run as it stands: finished, accepted, or an error.
func state(ticket *warm.Ticket) (code int, body any) {
	run, err := ticket.Run()
	if err != nil {
		return codeOf(err), map[string]string{"error": err.Error()}
	}
	s := run.Status()
	if s.Ended != nil {
		return http.StatusOK, finished{RunID: s.ID, State: "done", Joined: ticket.Joined(), Metrics: s.Metrics, Tasks: s.Tasks}
	}
	a := accepted{RunID: s.ID, State: "running", Joined: ticket.Joined(), Tasks: make([]string, len(s.Tasks))}
	if s.Started.IsZero() {
		a.State = "queued"
	}
	for i, t := range s.Tasks {
		a.Tasks[i] = t.Name
	}
	return http.StatusAccepted, a
}

func codeOf(err error) int {
	var unknown *warm.UnknownTaskError
	var noCache *warm.UnknownCacheError
	switch {
	case errors.As(err, &noCache):
		return http.StatusNotFound
	case errors.As(err, &unknown):
		return http.StatusBadRequest
	case errors.Is(err, warm.ErrDisabled), errors.Is(err, warm.ErrStopped):
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// readOrder reads the body strictly: nothing at all, or one JSON object without unknown fields and
// nothing behind it.
func readOrder(w http.ResponseWriter, r *http.Request) (o order, code int, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return o, http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", mostBody)
	case err != nil:
		return o, http.StatusBadRequest, errors.New("the body could not be read")
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return o, 0, nil
	}
	if body[0] != '{' {
		return o, http.StatusBadRequest, errors.New(`the body must be empty or a JSON object such as {"tasks":[],"sequential":false,"dry_run":false,"wait":"30s"}`)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return o, http.StatusBadRequest, fmt.Errorf("the body is not right: %s", explain(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return o, http.StatusBadRequest, errors.New("the body has something behind its JSON object")
	}
	if o.Wait != "" {
		o.wait, err = time.ParseDuration(o.Wait)
		if err != nil || o.wait < 0 || o.wait > longestWait {
			return o, http.StatusBadRequest, fmt.Errorf(`wait %s: want a duration such as "30s", from 0s to %v`, quote(o.Wait), longestWait)
		}
	}
	return o, 0, nil
}

// explain says what a decoder found, without the names of Go's types, and without text of the
// client at any length.
func explain(err error) string {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		return fmt.Sprintf("%s must not be a %s", kind.Field, kind.Value)
	case errors.As(err, &syntax):
		return fmt.Sprintf("invalid JSON at byte %d", syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the JSON object has no end"
	}
	text := err.Error() // json: unknown field "…", which has no type of its own
	const most = 120
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}
