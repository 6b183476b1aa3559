package redistest

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// Blackhole returns an address where connecting never ends, neither well nor
// with an error, until the test ends: the kernel drops each SYN, as a firewall
// or a dead host does.
func Blackhole(tb TB) (addr string) {
	tb.Helper()
	//nolint:noctx // a loopback bind does not wait
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		tb.Fatalf("redistest: blackhole: %v", err)
	}
	tb.Cleanup(func() { listener.Close() }) //nolint:errcheck // nothing is left to lose
	if err := shortenQueue(listener); err != nil {
		tb.Fatalf("redistest: blackhole: %v", err)
	}
	// Linux drops SYNs once the queue of unaccepted connections is full.
	for range 16 {
		//nolint:noctx // it has a timeout
		conn, err := net.DialTimeout("tcp", listener.Addr().String(), 100*time.Millisecond)
		if err != nil {
			return listener.Addr().String()
		}
		tb.Cleanup(func() { conn.Close() }) //nolint:errcheck // nothing is left to lose
	}
	tb.Fatalf("redistest: blackhole: the kernel goes on accepting connections")
	return ""
}

// shortenQueue calls listen(2) again, with the least backlog.
func shortenQueue(listener net.Listener) error {
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return errors.New("not a TCP listener")
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var listenErr error
	err = raw.Control(func(fd uintptr) { listenErr = syscall.Listen(int(fd), 0) })
	return errors.Join(err, listenErr)
}
