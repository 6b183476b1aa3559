package tiercache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// Forced interleavings, one a guard.

// A read that begins between an Expire's first move and its script finds Redis as it was. It ends
// after the Expire, and leaves nothing fresh behind.
func TestExpire_whatWasReadInBetweenIsDeadOnArrival(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		var armed, decoding atomic.Bool
		expiring, read, decoded, finish := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
		src := newTruth("old")
		r := hookedNode(t, m, before(func(_ context.Context, cmds []redis.Cmder) error {
			if saying(cmds, "W1 E") && armed.CompareAndSwap(true, false) {
				close(expiring)
				<-read
			}
			return nil
		}))
		codec := touchyCodec{func(callback string) {
			if callback == "Decode" && decoding.CompareAndSwap(true, false) {
				close(decoded)
				<-finish
			}
		}}
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, StaleFor: time.Hour, Redis: r, Load: src.load, Codec: codec})
		get(t, c, "k", "old")
		src.set("new")
		armed.Store(true)
		ended := make(chan error, 1)
		go func() { ended <- c.Expire(t.Context(), "k") }()
		<-expiring
		decoding.Store(true)
		var wg sync.WaitGroup
		wg.Go(func() { get(t, c, "k", "old") }) // it began before Expire returned
		<-decoded
		close(read)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		close(finish)
		wg.Wait()
		get(t, c, "k", "new")
	})
}

// Of two Sets of one node Redis has the later. The earlier one's reply is late: memory must not
// take its value.
func TestSet_ofTwoMemoryHoldsWhatRedisDoes(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		var armed atomic.Bool
		stored, reply := make(chan struct{}), make(chan struct{})
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: hookedNode(t, m, func(_ context.Context, cmds []redis.Cmder, send func(...redis.Cmder) error) error {
			err := send(cmds...)
			if saying(cmds, "W1 K") && cmds[0].Err() == nil && armed.CompareAndSwap(true, false) {
				close(stored)
				<-reply
			}
			return err
		})})
		armed.Store(true)
		first := make(chan error, 1)
		go func() { first <- c.Set(t.Context(), "k", "first") }()
		<-stored
		if err := c.Set(t.Context(), "k", "second"); err != nil {
			t.Fatal(err)
		}
		close(reply)
		if err := <-first; err != nil {
			t.Fatal(err)
		}
		for range 2 {
			get(t, c, "k", "second")
		}
	})
}

// A value is replaced between a look-up's two commands: the old one must not get the new one's
// lifetime.
func TestLook_aValueThatIsReplacedInBetweenPassesNoLifetimeOn(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		var armed atomic.Bool
		src := newTruth("old")
		cfg := tiercache.Config[string, string]{Name: "c", TTL: 2 * time.Minute, Load: src.load, Redis: nodeOn(t, m)}
		a := newCache(t, cfg)
		cfg.Redis = hookedNode(t, m, func(ctx context.Context, cmds []redis.Cmder, send func(...redis.Cmder) error) error {
			for i := range cmds {
				if cmds[i].Name() == "hello" || !armed.Load() {
					return send(cmds[i:]...)
				}
				_ = send(cmds[i])
				if name := cmds[i].Name(); (name == "pttl" || name == "get") && armed.CompareAndSwap(true, false) {
					if _, err := a.Refresh(ctx, "k"); err != nil { // of which no notice tells
						t.Error(err)
					}
				}
			}
			return nil
		})
		b := newCache(t, cfg)
		get(t, a, "k", "old")
		get(t, b, "another", "old")
		waitFor(110 * time.Second)
		src.set("new")
		armed.Store(true)
		if v, err := b.Get(t.Context(), "k"); err != nil {
			t.Errorf("%q, %v", v, err)
		}
		waitFor(11 * time.Second)
		get(t, b, "k", "new")
	})
}

// The first reply of every script, and of every request for a lease, is lost; go-redis, or exec,
// asks again. Each must know its own token.
func TestLease_aRetryKnowsItsOwnToken(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		s := new(source)
		r := hookedNode(t, m, func(_ context.Context, cmds []redis.Cmder, send func(...redis.Cmder) error) error {
			if saying(cmds, "{c:k}:lease") {
				_ = send(cmds...)
			}
			return send(cmds...)
		})
		c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: r, Load: s.load})
		began := time.Now()
		get(t, c, "k", "v1")
		if took := time.Since(began); took > time.Second || c.Stats().Refused != 0 || s.reads.Load() != 1 {
			t.Errorf("%v, %d refused commits, %d loads", took, c.Stats().Refused, s.reads.Load())
		}
		if _, err := m.Get("c:k"); err != nil {
			t.Errorf("it is not in Redis: %v", err)
		}
	})
}

