package tiercache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

func TestNewRedis_refusesAClustersNode(t *testing.T) {
	t.Parallel()
	node := redistest.Start(t, "--cluster-enabled", "yes")
	refused(t, node.Client(), "NewClusterClient")
	refused(t, node.Client(punctual), "NewClusterClient")
	// A type of one's own around it hides no more.
	refused(t, struct{ redis.UniversalClient }{node.Client()}, "NewClusterClient")
}

func TestNewRedis_refusesWhatHidesSeveralServers(t *testing.T) {
	t.Parallel()
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, ReadOnly: true, RouteRandomly: true})
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	single := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	for _, client := range []redis.UniversalClient{cluster, ring, single} {
		t.Cleanup(func() { closing(t, client) })
		r, err := tiercache.NewRedis(struct{ redis.UniversalClient }{client}, tiercache.RedisConfig{})
		if err == nil {
			closing(t, r)
		}
		if client == redis.UniversalClient(single) {
			if err != nil {
				t.Errorf("a wrapper around a client of one server: %v", err)
			}
		} else if err == nil || !strings.Contains(err.Error(), "pass the *redis.ClusterClient itself") {
			t.Errorf("a wrapper around a %T: %v", client, err)
		}
	}
}

// What a server does not know is an error at once, where a cache can't do without it, else it is
// logged once and stands in Health.
func TestNewRedis_namesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"SUBSCRIBE", "PUBLISH", "EVAL"} {
		server := redistest.Start(t, "--rename-command", command, "")
		refused(t, server.Client(), command+" is refused")
		refused(t, user(t, redistest.Start(t), "some", "~* &* +@all -"+strings.ToLower(command)), strings.ToLower(command))
	}

	server := redistest.Start(t)
	var log syncBuffer
	r, err := tiercache.NewRedis(user(t, server, "some", "~* &* +@all -info"), tiercache.RedisConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	coherent(t, r)
	get(t, newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: r, Load: newTruth("v").load}), "k", "v")
	if got := r.Health().Missing; got != "INFO" {
		t.Errorf("missing is %q", got)
	}
	if n := strings.Count(log.String(), "command=INFO"); n != 1 {
		t.Errorf("it is logged %d times: %s", n, log.String())
	}
}

// Close is over in time, whatever the client's options, and whatever its hooks do.
func TestRedis_closeIsBounded(t *testing.T) {
	t.Parallel()
	for name, arrange := range map[string]func(t *testing.T) (redis.UniversalClient, func()){
		"frozen, and a client that waits for ever": func(t *testing.T) (redis.UniversalClient, func()) {
			server := redistest.Start(t)
			client := server.Client(func(o *redis.Options) { o.ReadTimeout, o.WriteTimeout = -1, -1 })
			return client, func() {
				server.Do("CLIENT", "KILL", "TYPE", "pubsub")
				server.Stop()
				t.Cleanup(server.Cont)
			}
		},
		"a hook that panics in the handshake": func(t *testing.T) (redis.UniversalClient, func()) {
			server := redistest.Start(t)
			return server.Client(func(o *redis.Options) {
				o.OnConnect = func(context.Context, *redis.Conn) error { panic("hook") }
			}), func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, freeze := arrange(t)
			r, err := tiercache.NewRedis(client, tiercache.RedisConfig{})
			if err != nil {
				t.Fatal(err)
			}
			c, err := tiercache.New(tiercache.Config[string, string]{Name: "c", Redis: r, Load: newTruth("v").load})
			if err != nil {
				t.Fatal(err)
			}
			freeze()
			_, _ = c.Get(t.Context(), "k")
			for _, it := range []interface{ Close() error }{c, r} {
				late, began := redistest.Late(t), time.Now()
				done := make(chan struct{})
				go func() {
					defer close(done)
					_ = it.Close()
				}()
				select {
				case <-done:
				case <-time.After(20 * time.Second):
					t.Fatalf("%T does not close", it)
				}
				if took := time.Since(began); took > 3*time.Second+500*time.Millisecond+late.Since(began) {
					t.Errorf("%T closed in %v", it, took)
				}
			}
		})
	}
}

// What one database's caches say is nothing to those of another on the same server.
func TestRedis_databasesHearNothingOfEachOther(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	open := func(db int) (*tiercache.Cache[string, string], *truth) {
		r, err := tiercache.NewRedis(server.Client(func(o *redis.Options) { o.DB = db }), tiercache.RedisConfig{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closing(t, r) })
		coherent(t, r)
		src := newTruth("v")
		return newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, Redis: r, Load: src.load}), src
	}
	zero, srcZero := open(0)
	three, srcThree := open(3)
	again, _ := open(3)
	get(t, zero, "k", "v")
	get(t, three, "k", "v")
	srcThree.set("new")
	received := zero.Stats().NoticesReceived
	if err := again.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	soon(t, three, "k", "new")
	if n := zero.Stats().NoticesReceived; n != received {
		t.Errorf("database 0 received %d notices of database 3", n-received)
	}
	if n := srcZero.reads.Load(); n != 1 {
		t.Errorf("database 0 loaded %d times", n)
	}
	names, _ := server.Do("PUBSUB", "CHANNELS", "tiercache:notices*").([]any)
	if len(names) != 2 || names[0] != "tiercache:notices" && names[1] != "tiercache:notices" {
		t.Errorf("channels %v, want that of database 0 as it always was", names)
	}
}

// An outage that an operation ends is logged as ended, like one that a heartbeat ends.
func TestBreaker_logsThatRedisAnswersAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for range 3 {
		var log syncBuffer
		r, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closing(t, r) })
		coherent(t, r)
		open := func(want tiercache.BreakerState) bool { return r.Health().Breaker == want }
		for open(tiercache.BreakerClosed) {
			_ = r.Do(t.Context(), func(context.Context, redis.UniversalClient) error { return redis.ErrClosed })
		}
		for !open(tiercache.BreakerClosed) {
			_ = r.Do(t.Context(), func(ctx context.Context, c redis.UniversalClient) error { return c.Ping(ctx).Err() })
		}
		if text := log.String(); strings.Count(text, "answers again") != 1 {
			t.Errorf("log: %s", text)
		}
	}
}

// syncBuffer is a log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// What a closed cache could not say to Redis the next one of its name says, and does not read there
// meanwhile.
func TestClose_whatPendsIsNotLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var log syncBuffer
	r, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	coherent(t, r)
	src := newTruth("old")
	cfg := tiercache.Config[string, string]{
		Name: "c", TTL: time.Hour, Redis: r, Load: src.load, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	first := newCache(t, cfg)
	get(t, first, "k", "old")
	server.Stop()
	src.set("new")
	if err := first.Delete(t.Context(), "k"); !errors.Is(err, tiercache.ErrDegraded) {
		t.Errorf("Delete: %v", err)
	}
	closing(t, first)
	if !strings.Contains(log.String(), "yet to hear") || r.Health().Pending != 1 {
		t.Errorf("%+v, log: %s", r.Health(), log.String())
	}
	server.Cont()
	redistest.Eventually(t, 10*time.Second, func() error {
		if h := r.Health(); h.Breaker != tiercache.BreakerClosed || !h.Coherent {
			return fmt.Errorf("%+v", h)
		}
		return nil
	})
	get(t, newCache(t, cfg), "k", "new")
	redistest.Eventually(t, 10*time.Second, func() error {
		if h := r.Health(); h.Pending != 0 {
			return fmt.Errorf("%+v", h)
		}
		return nil
	})
}
