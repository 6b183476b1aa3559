package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// The trials that a cache has to stand, one column each. `go test -run TestTrials -v ./tiercache`
// prints the table.
//
//	A    the source changes and the key is deleted while a load of the old value runs: what later reads see, and reads begun right after Delete
//	A2   the same with Set
//	B    the context of the caller who caused the load is cancelled: what the others get
//	C    a follower with a deadline of 100 ms joins a long load: how long it waits
//	D    the loader panics: what each waiter gets, and the next read
//	F    garbage bytes in Redis: what a read gets
//	G    another instance has the value in memory when it is Set here: what it reads
//	H    loads for 2 instances × 20 callers of a cold key
//	E    Redis is killed: what a missed key costs at first, and once the breaker is open
var trialColumns = []string{"A later reads", "A read begun after", "A2", "B", "C", "D, then next Get", "F", "G", "H", "E"}

// trial is a way to have a load run, on a kind of cache.
type trial struct {
	name   string
	redis  bool
	via    string // Get, GetMany, refresh (behind a hit) or warm
	server *redistest.Server
}

// script is a source whose loads stop at a gate, if one is set, after they have read the value.
type sourceScript struct {
	mu    sync.Mutex
	value string
	gate  chan struct{} // the next load waits for it
	begun chan struct{} // closed when that load has read
	panic bool
	loads atomic.Int64 // of "k"
}

func (s *sourceScript) stop() (begun <-chan struct{}, open func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate, s.begun = make(chan struct{}), make(chan struct{})
	gate := s.gate
	return s.begun, sync.OnceFunc(func() { close(gate) })
}

func (s *sourceScript) set(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = value
}

// load is the source of "k". Two batches may lead one key each, so what else is asked for neither
// stops nor counts.
func (s *sourceScript) load(_ context.Context, key string) (string, error) {
	s.mu.Lock()
	if key != "k" {
		defer s.mu.Unlock()
		return s.value, nil
	}
	s.loads.Add(1)
	value, gate, begun, fail := s.value, s.gate, s.begun, s.panic
	s.gate, s.panic = nil, false
	s.mu.Unlock()
	if gate != nil {
		close(begun)
		<-gate
	}
	if fail {
		panic("loader is broken")
	}
	return value, nil
}

// loadMany is load for many keys.
func (s *sourceScript) loadMany(ctx context.Context, keys []string) (map[string]string, error) {
	out := make(map[string]string)
	for _, key := range keys {
		out[key] = "v"
	}
	if !slices.Contains(keys, "k") {
		return out, nil
	}
	value, err := s.load(ctx, "k")
	out["k"] = value
	return out, err
}