// A load that takes longer than a lease lives keeps it.
func TestLease_isRenewedWhileItsLoadRuns(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		s := &source{takes: 10 * time.Second}
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Load: s.load}
		var wg sync.WaitGroup
		for range 3 {
			cfg.Redis = nodeOn(t, m)
			c := newCache(t, cfg)
			wg.Go(func() { get(t, c, "k", "v1") })
			wg.Go(func() {
				if got, err := c.GetMany(t.Context(), []string{"k"}); got["k"] != "v1" || err != nil {
					t.Errorf("GetMany = %v, %v", got, err)
				}
			})
		}
		wg.Wait()
		if n := s.reads.Load(); n != 1 {
			t.Errorf("%d loads, want 1", n)
		}
	})
}

// The tag of a value is ended, by another node, while the value is loaded. It is not stored under
// the new token.
func TestTags_endedOnAnotherNodeDuringTheLoad(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		s := &sourceScript{value: "old"}
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Load: s.load, Tags: func(string, string) []string { return []string{"t"} }}
		var nodes []*tiercache.Cache[string, string]
		for range 3 {
			cfg.Redis = nodeOn(t, m)
			nodes = append(nodes, newCache(t, cfg))
		}
		get(t, nodes[1], "another", "old") // the tag has a token
		begun, open := s.stop()
		var wg sync.WaitGroup
		wg.Go(func() { get(t, nodes[0], "k", "old") })
		<-begun
		s.set("new")
		if err := nodes[1].InvalidateTags(t.Context(), "t"); err != nil {
			t.Fatal(err)
		}
		open()
		wg.Wait()
		for _, c := range []*tiercache.Cache[string, string]{nodes[2], nodes[1], nodes[0]} {
			get(t, c, "k", "new")
		}
	})
}

// A record is there, but not its tokens: it is not fresh.
func TestTokens_unknownIsNotFresh(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		src := newTruth("old")
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Load: src.load, Redis: nodeOn(t, m)}
		get(t, newCache(t, cfg), "k", "old")
		src.set("new")
		cfg.Redis = hookedNode(t, m, before(func(_ context.Context, cmds []redis.Cmder) error {
			if saying(cmds, "getex") {
				return errors.New("not now")
			}
			return nil
		}))
		get(t, newCache(t, cfg), "k", "new")
	})
}

// A commit is refused; the notice of why is still on its way. What was loaded is not served to the
// next reader.
func TestLease_whatIsRefusedIsNotKeptInMemoryEither(t *testing.T) {
	server := redistest.Start(t)
	late := new(lateNotices)
	s := &sourceScript{value: "old"}
	a, _ := farNode(t, server, tiercache.Config[string, string]{Load: s.load}, func(o *redis.Options) { o.Dialer = late.dial })
	b := node(t, server, tiercache.Config[string, string]{Load: s.load})
	begun, open := s.stop()
	var wg sync.WaitGroup
	wg.Go(func() { get(t, a, "k", "old") })
	<-begun
	late.close()
	defer late.open()
	s.set("new")
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	open()
	wg.Wait()
	get(t, a, "k", "new")
}

// Who deleted something while this node was not subscribed is no more: no number tells of it, only
// that there was a gap in the listening.
func TestReconnect_whatAnotherSaidMeanwhileAndDied(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	src := newTruth("old")
	link := redistest.Proxy(t, server.Addr())
	b, r := farNode(t, server, tiercache.Config[string, string]{Load: src.load}, through(link))
	get(t, b, "k", "old")
	settledEpoch(t, r)
	get(t, b, "k", "old")
	link.Refuse()
	link.Cut()
	src.set("new")
	gone := newRedis(t, server)
	a := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: gone})
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	closing(t, a)
	closing(t, gone)
	link.Restore()
	redistest.Eventually(t, 5*time.Second, func() error {
		if h := r.Health(); !h.Coherent {
			return fmt.Errorf("%+v", h)
		}
		return nil
	})
	soon(t, b, "k", "new")
}

