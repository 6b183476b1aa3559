package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/warmcache/warmcache/warm"
)

const (
	longestRun = 15 * time.Minute // that is waited for, unless -timeout says otherwise
	silence    = 20 * time.Second // a stream that lives says something each 15 s
	unknownFor = 5 * time.Second  // behind a load balancer one replica knows the run, another doesn't
)

// runner has the service run tasks, and waits no longer than this.
type runner struct {
	*client

	wait time.Duration
}

// plan asks the service.
func (c *runner) plan(ctx context.Context, o order) (p warm.Plan, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.wait, fmt.Errorf("the service did not answer within %v", c.wait))
	defer cancel()
	err = c.read(ctx, request{method: http.MethodPost, path: "plan", body: o}, &p)
	return p, because(ctx, err)
}

// because is err, or what ended ctx before.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// follow starts a run, or joins one, hands its steps to show, and returns its record. One request
// does all of that, since a second one may reach another process. Progress is a courtesy: a service
// or proxy that shows none is asked for the record alone.
func (c *runner) follow(ctx context.Context, o order, show func(step)) (warm.RunStatus, error) {
	over := fmt.Errorf("the service did not answer within %v", c.wait)
	caller := ctx
	ctx, stop := context.WithTimeoutCause(ctx, c.wait, over)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := &following{runner: c, show: show, heard: make(chan struct{}, 1)}
	go c.listen(ctx, cancel, f.heard)
	err := f.ask(ctx, o)
	switch cause := context.Cause(ctx); {
	case err == nil:
		return *f.ended, nil
	case cause == nil:
		return warm.RunStatus{}, err
	case f.id == "" && caller.Err() != nil:
		return warm.RunStatus{}, errors.New("interrupted; if the run has begun, it goes on in the service")
	case f.id == "":
		return warm.RunStatus{}, cause
	case errors.Is(cause, over):
		return warm.RunStatus{}, fmt.Errorf("run %s is not over after %v; it goes on in the service", f.id, c.wait)
	case caller.Err() != nil:
		return warm.RunStatus{}, fmt.Errorf("interrupted; run %s goes on in the service", f.id)
	default:
		return warm.RunStatus{}, fmt.Errorf("%w; run %s goes on in the service", cause, f.id)
	}
}

// listen ends the wait where nothing is heard and the service does not answer at all any more. It
// may be silent for long behind a proxy that holds answers back.
func (c *runner) listen(ctx context.Context, cancel context.CancelCauseFunc, heard <-chan struct{}) {
	for ctx.Err() == nil {
		select {
		case <-heard:
		case <-ctx.Done():
		case <-time.After(silence):
			var status json.RawMessage
			if err := c.get(ctx, "status", nil, &status); err != nil {
				cancel(err)
			}
		}
	}
}

// following is a run that goes on, and what is known of it.
type following struct {
	*runner

	show  func(step)
	heard chan struct{}
	id    string          // "": nothing is known yet
	ended *warm.RunStatus // its record
}

// begun is what the service answers to execute.
type begun struct {
	RunID   string          `json:"run_id"`
	State   string          `json:"state"`
	Metrics warm.Metrics    `json:"metrics"`
	Tasks   json.RawMessage `json:"tasks"` // records of a run that is over, names of one that goes on
}

// ask makes the request and reads its answer to the end. What is not known then is asked for: a
// stream that breaks off does the run no harm.
func (f *following) ask(ctx context.Context, o order) error {
	res, err := f.send(ctx, request{method: http.MethodPost, path: "execute", body: o, accept: "text/event-stream"})
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	body := bufio.NewReader(io.LimitReader(res.Body, mostAnswer))
	if first, _ := body.Peek(1); string(first) == "{" { // by what it is: a proxy may change its type
		err = f.answered(body)
	} else {
		err = f.steps(body)
	}
	switch {
	case f.ended != nil:
		return nil
	case f.id != "" && ctx.Err() == nil:
		return f.record(ctx)
	default:
		return err
	}
}

// answered reads an answer in one piece.
func (f *following) answered(body io.Reader) error {
	var b begun
	if err := json.NewDecoder(body).Decode(&b); err != nil || b.RunID == "" {
		return fmt.Errorf("the answer of %s is not understood", f.at)
	}
	f.id = b.RunID
	if b.State == "done" {
		r := warm.RunStatus{ID: b.RunID, Trigger: warm.TriggerHTTP, Metrics: b.Metrics}
		if json.Unmarshal(b.Tasks, &r.Tasks) == nil {
			f.ended = &r
		}
	}
	return nil
}

// steps reads server-sent events until they end.
func (f *following) steps(body io.Reader) error {
	kind := ""
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, mostAnswer)
	for f.ended == nil && lines.Scan() {
		select {
		case f.heard <- struct{}{}:
		default:
		}
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			kind = name
		} else if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := f.event(kind, []byte(data)); err != nil {
				return err
			}
		}
	}
	return cmp.Or(lines.Err(), fmt.Errorf("the answer of %s broke off, or is none of ours", f.at))
}

func (f *following) event(kind string, data []byte) error {
	switch kind {
	case "accepted":
		var b begun
		err := json.Unmarshal(data, &b)
		f.id = b.RunID
		return err
	case "error":
		var said struct {
			Error string `json:"error"`
		}
		f.id = "" // it never began
		return cmp.Or(json.Unmarshal(data, &said), fmt.Errorf("the service says: %s", f.hide.text(shown(said.Error))))
	case "result":
		var r warm.RunStatus
		err := json.Unmarshal(data, &r)
		if err == nil && r.Ended != nil {
			f.ended = &r
		}
		return err
	default:
		var s step
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		f.show(s)
		return nil
	}
}

// record waits for the record of a run that goes on, or is over.
func (f *following) record(ctx context.Context) error {
	const pause = 300 * time.Millisecond
	known := time.Now()
	for {
		var s warm.Status
		if err := f.get(ctx, "status", nil, &s); err != nil {
			return err
		}
		for _, r := range s.Warmup.RecentRuns {
			if r.ID == f.id {
				f.ended = &r
				return nil
			}
		}
		if s.Warmup.CurrentRun != nil || s.Warmup.QueuedRuns > 0 {
			known = time.Now() // it may be that run, or come after it
		} else if time.Since(known) > unknownFor {
			return fmt.Errorf("the service no longer knows run %s: it was restarted, or many runs came after", f.id)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
