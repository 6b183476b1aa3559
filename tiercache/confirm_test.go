package tiercache_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// lateNotices lets a client's subscriptions hear nothing while they are shut.
type lateNotices struct{ shut atomic.Pointer[chan struct{}] }

func (l *lateNotices) close() {
	gate := make(chan struct{})
	l.shut.Store(&gate)
}

func (l *lateNotices) open() { close(*l.shut.Swap(nil)) }

func (l *lateNotices) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	return &lateConn{Conn: conn, late: l}, err
}

type lateConn struct {
	net.Conn
	late       *lateNotices
	subscribed atomic.Bool
}

func (c *lateConn) Write(p []byte) (int, error) {
	if bytes.Contains(bytes.ToLower(p), []byte("subscribe")) {
		c.subscribed.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *lateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if gate := c.late.shut.Load(); gate != nil && c.subscribed.Load() {
		<-*gate
	}
	return n, err
}

// The invalidation's notice is still on its way when the warm write is done, and its hold has been
// evicted: only the confirmation is left.
func TestConfirm_takesBackAWarmWriteThatSlippedPastItsHold(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	ctx := t.Context()
	late := new(lateNotices)
	far, err := tiercache.NewRedis(server.Client(func(o *redis.Options) { o.Dialer = late.dial }), tiercache.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, far) })
	a := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: far})
	b := node(t, server, tiercache.Config[string, string]{})
	raw := server.Client()
	err = a.RegisterLoader(tiercache.Loader[string, string]{
		Name: "all",
		Load: func(_ context.Context, emit func(string, string) error) error {
			late.close()
			if err := b.Delete(ctx, "k"); err != nil {
				return err
			}
			if err := raw.Del(ctx, "things:k").Err(); err != nil { // the hold is evicted
				return err
			}
			return emit("k", "old")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	res, err := a.Warm(ctx)
	late.open()
	if err != nil || res[0].Redis != 1 {
		t.Fatalf("Warm = %+v, %v; the trial needs the write to slip through", res, err)
	}
	redistest.Eventually(t, 5*time.Second, func() error {
		if got := raw.Get(ctx, "things:k").Val(); !strings.HasPrefix(got, "WC01H") {
			return fmt.Errorf("Redis holds %.20q, want a hold", got)
		}
		for _, c := range []*tiercache.Cache[string, string]{a, b} {
			if v, err := c.Get(ctx, "k"); err == nil {
				return fmt.Errorf("got %q", v)
			}
		}
		return nil
	})
}

// The notice is still on its way, but the hold stands where the value stood.
func TestHold_refusesAWarmWriteThatBeganBefore(t *testing.T) {
	server := redistest.Start(t)
	late := new(lateNotices)
	far, err := tiercache.NewRedis(server.Client(func(o *redis.Options) { o.Dialer = late.dial }), tiercache.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, far) })
	a := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: far})
	b := node(t, server, tiercache.Config[string, string]{})
	err = a.RegisterLoader(tiercache.Loader[string, string]{
		Name: "all",
		Load: func(ctx context.Context, emit func(string, string) error) error {
			late.close()
			if err := b.Delete(ctx, "k"); err != nil {
				return err
			}
			return emit("k", "old")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	res, err := a.Warm(t.Context())
	late.open()
	if err != nil || res[0].Refused != 1 || res[0].Redis != 0 {
		t.Errorf("Warm = %+v, %v; want the entry refused", res, err)
	}
}

func TestConfirm_leavesAloneWhatNothingHasOvertaken(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	other := node(t, server, tiercache.Config[string, string]{}) // which is met only after the run
	if err := other.Delete(t.Context(), "another"); err != nil {
		t.Fatal(err)
	}
	c := node(t, server, tiercache.Config[string, string]{})
	err := c.RegisterLoader(tiercache.Loader[string, string]{
		Name: "all", Load: func(_ context.Context, emit func(string, string) error) error { return emit("k", "v") },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 { // heartbeats and digests pass
		before := c.Stats().NoticesSent
		<-time.After(500 * time.Millisecond)
		if c.Stats().NoticesSent != before {
			t.Error("something was invalidated")
		}
	}
	if s := c.Stats(); s.TakenBack != 0 {
		t.Errorf("%d entries were taken back", s.TakenBack)
	}
	get(t, c, "k", "v")
}

// stranger is another node, as this one hears it: what it says is the test's business.
func stranger(t *testing.T, raw redis.Cmdable, name string) (say func(kind string, number int)) {
	t.Helper()
	return func(kind string, number int) {
		t.Helper()
		if err := raw.Publish(t.Context(), "tiercache:notices", fmt.Sprintf("W1 %s %s %d elsewhere x", kind, name, number)).Err(); err != nil {
			t.Error(err)
		}
	}
}

// A notice is lost, and so is its hold, before a warm write. Only the next digest will tell: until
// then heartbeats alone confirm nothing.
func TestConfirm_waitsForTheDigestsOfEveryNode(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	raw := server.Client()
	a, _ := farNode(t, server, tiercache.Config[string, string]{})
	say := stranger(t, raw, "stranger")
	say("D", 0)
	err := a.RegisterLoader(tiercache.Loader[string, string]{Name: "all", Load: func(_ context.Context, emit func(string, string) error) error {
		say("D", 0) // and then it deletes "k": its notice would have the number 1
		return emit("k", "old")
	}})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := a.Warm(t.Context()); err != nil || res[0].Redis != 1 {
		t.Fatalf("Warm = %+v, %v", res, err)
	}
	time.Sleep(2 * time.Second) // five heartbeats; a node is given up after three
	say("D", 1)
	redistest.Eventually(t, 5*time.Second, func() error {
		if got := raw.Get(t.Context(), "things:k").Val(); !strings.HasPrefix(got, "WC01H") {
			return fmt.Errorf("Redis holds %.20q, want a hold", got)
		}
		return nil
	})
}

// A node that is alive never says its digest. When a hold would be over, so is the wait.
func TestConfirm_takesBackWhatNobodyConfirmsInTime(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	raw := server.Client()
	r, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{HoldLife: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	a := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: r})
	if err := a.RegisterLoader(tiercache.Loader[string, string]{Name: "all", Load: func(_ context.Context, emit func(string, string) error) error { return emit("k", "v") }}); err != nil {
		t.Fatal(err)
	}
	say := stranger(t, raw, "stranger")
	say("K", 1)
	if res, err := a.Warm(t.Context()); err != nil || res[0].Redis != 1 {
		t.Fatalf("Warm = %+v, %v", res, err)
	}
	for number := 2; number < 22 && a.Stats().TakenBack == 0; number++ {
		time.Sleep(300 * time.Millisecond)
		say("K", number)
	}
	if got, n := raw.Get(t.Context(), "things:k").Val(), a.Stats().TakenBack; !strings.HasPrefix(got, "WC01H") || n != 1 {
		t.Errorf("Redis holds %.20q, %d taken back; want a hold", got, n)
	}
}