// Another server answers, which has not heard of the last minute: it is told again.
func TestReplay_anotherServerIsToldAgain(t *testing.T) {
	server := redistest.Start(t)
	src := newTruth("old")
	r, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{TrustSnapshots: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	a := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: r, Load: src.load})
	get(t, a, "k", "old")
	server.Do("SAVE")
	src.set("new")
	if err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	if got := server.Do("EXISTS", "things:k"); got != int64(1) {
		t.Fatalf("the snapshot did not bring the record back: %v", got)
	}
	redistest.Eventually(t, 8*time.Second, func() error {
		if kind := server.Do("GETRANGE", "things:k", 4, 4); kind == "V" {
			return fmt.Errorf("the old value still stands there: %+v", r.Health())
		}
		return nil
	})
	get(t, node(t, server, tiercache.Config[string, string]{Load: src.load}), "k", "new")
}

// A notice is lost while a warm run writes, and the hold is gone: that notices were missed is
// enough to take the entries back.
func TestConfirm_takesBackWhatWasWrittenWhileNoticesWereLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var lose atomic.Bool
	a, _ := farNode(t, server, tiercache.Config[string, string]{}, dropping(func(text string) bool { return isNotice(text) && lose.Load() }))
	b := node(t, server, tiercache.Config[string, string]{})
	raw := server.Client()
	err := a.RegisterLoader(tiercache.Loader[string, string]{
		Name: "all",
		Load: func(ctx context.Context, emit func(string, string) error) error {
			lose.Store(true)
			if err := errors.Join(b.Delete(ctx, "k"), raw.Del(ctx, "things:k").Err()); err != nil {
				return err
			}
			return emit("k", "old")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := a.Warm(t.Context()); err != nil || res[0].Redis != 1 {
		t.Fatalf("Warm = %+v, %v; the trial needs the write to slip through", res, err)
	}
	redistest.Eventually(t, 10*time.Second, func() error {
		if got := raw.Get(t.Context(), "things:k").Val(); !strings.HasPrefix(got, "WC01H") {
			return fmt.Errorf("Redis holds %.20q, want a hold", got)
		}
		return nil
	})
}

// Something has given a record more time than is in it: that doesn't count.
func TestRecord_hasNoMoreTimeThanIsInIt(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: new(source).load, Redis: nodeOn(t, m)}
		read(t, newCache(t, cfg), "v1", tiercache.FromSource)
		m.SetTTL("c:k", 100*time.Hour)
		cfg.Redis = nodeOn(t, m)
		b := newCache(t, cfg)
		read(t, b, "v2", tiercache.FromSource)
		if got := b.Stats().CorruptBy["lifetime"]; got != 1 {
			t.Errorf("%d records were counted under lifetime", got)
		}
	})
}

// What was read from Redis comes late: something younger has come into memory meanwhile, by a load
// of which no notice tells.
func TestMemory_keepsWhatIsYounger(t *testing.T) {
	bubble(t, func(t *testing.T, m *redistest.InMemory) {
		var armed atomic.Bool
		decoding, finish := make(chan struct{}), make(chan struct{})
		codec := touchyCodec{func(callback string) {
			if callback == "Decode" && armed.CompareAndSwap(true, false) {
				close(decoding)
				<-finish
			}
		}}
		src := newTruth("old")
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Load: src.load, Codec: codec, Redis: nodeOn(t, m)}
		get(t, newCache(t, cfg), "k", "old")
		cfg.Redis = nodeOn(t, m)
		c := newCache(t, cfg)
		waitFor(time.Minute)
		armed.Store(true)
		var wg sync.WaitGroup
		wg.Go(func() {
			if res := c.Hydrate(t.Context(), []string{"k"}, tiercache.WarmOptions{}); res.Err != nil {
				t.Error(res.Err)
			}
		})
		<-decoding
		src.set("new")
		if v, err := c.Refresh(t.Context(), "k"); v != "new" || err != nil {
			t.Errorf("Refresh = %q, %v", v, err)
		}
		close(finish)
		wg.Wait()
		get(t, c, "k", "new")
	})
}

