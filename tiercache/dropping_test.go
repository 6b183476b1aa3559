package tiercache_test

import (
	"bytes"
	"context"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// dropping makes connections lose single pub/sub messages: those for which drop, given the notice's
// text, says so. Everything else passes.
func dropping(drop func(notice string) bool) func(*redis.Options) {
	return func(o *redis.Options) {
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &lossy{Conn: conn, pass: func(raw []byte, text string) []byte {
				if drop(text) {
					return nil
				}
				return raw
			}}, nil
		}
	}
}

// lossy is a connection that passes on whole replies. Once it has subscribed to something, of each
// message that is passed on which pass returns.
type lossy struct {
	net.Conn
	pass       func(raw []byte, text string) []byte
	subscribed atomic.Bool
	in, out    []byte
}

func (l *lossy) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("\r\nsubscribe\r\n")) {
		l.subscribed.Store(true)
	}
	return l.Conn.Write(b)
}

func (l *lossy) Read(b []byte) (int, error) {
	if !l.subscribed.Load() && len(l.in)+len(l.out) == 0 {
		return l.Conn.Read(b)
	}
	for len(l.out) == 0 {
		buf := make([]byte, 16<<10)
		n, err := l.Conn.Read(buf)
		l.in = append(l.in, buf[:n]...)
		for {
			size, texts := reply(l.in)
			if size == 0 {
				break
			}
			raw := l.in[:size]
			if len(texts) == 3 && texts[0] == "message" {
				raw = l.pass(raw, texts[2])
			}
			l.out = append(l.out, raw...)
			l.in = l.in[size:]
		}
		if err != nil && len(l.out) == 0 {
			return 0, err
		}
	}
	n := copy(b, l.out)
	l.out = l.out[n:]
	return n, nil
}

// reply is the length of the first reply in b, 0 where it isn't whole yet, and the bulk strings in
// it.
func reply(b []byte) (size int, texts []string) {
	end := bytes.Index(b, []byte("\r\n"))
	if end < 1 {
		return 0, nil
	}
	n, err := strconv.Atoi(string(b[1:end]))
	size = end + 2
	switch kind := b[0]; {
	case err != nil || !strings.ContainsRune("*>%~$=", rune(kind)) || n < 0:
		return size, nil
	case kind == '$' || kind == '=':
		if size+n+2 > len(b) {
			return 0, nil
		}
		return size + n + 2, []string{string(b[size : size+n])}
	case kind == '%':
		n *= 2
	}
	for range n {
		one, more := reply(b[size:])
		if one == 0 {
			return 0, nil
		}
		size += one
		texts = append(texts, more...)
	}
	return size, texts
}

// isNotice reports whether the text is an invalidation: no heartbeat, no digest.
func isNotice(text string) bool {
	return strings.HasPrefix(text, "W1 ") && len(text) > 4 && strings.Contains("KECT", text[3:4])
}
