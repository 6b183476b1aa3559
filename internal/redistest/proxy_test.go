package redistest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

// echo answers each line "text" with "re:text".
func echo(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done }) //nolint:errcheck // nothing is left to lose
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			lines := bufio.NewScanner(conn)
			for lines.Scan() {
				if _, err := fmt.Fprintf(conn, "re:%s\n", lines.Text()); err != nil {
					break
				}
			}
			conn.Close() //nolint:errcheck // nothing is left to lose
		}
	}()
	return l.Addr().String()
}

type line struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dial(t *testing.T, addr string) line {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // nothing is left to lose
	return line{t: t, conn: conn, r: bufio.NewReader(conn)}
}

func (l line) send(text string) {
	l.t.Helper()
	if _, err := io.WriteString(l.conn, text+"\n"); err != nil {
		l.t.Fatalf("send %q: %v", text, err)
	}
}

// read returns what came within the time, and why no more came.
func (l line) read(within time.Duration) (string, error) {
	l.t.Helper()
	if err := l.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		l.t.Fatal(err)
	}
	return l.r.ReadString('\n')
}

func (l line) want(text string) {
	l.t.Helper()
	if got, err := l.read(5 * time.Second); got != text+"\n" || err != nil {
		l.t.Fatalf("read = %q, %v; want %q", got, err, text)
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	const brief = 50 * time.Millisecond
	for _, way := range []redistest.Direction{redistest.Up, redistest.Down} {
		t.Run(fmt.Sprintf("delay %d", way), func(t *testing.T) {
			t.Parallel()
			link := redistest.Proxy(t, echo(t))
			l := dial(t, link.Addr())
			start := time.Now()
			link.Delay(way, 2*brief)
			l.send("a")
			l.want("re:a")
			if took := time.Since(start); took < 2*brief {
				t.Errorf("took %v, want at least the delay of %v", took, 2*brief)
			}
		})
		t.Run(fmt.Sprintf("silence %d", way), func(t *testing.T) {
			t.Parallel()
			link := redistest.Proxy(t, echo(t))
			l := dial(t, link.Addr())
			link.Silence(way)
			l.send("a")
			if got, err := l.read(brief); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read from a silent link = %q, %v; want a timeout", got, err)
			}
			link.Restore()
			l.want("re:a")
		})
		t.Run(fmt.Sprintf("drop %d", way), func(t *testing.T) {
			t.Parallel()
			link := redistest.Proxy(t, echo(t))
			l := dial(t, link.Addr())
			link.Drop(way)
			l.send("a")
			if got, err := l.read(brief); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read from a dropping link = %q, %v; want a timeout", got, err)
			}
			link.Restore()
			l.send("b")
			l.want("re:b")
		})
	}
	t.Run("half a reply", func(t *testing.T) {
		t.Parallel()
		link := redistest.Proxy(t, echo(t))
		l := dial(t, link.Addr())
		link.CutAfter(redistest.Down, 2)
		l.send("a")
		if got, err := l.read(5 * time.Second); got != "re" || !errors.Is(err, io.EOF) {
			t.Errorf("read = %q, %v; want re and EOF", got, err)
		}
	})
	t.Run("cut", func(t *testing.T) {
		t.Parallel()
		link := redistest.Proxy(t, echo(t))
		l := dial(t, link.Addr())
		l.send("a")
		l.want("re:a")
		if got := link.Connections(); got != 1 {
			t.Errorf("Connections = %d, want 1", got)
		}
		link.Cut()
		if got, err := l.read(5 * time.Second); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read after Cut = %q, %v; want ECONNRESET", got, err)
		}
		l = dial(t, link.Addr())
		l.send("b")
		l.want("re:b")
	})
	t.Run("refuse", func(t *testing.T) {
		t.Parallel()
		link := redistest.Proxy(t, echo(t))
		link.Refuse()
		conn, err := net.Dial("tcp", link.Addr())
		if err == nil { // the reset may come after the handshake
			l := line{t: t, conn: conn, r: bufio.NewReader(conn)}
			_, err = l.read(5 * time.Second)
			conn.Close() //nolint:errcheck // nothing is left to lose
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("dial and read: %v, want ECONNRESET", err)
		}
		link.Restore()
		l := dial(t, link.Addr())
		l.send("a")
		l.want("re:a")
	})
}
