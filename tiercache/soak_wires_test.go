package tiercache_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
)

// dialer is the Dialer of every kind of go-redis's clients.
type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// wrap puts something around a connection.
type wrap func(net.Conn) net.Conn

// wrapped dials and wraps what it gets.
func wrapped(dial dialer, wraps ...wrap) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		for _, w := range wraps {
			conn = w(conn)
		}
		return conn, nil
	}
}

func dialDirect(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

// balancer leads every dial to one server, as a DNS name or a virtual address does.
type balancer struct {
	mu     sync.Mutex
	target string
	conns  map[net.Conn]struct{}
}

func newBalancer(target string) *balancer {
	return &balancer{target: target, conns: make(map[net.Conn]struct{})}
}

func (b *balancer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	b.mu.Lock()
	target := b.target
	b.mu.Unlock()
	conn, err := dialDirect(ctx, network, target)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if target != b.target {
		conn.Close() //nolint:errcheck // nothing was said
		return nil, errors.New("the balancer has turned")
	}
	b.conns[conn] = struct{}{}
	return conn, nil
}

// turn leads to another server, and closes what led to the one before.
func (b *balancer) turn(target string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.target = target
	for conn := range b.conns {
		conn.Close() //nolint:errcheck // its user may have closed it
	}
	clear(b.conns)
}

// ears are a node's subscriptions. While they are stopped those end, and no other can be made;
// commands go on.
type ears struct {
	mu    sync.Mutex
	deaf  bool
	conns map[net.Conn]struct{}
}

func (e *ears) wrap(conn net.Conn) net.Conn { return &earConn{conn, e} }

func (e *ears) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deaf = true
	for conn := range e.conns {
		conn.Close() //nolint:errcheck // its user may have closed it
	}
	e.conns = nil
}

func (e *ears) open() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deaf = false
}

func (e *ears) stopped() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.deaf
}

type earConn struct {
	net.Conn
	ears *ears
}

var errRefusedDial = errors.New("the node is deaf: it may not subscribe")

func (c *earConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("\r\nsubscribe\r\n")) && !c.ears.admit(c.Conn) {
		c.Close() //nolint:errcheck // nothing is left to lose
		return 0, errRefusedDial
	}
	return c.Conn.Write(b)
}

// admit takes a subscription in, unless the ears are stopped.
func (e *ears) admit(conn net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.deaf {
		return false
	}
	if e.conns == nil {
		e.conns = make(map[net.Conn]struct{})
	}
	e.conns[conn] = struct{}{}
	return true
}
