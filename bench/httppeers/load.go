package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// client is one connection that asks for a path again and again, with as little work as may be.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
}

func dial(ctx context.Context, addr, path string) (*client, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReaderSize(conn, 64<<10), []byte("GET " + path + " HTTP/1.1\r\nHost: " + addr + "\r\n\r\n")}, nil
}

// ask makes one request and reads its answer, which must be a 200 with a Content-Length or in
// chunks.
func (c *client) ask() (length int, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return 0, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 || !bytes.Equal(line[9:12], []byte("200")) {
		return 0, fmt.Errorf("the answer is %q", line)
	}
	length, chunked := -1, false
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	if chunked {
		return c.chunks()
	}
	if length < 0 {
		return 0, errors.New("the answer has no Content-Length")
	}
	_, err = c.in.Discard(length)
	return length, err
}

func (c *client) chunks() (length int, err error) {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 32)
		if err != nil {
			return 0, err
		}
		if _, err := c.in.Discard(int(n) + len("\r\n")); err != nil {
			return 0, err
		}
		if length += int(n); n == 0 {
			return length, nil
		}
	}
}

// dialAll opens connections, and closes them all where one fails.
func dialAll(ctx context.Context, addr, path string, n int) ([]*client, error) {
	clients := make([]*client, 0, n)
	for range n {
		c, err := dial(ctx, addr, path)
		if err != nil {
			closeAll(clients)
			return nil, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}

func closeAll(clients []*client) {
	for _, c := range clients {
		_ = c.conn.Close() // it was read
	}
}

// measured is what a load has shown.
type measured struct {
	took []time.Duration // of each request
	wall time.Duration
}

// target is what a load asks for.
type target struct {
	addr, path string
	length     int // of the body, in bytes
}

// press has connections ask for a target in a closed loop, for some time.
func press(ctx context.Context, of target, connections int, long time.Duration) (measured, error) {
	clients, err := dialAll(ctx, of.addr, of.path, connections)
	if err != nil {
		return measured{}, err
	}
	defer closeAll(clients)
	took, errs := make([][]time.Duration, connections), make([]error, connections)
	began := time.Now()
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			for at := time.Now(); at.Sub(began) < long && errs[i] == nil; {
				n, err := c.ask()
				if err == nil && n != of.length {
					err = fmt.Errorf("%d bytes, want %d", n, of.length)
				}
				end := time.Now()
				took[i], errs[i], at = append(took[i], end.Sub(at)), err, end
			}
		})
	}
	wg.Wait()
	m := measured{wall: time.Since(began)}
	for _, t := range took {
		m.took = append(m.took, t...)
	}
	return m, errors.Join(errs...)
}

// once has clients ask for a path at the same time, each once. It returns how many failed.
func once(ctx context.Context, addr, path string, n int) (took time.Duration, failed int, err error) {
	clients, err := dialAll(ctx, addr, path, n)
	if err != nil {
		return 0, 0, err
	}
	defer closeAll(clients)
	errs := make([]error, n)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			<-begin
			_, errs[i] = c.ask()
		})
	}
	began := time.Now()
	close(begin)
	wg.Wait()
	took = time.Since(began)
	for _, err := range errs {
		if err != nil {
			failed++
		}
	}
	return took, failed, nil
}
