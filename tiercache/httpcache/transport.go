package httpcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"

	"github.com/warmcache/warmcache/internal/usercode"
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
	if r.Body != nil && r.Body != http.NoBody || traitsOf(r).untouchable {
		t.site.c.counts.request.add()
		return t.next.RoundTrip(r)
	}
	ctx, cancel := context.WithCancel(r.Context())
	p := &pipe{request: r, header: make(http.Header), ready: make(chan struct{}), cancel: cancel}
	p.body, p.in = io.Pipe()
	in := r.WithContext(ctx)
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
	c := t.site.c
	c.counts.method.add()
	before := c.writingOf(r)
	response, err := t.next.RoundTrip(r)
	if err != nil {
		return response, err
	}
	c.takeTags(response.Header)
	c.addStatus(response.Header, c.line("method", ""))
	switch r.Method {
	case http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return response, nil
	}
	if response.StatusCode >= 200 && response.StatusCode < 400 {
		end := before.ending(response.Header)
		end()
		response.Body = &closing{ReadCloser: response.Body, end: end}
	}
	return response, nil
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
	failed  error       // of the transport behind
	trailer http.Header // of its answer; whole at the end of the body
}

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
			err = fmt.Errorf("httpcache: the transport panicked: %s", usercode.Text(v))
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
	response := &http.Response{
		Status: fmt.Sprintf("%d %s", p.status, http.StatusText(p.status)), StatusCode: p.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: p.sent, ContentLength: contentLength(p.sent), Request: p.request,
	}
	if bodiless(p.status) {
		response.ContentLength = 0
	}
	response.Body = &pipeBody{p, response}
	return response
}

// pipeBody ends the request when it is closed, or at its end.
type pipeBody struct {
	p        *pipe
	response *http.Response
}

// Read reads the body.
func (b *pipeBody) Read(data []byte) (int, error) {
	n, err := b.p.body.Read(data)
	if err != nil {
		b.p.cancel()
	}
	if errors.Is(err, io.EOF) {
		b.response.Trailer = b.p.trailer
	}
	return n, err
}

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
	out, _ := w.(*writer)
	if out != nil {
		w = out.w
	}
	p, _ := w.(*pipe) // no other's: a refresh has none
	if err != nil {
		if out != nil && out.stands != nil && out.stands() {
			out.WriteHeader(http.StatusBadGateway) // it is not sent
			return
		}
		p.fail(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	h := w.Header()
	maps.Copy(h, response.Header)
	if response.ContentLength >= 0 && h["Content-Length"] == nil && !response.Uncompressed {
		h.Set("Content-Length", textOf(response.ContentLength))
	}
	if out != nil {
		w = out
	}
	w.WriteHeader(response.StatusCode)
	if _, err := io.Copy(w, response.Body); err != nil {
		p.fail(err)
	}
	if p != nil && (out == nil || out.fate == sent) {
		p.trailer = response.Trailer
	}
}

// fail breaks an answer off. A transport's error is its client's.
func (p *pipe) fail(err error) {
	if p != nil && !errors.Is(err, io.ErrClosedPipe) {
		p.failed = err
	}
	panic(http.ErrAbortHandler)
}
