package tiercache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// deafness kills a client's subscriptions and refuses new ones. Commands go on.
type deafness struct {
	mu         sync.Mutex
	deaf       bool
	subscribed []net.Conn
}

var errDeaf = errors.New("subscriptions are refused")

func (d *deafness) option(o *redis.Options) {
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &hearing{conn, d}, nil
	}
}

func (d *deafness) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deaf = true
	for _, conn := range d.subscribed {
		conn.Close() //nolint:errcheck // that is the fault
	}
}

type hearing struct {
	net.Conn
	d *deafness
}

func (h *hearing) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("\r\nsubscribe\r\n")) {
		h.d.mu.Lock()
		defer h.d.mu.Unlock()
		if h.d.deaf {
			return 0, errDeaf
		}
		h.d.subscribed = append(h.d.subscribed, h.Conn)
	}
	return h.Conn.Write(b)
}

// The subscription of a node is dead and can't be renewed, its commands go on. What the other
// nodes end is fresh there for DegradedTTL at most, be it in its memory or in Redis.
func TestDeaf_nothingRememberedIsTrustedBeyondDegradedTTL(t *testing.T) {
	t.Parallel()
	ends := map[string]func(context.Context, *tiercache.Cache[string, string]) error{
		"Clear":          func(ctx context.Context, c *tiercache.Cache[string, string]) error { return c.Clear(ctx) },
		"InvalidateTags": func(ctx context.Context, c *tiercache.Cache[string, string]) error { return c.InvalidateTags(ctx, "t") },
	}
	for _, ttl := range []time.Duration{time.Second, -1} {
		for name, end := range ends {
			t.Run(fmt.Sprintf("%s, DegradedTTL %v", name, ttl), func(t *testing.T) {
				t.Parallel()
				server := redistest.Start(t)
				src := newTruth("old")
				cfg := tiercache.Config[string, string]{Load: src.load, DegradedTTL: ttl, Tags: func(string, string) []string { return []string{"t"} }}
				var d deafness
				a, r := farNode(t, server, cfg, d.option)
				b := node(t, server, cfg)
				redistest.Eventually(t, 5*time.Second, func() error {
					if !r.Health().Coherent {
						return errors.New("not coherent")
					}
					return nil
				})
				get(t, a, "remembered", "old")
				for i := range 200 {
					get(t, b, fmt.Sprint("k", i), "old")
				}
				d.begin()
				redistest.Eventually(t, 5*time.Second, func() error {
					if r.Health().Coherent {
						return errors.New("the node still hears")
					}
					return nil
				})
				get(t, a, "remembered", "old")
				src.set("new")
				if err := end(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				late, ended := redistest.Late(t), time.Now()
				for i := range 200 {
					for _, key := range []string{fmt.Sprint("k", i), "remembered"} {
						read := time.Now()
						v, err := a.Get(t.Context(), key)
						if err != nil {
							t.Fatal(err)
						}
						if over := read.Sub(ended) - max(ttl, 0) - late.Since(ended); v != "new" && over > 0 {
							t.Fatalf("%s = %q, %v later than DegradedTTL allows", key, v, over)
						}
					}
					pause(t.Context(), 10*time.Millisecond)
				}
			})
		}
	}
}

// While notices are heard, what is known of tokens is not read again.
func TestTokens_areReadOnceWhileNoticesAreHeard(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	src := newTruth("v")
	cfg := tiercache.Config[string, string]{Load: src.load, Tags: func(string, string) []string { return []string{"t"} }}
	a, b := node(t, server, cfg), node(t, server, cfg)
	for attempt := 0; ; attempt++ { // an epoch may begin in the middle, but not for ever
		key := func(i int) string { return fmt.Sprint(attempt, " ", i) }
		for i := range 50 {
			get(t, a, key(i), "v")
		}
		get(t, b, key(0), "v")
		before := server.Calls("getex")
		for i := 1; i < 50; i++ {
			get(t, b, key(i), "v")
		}
		switch n := server.Calls("getex") - before; {
		case n == 0:
			return
		case attempt == 20:
			t.Fatalf("%d reads of tokens; heard: %t", n, b.Stats().Coherent)
		}
	}
}
