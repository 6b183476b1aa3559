package httpcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
)

// Transport answers from the cache where it may, and else has next answer; nil is
// http.DefaultTransport.
func (c *Cache) Transport(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{c.site(roundTrip{next}), next}
}

// transport is the cache as a client's transport.
type transport struct {
	site *site
	next http.RoundTripper
}

// RoundTrip answers a request. Those that a cache should not look at are next's alone.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != "" && r.Method != http.MethodGet && r.Method != http.MethodHead {
		return t.other(r)
	}
	if r.Body != nil && r.Body != http.NoBody || untouchable(r) {
		t.site.c.counts.request.add()
		return t.next.RoundTrip(r)
	}
	ctx, cancel := context.WithCancel(r.Context())
	p := &pipe{request: r, header: make(http.Header), ready: make(chan struct{}), cancel: cancel}
	p.body, p.in = io.Pipe()
	in := r.WithContext(context.WithValue(ctx, pipeKey{}, p))
	if in.Method == "" {
		in.Method = http.MethodGet
	}
	if in.Host == "" {
		in.Host = in.URL.Host
	}
	if in.Header == nil {
		in.Header = make(http.Header)
	}
	in.RequestURI = ""
	context.AfterFunc(ctx, func() { _ = p.body.CloseWithError(context.Cause(ctx)) })
	go p.serve(t.site, in)
	select {
	case <-p.ready:
	case <-r.Context().Done():
		cancel()
		return nil, r.Context().Err()
	}
	if p.err != nil {
		cancel()
		return nil, p.err
	}
	return p.response(), nil
}

// other forwards an unsafe method, and ends what it has made untrue before its answer is read.
func (t *transport) other(r *http.Request) (*http.Response, error) {
	t.site.c.counts.method.add()
	response, err := t.next.RoundTrip(r)
	switch r.Method {
	case http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return response, err
	}
	if err == nil && response.StatusCode >= 200 && response.StatusCode < 400 {
		end := t.site.c.ending(r, response.Header)
		end()
		response.Body = &closing{ReadCloser: response.Body, end: end}
	}
	return response, err
}

// closing ends once more what was made untrue when its body is over.
type closing struct {
	io.ReadCloser
	once sync.Once
	end  func()
}

// Read is the body's.
func (c *closing) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err != nil {
		c.once.Do(c.end)
	}
	return n, err
}

// Close is the body's.
func (c *closing) Close() error {
	c.once.Do(c.end)
	return c.ReadCloser.Close()
}

// pipe is the ResponseWriter of a client's request.
type pipe struct {
	request *http.Request
	header  http.Header
	ready   chan struct{} // is closed once the header stands, or err
	once    sync.Once
	status  int
	sent    http.Header
	err     error
	body    *io.PipeReader
	in      *io.PipeWriter
	cancel  func()
	failed  error // of the transport behind
}

type pipeKey struct{}

// Header is what the handler sets.
func (p *pipe) Header() http.Header { return p.header }

// WriteHeader lets the client's call return.
func (p *pipe) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols {
		return // a transport tells of these by its trace
	}
	p.once.Do(func() {
		p.status, p.sent = status, p.header.Clone()
		close(p.ready)
	})
}

// Write hands a part of the body over.
func (p *pipe) Write(data []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.request.Method == http.MethodHead {
		return len(data), nil
	}
	return p.in.Write(data)
}

// Flush has nothing to do: what was written is with the client.
func (p *pipe) Flush() { p.WriteHeader(http.StatusOK) }

// serve runs the cache. What breaks an answer off is an error of its body.
func (p *pipe) serve(s *site, r *http.Request) {
	defer func() {
		v := recover()
		var err error
		switch {
		case v == nil:
		case p.failed != nil:
			err = p.failed
		case v == http.ErrAbortHandler: //nolint:errorlint // net/http compares as well
			err = io.ErrUnexpectedEOF
		default:
			err = fmt.Errorf("httpcache: the transport panicked: %v", v)
		}
		p.once.Do(func() {
			if p.err = err; err == nil {
				p.status, p.sent = http.StatusOK, p.header.Clone()
			}
			close(p.ready)
		})
		_ = p.in.CloseWithError(err) // nil is the end
	}()
	s.ServeHTTP(p, r)
}

func (p *pipe) response() *http.Response {
	length := contentLength(p.sent)
	return &http.Response{
		Status: fmt.Sprintf("%d %s", p.status, http.StatusText(p.status)), StatusCode: p.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: p.sent, ContentLength: length, Request: p.request, Body: &pipeBody{p},
	}
}

// pipeBody ends the request when it is closed.
type pipeBody struct{ p *pipe }

// Read reads the body.
func (b *pipeBody) Read(data []byte) (int, error) { return b.p.body.Read(data) }

// Close ends the request.
func (b *pipeBody) Close() error {
	err := b.p.body.Close()
	b.p.cancel()
	return err
}

// roundTrip is a transport as a handler. Its error, which a handler can't return, is noted with the
// client's pipe; where something stored may be served in its place it counts as 502.
type roundTrip struct{ next http.RoundTripper }

// ServeHTTP asks the transport.
func (t roundTrip) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response, err := t.next.RoundTrip(r)
	p, _ := r.Context().Value(pipeKey{}).(*pipe)
	if err != nil {
		if p != nil {
			p.failed = err
		}
		if out, ok := w.(*writer); ok && out.stands != nil && out.stands() {
			w.WriteHeader(http.StatusBadGateway) // it is not sent
			return
		}
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	h := w.Header()
	maps.Copy(h, response.Header)
	if response.ContentLength >= 0 && h["Content-Length"] == nil && !response.Uncompressed {
		h.Set("Content-Length", textOf(response.ContentLength))
	}
	w.WriteHeader(response.StatusCode)
	if _, err := io.Copy(w, response.Body); err != nil {
		if p != nil && !errors.Is(err, io.ErrClosedPipe) {
			p.failed = err
		}
		panic(http.ErrAbortHandler)
	}
}
