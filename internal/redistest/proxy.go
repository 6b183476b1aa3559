package redistest

import (
	"context"
	"net"
	"sync"
	"time"
)

// A Direction is one of the two ways through a Link.
type Direction int

// The directions, as the client sees them.
const (
	Up   Direction = iota // from the client to the server
	Down                  // from the server to the client
)

// A Link is a TCP proxy that can be told to behave badly. What it is told
// holds for open and for new connections, and from the next bytes on. Its
// methods may be called from several goroutines at once.
type Link struct {
	tb       TB
	target   string
	listener net.Listener
	pumps    sync.WaitGroup

	mu      sync.Mutex
	rules   [2]rule
	changed chan struct{} // closed and replaced when rules change
	refuse  bool
	conns   map[net.Conn]context.CancelFunc
}

// A rule is what happens to the bytes of one direction.
type rule struct {
	delay time.Duration
	hold  bool
	drop  bool
	cut   bool // after left more bytes
	left  int
}

// Proxy returns a Link to target that listens on a random loopback port until
// the test ends.
func Proxy(tb TB, target string) *Link {
	tb.Helper()
	//nolint:noctx // a loopback bind does not wait
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		tb.Fatalf("redistest: proxy: %v", err)
	}
	l := &Link{
		tb: tb, target: target, listener: listener,
		changed: make(chan struct{}), conns: map[net.Conn]context.CancelFunc{},
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	l.pumps.Go(func() { l.accept(ctx) })
	tb.Cleanup(func() {
		cancel()
		listener.Close() //nolint:errcheck // nothing is left to lose
		l.Cut()
		l.pumps.Wait()
	})
	return l
}

// Addr is the host:port to give to clients.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Delay holds each chunk of bytes back for d. Zero ends it.
func (l *Link) Delay(way Direction, d time.Duration) {
	l.change(func() { l.rules[way].delay = d })
}

// Silence holds all bytes back, as a network partition does, until Restore
// lets them through.
func (l *Link) Silence(way Direction) {
	l.change(func() { l.rules[way].hold = true })
}

// Drop swallows all bytes until Restore. On a connection that goes on
// afterwards the protocol may be out of step: Cut it.
func (l *Link) Drop(way Direction) {
	l.change(func() { l.rules[way].drop = true })
}

// CutAfter lets n more bytes through and then closes the connection that
// carried the last of them: half a reply, then EOF. It happens once.
func (l *Link) CutAfter(way Direction, n int) {
	l.change(func() { l.rules[way].cut, l.rules[way].left = true, n })
}

// Refuse resets new connections until Restore; open ones go on.
func (l *Link) Refuse() { l.change(func() { l.refuse = true }) }

// Restore ends Delay, Silence, Drop, CutAfter and Refuse.
func (l *Link) Restore() {
	l.change(func() { l.rules, l.refuse = [2]rule{}, false })
}

// Lead sends new connections to another target, as a balancer does or a name whose address has
// changed. Open ones stay where they are.
func (l *Link) Lead(target string) { l.change(func() { l.target = target }) }

// Cut resets every open connection. New ones are served as before.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn, cancel := range l.conns {
		reset(conn)
		cancel()
	}
}

// Connections returns how many connections of clients are open.
func (l *Link) Connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

func (l *Link) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Link) accept(ctx context.Context) {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.pumps.Go(func() { l.serve(ctx, conn) })
	}
}

// serve carries one connection until either end closes it.
func (l *Link) serve(ctx context.Context, client net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer client.Close() //nolint:errcheck // nothing is left to lose
	l.mu.Lock()
	refuse, target := l.refuse, l.target
	if !refuse {
		l.conns[client] = cancel
	}
	l.mu.Unlock()
	if refuse {
		reset(client)
		return
	}
	defer func() {
		l.mu.Lock()
		delete(l.conns, client)
		l.mu.Unlock()
	}()

	var d net.Dialer
	server, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		reset(client)
		return
	}
	// Closing both ends is what stops the pumps, whoever of them ends first.
	stop := context.AfterFunc(ctx, func() {
		client.Close() //nolint:errcheck // nothing is left to lose
		server.Close() //nolint:errcheck // nothing is left to lose
	})
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { defer cancel(); l.pump(ctx, server, client, Up) })
	both.Go(func() { defer cancel(); l.pump(ctx, client, server, Down) })
	both.Wait()
	server.Close() //nolint:errcheck // nothing is left to lose
}

// pump carries bytes of one direction under its rule.
func (l *Link) pump(ctx context.Context, to, from net.Conn, way Direction) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		pass, cut := l.admit(ctx, way, n)
		if _, err := to.Write(buf[:pass]); err != nil {
			return
		}
		if cut {
			return // serve closes both ends; no reset, which could outrun the bytes
		}
	}
}

// admit waits as long as the rule says and returns how many of n bytes may
// pass, and whether the connection is to be reset behind them.
func (l *Link) admit(ctx context.Context, way Direction, n int) (pass int, cut bool) {
	waited := false
	for {
		l.mu.Lock()
		r, changed := &l.rules[way], l.changed
		var delay <-chan time.Time
		switch {
		case r.hold:
		case r.delay > 0 && !waited:
			delay = time.After(r.delay)
		case r.drop:
			l.mu.Unlock()
			return 0, false
		case r.cut && n >= r.left:
			pass, *r = r.left, rule{delay: r.delay}
			l.mu.Unlock()
			return pass, true
		default:
			r.left -= n
			l.mu.Unlock()
			return n, false
		}
		l.mu.Unlock()
		select {
		case <-delay:
			waited = true
		case <-changed:
		case <-ctx.Done():
			return 0, true
		}
	}
}

// reset closes a connection so that its peer sees "connection reset".
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) //nolint:errcheck // a close without RST is still a close
	}
	conn.Close() //nolint:errcheck // nothing is left to lose
}
