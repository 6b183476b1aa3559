// Package wire makes connections to a Redis in memory behave as sockets do.
package wire

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
)

// Traffic counts the bytes of connections.
type Traffic struct {
	Sent, Received atomic.Int64
}

// Client returns a client of a Redis in memory, for a bubble of virtual time, with go-redis's own
// defaults, changed by the given functions. traffic may be nil.
func Client(server *redistest.InMemory, traffic *Traffic, change ...func(*redis.Options)) *redis.Client {
	if traffic == nil {
		traffic = new(Traffic)
	}
	return server.Client(append(change, func(o *redis.Options) {
		o.ContextTimeoutEnabled = true
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := server.Dialer(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return newWire(conn, traffic), nil
		}
	})...)
}

// wire holds what is written until the other side takes it, as a socket does: a pipe holds nothing,
// and a client that writes a long pipeline there waits for a server that waits for the client to
// read.
type wire struct {
	net.Conn

	traffic *Traffic

	mu     sync.Mutex
	more   sync.Cond
	queue  []byte
	closed bool
}

func newWire(conn net.Conn, traffic *Traffic) *wire {
	w := &wire{Conn: conn, traffic: traffic}
	w.more.L = &w.mu
	go w.pass()
	return w
}

// pass hands on what was written, until close.
func (w *wire) pass() {
	for {
		w.mu.Lock()
		for len(w.queue) == 0 && !w.closed {
			w.more.Wait()
		}
		next, closed := w.queue, w.closed
		w.queue = nil
		w.mu.Unlock()
		if closed {
			return
		}
		if _, err := w.Conn.Write(next); err != nil {
			return // the reader hears of it
		}
	}
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.traffic.Received.Add(int64(n))
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, net.ErrClosed
	}
	w.queue = append(w.queue, b...)
	w.traffic.Sent.Add(int64(len(b)))
	w.more.Signal()
	return len(b), nil
}

func (w *wire) Close() error {
	w.mu.Lock()
	w.closed = true
	w.more.Signal()
	w.mu.Unlock()
	return w.Conn.Close()
}

// SetDeadline is for reads: a write never waits.
func (w *wire) SetDeadline(t time.Time) error { return w.SetReadDeadline(t) }

// SetWriteDeadline does nothing, for the same reason.
func (*wire) SetWriteDeadline(time.Time) error { return nil }