func (tr *trial) cache(t *testing.T, s *sourceScript) *tiercache.Cache[string, string] {
	t.Helper()
	cfg := tiercache.Config[string, string]{Name: "trial", TTL: time.Hour, Load: s.load, LoadMany: s.loadMany}
	if tr.redis {
		cfg.Redis = newRedis(t, tr.server)
	}
	if tr.via == "refresh" {
		cfg.RefreshAt = 1e-12 // each read refreshes behind itself, however soon it comes
	}
	c := newCache(t, cfg)
	err := c.RegisterLoader(tiercache.Loader[string, string]{Name: "all", Load: func(ctx context.Context, emit func(string, string) error) error {
		value, err := s.load(ctx, "k")
		if err != nil {
			return err
		}
		return emit("k", value)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// read has the key read, or loaded, in the trial's way.
func (tr *trial) read(ctx context.Context, c *tiercache.Cache[string, string]) (string, error) {
	switch tr.via {
	case "GetMany":
		got, err := c.GetMany(ctx, []string{"other", "k"})
		return got["k"], err
	case "warm":
		_, err := c.Warm(ctx)
		return "", err
	default:
		return c.Get(ctx, "k")
	}
}

// prime leaves the cache as it must be for the next read to load.
func (tr *trial) prime(t *testing.T, c *tiercache.Cache[string, string]) {
	t.Helper()
	if tr.via == "refresh" {
		if err := c.Set(t.Context(), "k", "old"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTrials(t *testing.T) {
	var rows []string
	for _, kind := range []string{"memory only", "two tiers"} {
		for _, via := range []string{"Get", "GetMany", "refresh", "warm"} {
			tr := &trial{name: kind + ", " + via, redis: kind == "two tiers", via: via}
			t.Run(tr.name, func(t *testing.T) {
				if tr.redis {
					tr.server = redistest.Start(t)
				}
				rows = append(rows, "| "+tr.name+" | "+strings.Join([]string{
					tr.overtaken(t, "Delete", false), tr.overtaken(t, "Delete", true), tr.overtaken(t, "Set", true),
					tr.leaderCancelled(t), tr.followerWaits(t), tr.panics(t), tr.garbage(t), tr.otherInstance(t), tr.oneLoad(t), tr.redisKilled(t),
				}, " | ")+" |")
			})
		}
	}
	t.Logf("\n| | %s |\n|%s\n%s", strings.Join(trialColumns, " | "), strings.Repeat("---|", len(trialColumns)+1), strings.Join(rows, "\n"))
}

// flush empties Redis between two trials of a row.
func (tr *trial) flush() {
	if tr.redis {
		tr.server.Do("FLUSHALL")
	}
}

// overtaken is A and A2: an invalidation overtakes a load. during reports whether the reads that
// begin while that load still runs count, or those after it.
func (tr *trial) overtaken(t *testing.T, how string, during bool) string {
	t.Helper()
	tr.flush()
	s := &sourceScript{value: "old"}
	c := tr.cache(t, s)
	tr.prime(t, c)
	begun, open := s.stop()
	defer open()
	done := make(chan error, 1)
	go func() {
		_, err := tr.read(t.Context(), c)
		done <- err
	}()
	<-begun
	s.set("new")
	var err error
	if how == "Set" {
		err = c.Set(t.Context(), "k", "new")
	} else {
		err = c.Delete(t.Context(), "k")
	}
	if err != nil {
		t.Error(err)
	}
	verdict := "ok"
	look := func(when string, c *tiercache.Cache[string, string]) {
		if v, err := c.Get(t.Context(), "k"); v != "new" || err != nil {
			t.Errorf("%s, %s: %q, %v; want new", how, when, v, err)
			verdict = "stale"
		}
	}
	if during {
		look("while the load runs", c)
	}
	open()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for range 3 {
		look("after the load", c)
	}
	if tr.redis {
		other := tr.cache(t, &sourceScript{value: "new"})
		look("on another node", other)
		closing(t, other)
	}
	closing(t, c)
	return verdict
}

// leaderCancelled is B.
func (tr *trial) leaderCancelled(t *testing.T) string {
	t.Helper()
	if tr.via == "refresh" || tr.via == "warm" { // nobody leads
		return "–"
	}
	tr.flush()
	s := &sourceScript{value: "v"}
	c := tr.cache(t, s)
	begun, open := s.stop()
	defer open()
	ctx, cancel := context.WithCancel(t.Context())
	led, followed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := tr.read(ctx, c)
		led <- err
	}()
	<-begun
	joined := c.Stats().Joined
	go func() {
		v, err := c.Get(t.Context(), "k")
		if v != "v" {
			err = errors.Join(err, fmt.Errorf("got %q", v))
		}
		followed <- err
	}()
	redistest.Eventually(t, 5*time.Second, func() error {
		if c.Stats().Joined == joined {
			return errors.New("the follower has not joined")
		}
		return nil
	})
	cancel()
	if err := <-led; !errors.Is(err, context.Canceled) {
		t.Errorf("the leader got %v", err)
	}
	open()
	if err := <-followed; err != nil {
		t.Errorf("the follower got %v", err)
		return "waiters fail"
	}
	closing(t, c)
	return "ok"
}

// followerWaits is C.
func (tr *trial) followerWaits(t *testing.T) string {
	t.Helper()
	if tr.via == "refresh" || tr.via == "warm" { // nobody waits
		return "–"
	}
	tr.flush()
	s := &sourceScript{value: "v"}
	c := tr.cache(t, s)
	begun, open := s.stop()
	defer open()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = tr.read(t.Context(), c)
	}()
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	late, began := redistest.Late(t), time.Now()
	_, err := tr.read(ctx, c)
	took := time.Since(began)
	if !errors.Is(err, context.DeadlineExceeded) || took > 300*time.Millisecond+late.Since(began) {
		t.Errorf("the follower got %v after %v", err, took)
	}
	open()
	<-done
	closing(t, c)
	return fmt.Sprint(took.Round(10 * time.Millisecond))
}

// panics is D.
func (tr *trial) panics(t *testing.T) string {
	t.Helper()
	tr.flush()
	s := &sourceScript{value: "v", panic: true}
	c := tr.cache(t, s)
	tr.prime(t, c)
	_, err := tr.read(t.Context(), c)
	var panicked *tiercache.PanicError
	switch {
	case tr.via == "refresh" && err != nil:
		t.Errorf("a read of what is cached: %v", err)
	case tr.via != "refresh" && !errors.As(err, &panicked):
		t.Errorf("got %v, want a *PanicError", err)
	}
	verdict := "error, ok"
	redistest.Eventually(t, 5*time.Second, func() error { // what failed is not tried again at once
		v, err := c.Get(t.Context(), "k")
		if err != nil || v != "v" && v != "old" {
			return fmt.Errorf("the next Get: %q, %w", v, err)
		}
		return nil
	})
	closing(t, c)
	return verdict
}

// garbage is F.
func (tr *trial) garbage(t *testing.T) string {
	t.Helper()
	if !tr.redis {
		return "–"
	}
	tr.flush()
	tr.server.Do("SET", "trial:k", "garbage \x00\xff")
	c := tr.cache(t, &sourceScript{value: "v"})
	if _, err := tr.read(t.Context(), c); err != nil {
		t.Error(err)
	}
	if v, err := c.Get(t.Context(), "k"); v != "v" || err != nil {
		t.Errorf("got %q, %v; want a miss, and the source's", v, err)
		return "error"
	}
	closing(t, c)
	return "miss"
}

// otherInstance is G.
func (tr *trial) otherInstance(t *testing.T) string {
	t.Helper()
	if !tr.redis {
		return "–"
	}
	tr.flush()
	s := &sourceScript{value: "old"}
	a, b := tr.cache(t, s), tr.cache(t, s)
	for _, c := range []*tiercache.Cache[string, string]{a, b} {
		if _, err := tr.read(t.Context(), c); err != nil {
			t.Error(err)
		}
		get(t, c, "k", "old")
	}
	s.set("new")
	if err := a.Set(t.Context(), "k", "new"); err != nil {
		t.Error(err)
	}
	get(t, a, "k", "new")
	late, began := redistest.Late(t), time.Now()
	if took := soon(t, b, "k", "new"); took > time.Second+late.Since(began) {
		t.Errorf("the other instance was stale for %v", took)
	}
	closing(t, a)
	closing(t, b)
	return "ok"
}

// oneLoad is H.
func (tr *trial) oneLoad(t *testing.T) string {
	t.Helper()
	if tr.via == "refresh" || tr.via == "warm" { // many warm runs are an engine's business
		return "–"
	}
	tr.flush()
	s := &sourceScript{value: "v"}
	caches := []*tiercache.Cache[string, string]{tr.cache(t, s)}
	if tr.redis {
		caches = append(caches, tr.cache(t, s))
	}
	begun, open := s.stop()
	defer open()
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if v, err := tr.read(t.Context(), caches[i%len(caches)]); v != "v" || err != nil {
				t.Errorf("got %q, %v", v, err)
			}
		})
	}
	<-begun
	redistest.Eventually(t, 5*time.Second, func() error {
		var joined uint64
		for _, c := range caches {
			joined += c.Stats().Joined
		}
		if joined < uint64(40-len(caches)) {
			return fmt.Errorf("%d joined", joined)
		}
		return nil
	})
	open()
	wg.Wait()
	if n := s.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
	for _, c := range caches {
		closing(t, c)
	}
	return strconv.FormatInt(s.loads.Load(), 10)
}

// redisKilled is E, and the last of a row: there is no Redis after it.
func (tr *trial) redisKilled(t *testing.T) string {
	t.Helper()
	if !tr.redis {
		return "–"
	}
	s := &sourceScript{value: "v"}
	r := defaultNode(t, tr.server)
	c := newCache(t, tiercache.Config[string, string]{Name: "killed", TTL: time.Hour, Load: s.load, LoadMany: s.loadMany, Redis: r})
	err := c.RegisterLoader(tiercache.Loader[string, string]{Name: "all", Load: func(_ context.Context, emit func(string, string) error) error { return emit("k", "v") }})
	if err != nil {
		t.Fatal(err)
	}
	tr.server.Kill()
	late := redistest.Late(t)
	cost := func(key string) time.Duration {
		began := time.Now()
		var err error
		if tr.via == "GetMany" {
			_, err = c.GetMany(t.Context(), []string{key})
		} else {
			_, err = c.Get(t.Context(), key)
		}
		if err != nil {
			t.Errorf("with Redis killed: %v", err)
		}
		return time.Since(began) - late.Since(began)
	}
	if _, err := tr.read(t.Context(), c); err != nil && (tr.via != "warm" || !errors.Is(err, tiercache.ErrDegraded)) {
		t.Error(err)
	}
	var costs []time.Duration
	for i := range 11 {
		costs = append(costs, cost(fmt.Sprint("first", i)))
	}
	slices.Sort(costs)
	first := costs[8] // a busy machine takes its time once or twice
	var open time.Duration
	for i := range 10 {
		took := cost(fmt.Sprint("then", i))
		if i == 0 || took < open { // one in a while is a probe
			open = took
		}
	}
	if first > 250*time.Millisecond || open > 20*time.Millisecond {
		t.Errorf("a miss costs %v at first, then %v; want at most one deadline (100ms), then nothing", first, open)
	}
	closing(t, c)
	return fmt.Sprintf("≤ %v, then %v", first.Round(time.Millisecond), open.Round(100*time.Microsecond))
}
