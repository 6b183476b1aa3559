package httpcache

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
)

// fate is what becomes of what a handler writes.
type fate uint8

const (
	undecided fate = iota
	sent           // to the client
	muted          // the client needs no body
	dropped        // something stored is sent instead
)

// writer is what a handler writes to: the client's ResponseWriter, and a copy of the body where it
// may be stored. The handler's header is the client's own, so that trailers, and what stands before
// us, are as without a cache.
type writer struct {
	w      http.ResponseWriter
	decide func(status int) fate // is called once, before the final header goes out
	fate   fate
	status int

	mu         sync.Mutex // what follows is also another goroutine's, when the time is over
	collecting bool
	body       []byte
	most       int64
	outgrown   func() // is called when the body is longer than most

	stands func() bool // reports whether something stored would be sent for an error; may be nil
	taken  func()      // is called when the handler takes the connection over; may be nil
}

// Header is the client's.
func (t *writer) Header() http.Header { return t.w.Header() }

// WriteHeader passes on what is not final at once.
func (t *writer) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		t.w.WriteHeader(status)
		return
	}
	if t.fate != undecided {
		if t.fate == sent {
			t.w.WriteHeader(status) // net/http says that this is too late
		}
		return
	}
	t.status = status
	t.fate = t.decide(status)
	switch t.fate {
	case sent:
		t.w.WriteHeader(status)
	case muted:
		t.w.WriteHeader(http.StatusNotModified)
	case dropped, undecided:
	}
}

// Write sends and collects. Where the client has gone the rest is collected all the same.
func (t *writer) Write(p []byte) (int, error) {
	t.ready()
	if t.fate == dropped {
		return len(p), nil
	}
	kept := t.collect(p)
	if t.fate == muted {
		return len(p), nil
	}
	n, err := t.w.Write(p)
	if err != nil && kept && !errors.Is(err, http.ErrBodyNotAllowed) && !errors.Is(err, http.ErrContentLength) {
		return len(p), nil
	}
	return n, err
}

// again has another answer come, in place of one that was dropped.
func (t *writer) again() {
	t.end()
	t.fate, t.status = undecided, 0
}

// ready sends the header where the handler has not.
func (t *writer) ready() {
	if t.fate == undecided {
		t.WriteHeader(http.StatusOK)
	}
}

// collect keeps a copy of what is written, as long as it may be stored.
func (t *writer) collect(p []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.collecting {
		return false
	}
	if int64(len(t.body)+len(p)) > t.most {
		t.collecting, t.body = false, nil
		t.outgrown()
		return false
	}
	t.body = append(t.body, p...)
	return true
}

// collects reports whether the body is still collected.
func (t *writer) collects() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.collecting
}

// begin collects from now on.
func (t *writer) begin(size int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.collecting = true
	if size > 0 {
		t.body = make([]byte, 0, size)
	}
}

// end stops to collect, and returns the body if it was collected to this moment.
func (t *writer) end() (body []byte, whole bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	body, whole = t.body, t.collecting
	t.collecting, t.body = false, nil
	return body, whole
}

// ReadFrom copies as the client's own does once nothing is collected.
func (t *writer) ReadFrom(src io.Reader) (n int64, err error) {
	t.ready()
	const chunk = 32 << 10
	for t.fate != sent || t.collects() {
		m, err := io.CopyN(plainWriter{t}, src, chunk)
		n += m
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		}
	}
	m, err := io.Copy(t.w, src)
	return n + m, err
}

// plainWriter hides ReadFrom.
type plainWriter struct{ t *writer }

// Write is the writer's.
func (p plainWriter) Write(data []byte) (int, error) { return p.t.Write(data) }

// Flush sends what was written.
func (t *writer) Flush() { _ = t.FlushError() }

// FlushError is Flush with its error.
func (t *writer) FlushError() error {
	t.ready()
	if t.fate != sent {
		return nil
	}
	err := http.NewResponseController(t.w).Flush()
	if err != nil && t.collects() {
		return nil // the client has gone
	}
	return err
}

// Hijack hands the connection over. What goes over it then is no answer.
func (t *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	t.end()
	conn, buffered, err := http.NewResponseController(t.w).Hijack()
	if err == nil && t.fate == undecided {
		t.fate = sent
		if t.taken != nil {
			t.taken()
		}
	}
	return conn, buffered, err
}

// Unwrap is for http.ResponseController.
func (t *writer) Unwrap() http.ResponseWriter { return t.w }

// nobody is the client of a refresh.
type nobody struct{ header http.Header }

// Header is what the handler sets.
func (n nobody) Header() http.Header { return n.header }

// WriteHeader sends nothing.
func (n nobody) WriteHeader(int) {}

// Write takes everything.
func (n nobody) Write(p []byte) (int, error) { return len(p), nil }

// Flush sends nothing.
func (n nobody) Flush() {}