// Clear and InvalidateTags cost one round trip, whatever is cached, and never look for keys.
func TestClear_looksForNoKeys(t *testing.T) {
	server := redistest.Start(t)
	c := node(t, server, tiercache.Config[string, string]{})
	for i := range 50 {
		if err := c.Set(t.Context(), strconv.Itoa(i), "v", tiercache.Tags("t")); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(c.InvalidateTags(t.Context(), "t"), c.Clear(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), "1"); !errors.Is(err, tiercache.ErrNotFound) {
		t.Errorf("after Clear: %v", err)
	}
	for _, command := range []string{"scan", "keys", "flushall", "flushdb", "unlink"} {
		if n := server.Calls(command); n != 0 {
			t.Errorf("%d calls of %s", n, command)
		}
	}
}

// Of two that wait for another node's load the first, who boarded the flight, gives up. The second
// has its value all the same.
func TestLease_whoWaitsForAnotherNodeIsNotBoundToWhoCameFirst(t *testing.T) {
	server := redistest.Start(t)
	s := &sourceScript{value: "v"}
	a := node(t, server, tiercache.Config[string, string]{Load: s.load})
	b := node(t, server, tiercache.Config[string, string]{Load: func(context.Context, string) (string, error) {
		return "", errors.New("another node has the lease")
	}})
	begun, open := s.stop()
	var wg sync.WaitGroup
	wg.Go(func() { get(t, a, "k", "v") })
	<-begun
	first, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		if _, err := b.Get(first, "k"); !errors.Is(err, context.Canceled) {
			t.Errorf("the first: %v, want canceled", err)
		}
	})
	redistest.Eventually(t, 10*time.Second, func() error {
		if e, err := b.Explain(t.Context(), "k"); err != nil || !e.Source.Loading {
			return fmt.Errorf("nobody waits: %+v, %w", e.Source, err)
		}
		return nil
	})
	joined := b.Stats().Joined
	wg.Go(func() { get(t, b, "k", "v") })
	redistest.Eventually(t, 10*time.Second, func() error {
		if b.Stats().Joined == joined {
			return errors.New("nobody has joined")
		}
		return nil
	})
	cancel()
	<-time.After(150 * time.Millisecond) // longer than the pause between two looks after the other's lease
	open()
	wg.Wait()
}

// Between two commands of a request for a lease its holder commits. Where the value was looked up
// first, the one who asks would miss it, get the lease, and load again.
func TestLease_isAskedForBeforeTheValue(t *testing.T) {
	server := redistest.Start(t)
	for at := range 3 { // the holder commits after so many commands, and one more
		s := &sourceScript{value: "v"}
		begun, open := s.stop()
		var wg sync.WaitGroup
		var armed atomic.Bool
		client := server.Client(func(o *redis.Options) { o.ContextTimeoutEnabled = true })
		client.AddHook(around(func(_ context.Context, cmds []redis.Cmder, send func(...redis.Cmder) error) error {
			if !saying(cmds, "{c:k}:lease") || !armed.CompareAndSwap(true, false) {
				return send(cmds...)
			}
			for i, cmd := range cmds {
				if _ = send(cmd); i == min(at, len(cmds)-1) {
					open()
					wg.Wait()
				}
			}
			return nil
		}))
		r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Load: s.load, Redis: r}
		b := newCache(t, cfg)
		cfg.Redis = newRedis(t, server)
		a := newCache(t, cfg)
		wg.Go(func() { get(t, a, "k", "v") })
		<-begun
		armed.Store(true)
		get(t, b, "k", "v")
		if n := s.loads.Load(); n != 1 || armed.Load() {
			t.Errorf("committed after %d commands: %d loads, want 1", at+1, n)
		}
		closing(t, b)
		closing(t, r)
		server.Do("FLUSHALL")
	}
}

// The reply of a Set's script is lost with its connection. The script has run, and go-redis must
// not send it again, whatever its MaxRetries.
func TestSet_isSentOnce(t *testing.T) {
	server := redistest.Start(t)
	var armed, cut atomic.Bool
	client := server.Client(func(o *redis.Options) {
		o.ContextTimeoutEnabled, o.MaxRetries = true, 5
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &forgetful{Conn: conn, armed: &armed, cut: &cut}, err
		}
	})
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: r})
	if err := c.Set(t.Context(), "k", "first"); err != nil { // the server knows the script now
		t.Fatal(err)
	}
	server.Do("CONFIG", "RESETSTAT")
	armed.Store(true)
	err = c.Set(t.Context(), "k", "second")
	calls := server.Info("commandstats", "cmdstat_evalsha")
	if !errors.Is(err, tiercache.ErrDegraded) || !cut.Load() || !strings.HasPrefix(calls, "calls=1,") {
		t.Errorf("Set = %v; evalsha: %s; want one call, and ErrDegraded", err, calls)
	}
}

// forgetful is a connection that ends in the place of the reply to the next script.
type forgetful struct {
	net.Conn
	armed, cut *atomic.Bool
	mine       atomic.Bool
}

func (f *forgetful) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("evalsha")) && f.armed.CompareAndSwap(true, false) {
		f.mine.Store(true)
	}
	return f.Conn.Write(p)
}

func (f *forgetful) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if err == nil && f.mine.Load() {
		f.cut.Store(true)
		_ = f.Close()
		return 0, io.EOF
	}
	return n, err
}
