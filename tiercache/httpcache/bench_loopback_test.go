package httpcache_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// asker is a keep-alive connection that asks for one URL again and again, with as little work as
// may be.
type asker struct {
	net.Conn
	in *bufio.Reader
}

const askerRequest = "GET /articles/2026/a-page?ref=home HTTP/1.1\r\nHost: example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\r\n"

func newAsker(tb testing.TB, addr string) *asker {
	tb.Helper()
	conn, err := new(net.Dialer).DialContext(tb.Context(), "tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return &asker{Conn: conn, in: bufio.NewReaderSize(conn, 8<<10)}
}

// ask makes a request and reads its answer, whose body has 1 KiB.
func (a *asker) ask() error {
	if _, err := io.WriteString(a, askerRequest); err != nil {
		return err
	}
	for {
		line, err := a.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == len("\r\n") {
			break
		}
	}
	_, err := a.in.Discard(1024)
	return err
}

// loopback is a server with some connections to it.
type loopback struct {
	askers []*asker
	tb     testing.TB
	best   float64 // requests a second
	all    []float64
}

func newLoopback(tb testing.TB, h http.Handler, connections int) *loopback {
	tb.Helper()
	server := httptest.NewServer(h)
	tb.Cleanup(server.Close)
	l := &loopback{tb: tb}
	for range connections {
		l.askers = append(l.askers, newAsker(tb, strings.TrimPrefix(server.URL, "http://")))
	}
	return l
}

// round makes n requests over each connection.
func (l *loopback) round(n int) {
	began := time.Now()
	var all sync.WaitGroup
	for _, a := range l.askers {
		all.Go(func() {
			for range n {
				if err := a.ask(); err != nil {
					l.tb.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	rate := float64(n*len(l.askers)) / time.Since(began).Seconds()
	l.best = max(l.best, rate)
	l.all = append(l.all, rate)
}

// BenchmarkLoopback is a hit beside a handler that writes the same, through net/http over
// loopback, in turns; "ratio" is the one's best round by the other's, "median" that of the middle
// ones.
func BenchmarkLoopback(b *testing.B) {
	for name, connections := range map[string]int{"1": 1, "50": 50} {
		b.Run(name, func(b *testing.B) {
			bare, cached := hitBench(b, "")
			without, with := newLoopback(b, bare, connections), newLoopback(b, cached, connections)
			for b.Loop() {
				without.round(max(100/connections, 20))
				with.round(max(100/connections, 20))
			}
			slices.Sort(without.all)
			slices.Sort(with.all)
			mid := len(with.all) / 2
			b.ReportMetric(with.best/without.best, "ratio")
			b.ReportMetric(with.all[mid]/without.all[mid], "median")
			b.ReportMetric(with.best, "hits/s")
		})
	}
}
