package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
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

// world is a source of truth whose values are versions, with the history of what ended which of them, and the checker of what is read.
type world struct {
	began   time.Time
	records []*history

	reads, errs atomic.Int64
	own         atomic.Int64 // G1: reads on the node that had ended what they returned
	late        atomic.Int64 // G3: reads elsewhere beyond the bound
	buckets     [len(staleBuckets) + 1]atomic.Int64
	worst       atomic.Int64
	ops, failed atomic.Int64 // invalidations, and those that did not reach Redis

	firstMu sync.Mutex
	first   []string // the first few violations
}

// bound of G3, and what a busy machine may add to it.
const (
	staleBound = 1300 * time.Millisecond
	staleSlack = 200 * time.Millisecond
)

var staleBuckets = [...]time.Duration{
	0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second, staleBound, staleBound + staleSlack,
}

// history is one key: its version, and how each came to its end.
type history struct {
	writer  sync.Mutex // one writer at a time: which of two is later must be known
	mu      sync.RWMutex
	version int
	ends    []ending // of version i at [i]: when the next one's invalidation had returned
}

type ending struct {
	at       time.Duration // 0: not yet
	node     int
	kind     string
	degraded bool // Redis was not reached: the bound does not hold for others
}

func newWorld(keys int) *world {
	w := &world{began: time.Now()}
	for range keys {
		w.records = append(w.records, &history{version: 1, ends: make([]ending, 2)})
	}
	return w
}

func keyName(i int) string { return "k" + strconv.Itoa(i) }

func keyIndex(key string) int {
	i, _ := strconv.Atoi(key[1:])
	return i
}

func (w *world) current(key int) int {
	h := w.records[key]
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.version
}

// change commits a new version, has it made known by end, and notes when that had returned.
func (w *world) change(key, node int, kind string, end func(version int) error) {
	h := w.records[key]
	if !h.writer.TryLock() {
		return
	}
	defer h.writer.Unlock()
	h.mu.Lock()
	h.version++
	version := h.version
	h.ends = append(h.ends, ending{})
	h.mu.Unlock()
	err := end(version)
	w.ops.Add(1)
	if err != nil {
		w.failed.Add(1)
	}
	h.mu.Lock()
	h.ends[version-1] = ending{at: time.Since(w.began), node: node, kind: kind, degraded: err != nil}
	h.mu.Unlock()
}

// check judges a read that began then on the node.
func (w *world) check(key, node, version int, stale bool, then time.Duration, how string) {
	w.reads.Add(1)
	h := w.records[key]
	h.mu.RLock()
	defer h.mu.RUnlock()
	age, by := time.Duration(0), ending{}
	for i := version; i < len(h.ends); i++ {
		e := h.ends[i]
		if e.at == 0 || e.at > then || stale && e.kind == "Expire" {
			continue
		}
		if e.node == node {
			w.own.Add(1)
			w.violation("%s on node %d at %v of %s gave version %d, which it had ended by %s at %v (degraded %v)", how, node, then, keyName(key), version, e.kind, e.at, e.degraded)
			break
		}
		if !e.degraded && then-e.at > age {
			age, by = then-e.at, e
		}
	}
	i, _ := slices.BinarySearch(staleBuckets[:], age)
	w.buckets[i].Add(1)
	for worst := w.worst.Load(); int64(age) > worst && !w.worst.CompareAndSwap(worst, int64(age)); {
		worst = w.worst.Load()
	}
	if age > staleBound+staleSlack {
		w.late.Add(1)
		w.violation("%s on node %d at %v of %s gave version %d, ended by %s on node %d %v before", how, node, then, keyName(key), version, by.kind, by.node, age)
	}
}

func (w *world) violation(format string, args ...any) {
	w.firstMu.Lock()
	defer w.firstMu.Unlock()
	if len(w.first) < 8 {
		w.first = append(w.first, fmt.Sprintf(format, args...))
	}
}

func (w *world) report(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d reads (%d failed), %d invalidations (%d degraded), %d violations of G1, %d reads beyond the bound, worst %v\n",
		name, w.reads.Load(), w.errs.Load(), w.ops.Load(), w.failed.Load(), w.own.Load(), w.late.Load(), time.Duration(w.worst.Load()))
	for i := range w.buckets {
		label := "more"
		if i < len(staleBuckets) {
			label = "≤ " + staleBuckets[i].String()
		}
		fmt.Fprintf(&b, "  stale by %-8s %9d\n", label, w.buckets[i].Load())
	}
	for _, v := range w.first {
		fmt.Fprintf(&b, "  %s\n", v)
	}
	return b.String()
}

// subject is what a node reads through, and ends versions with.
type subject interface {
	read(ctx context.Context, key int) (version int, stale bool, err error)
	end(ctx context.Context, kind string, key, version int) error
}

// tiered is a node of ours.
type tiered struct {
	*tiercache.Cache[string, int]
}

func (s tiered) read(ctx context.Context, key int) (int, bool, error) {
	e, err := s.GetEntry(ctx, keyName(key))
	return e.Value, e.Stale, err
}

func tagOf(key string) string { return "tag" + strconv.Itoa(keyIndex(key)%8) }

func (s tiered) end(ctx context.Context, kind string, key, version int) error {
	name := keyName(key)
	switch kind {
	case "Set":
		return s.Set(ctx, name, version)
	case "Delete":
		return s.Delete(ctx, name)
	case "Expire":
		return s.Expire(ctx, name)
	case "InvalidateTags":
		return s.InvalidateTags(ctx, tagOf(name))
	default:
		return s.Clear(ctx)
	}
}

// naive is cache-aside as it is commonly written: GET, else load and SET; DEL on a change; a map with a second's TTL in front.
type naive struct {
	client *redis.Client
	world  *world

	mu    sync.Mutex
	local map[int]naiveEntry
}

type naiveEntry struct {
	version int
	until   time.Time
}

func (n *naive) keep(key, version int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.local[key] = naiveEntry{version, time.Now().Add(time.Second)}
}

func (n *naive) read(ctx context.Context, key int) (int, bool, error) {
	n.mu.Lock()
	e, ok := n.local[key]
	n.mu.Unlock()
	if ok && time.Now().Before(e.until) {
		return e.version, false, nil
	}
	version, err := n.client.Get(ctx, "naive:"+keyName(key)).Int()
	if err != nil {
		version = n.world.current(key)
		pause(ctx, rand.N(3*time.Millisecond))
		n.client.Set(ctx, "naive:"+keyName(key), version, time.Hour)
	}
	n.keep(key, version)
	return version, false, nil
}

func (n *naive) end(ctx context.Context, kind string, key, version int) error {
	if kind == "Set" {
		n.keep(key, version)
		return n.client.Set(ctx, "naive:"+keyName(key), version, time.Hour).Err()
	}
	n.mu.Lock()
	delete(n.local, key)
	n.mu.Unlock()
	return n.client.Del(ctx, "naive:"+keyName(key)).Err()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// traffic reads and writes through a subject until ctx ends.
func (w *world) traffic(ctx context.Context, node int, s subject, wg *sync.WaitGroup, readers, reads int) {
	kinds := []string{"Set", "Set", "Set", "Delete", "Delete", "Delete", "Expire", "Expire", "InvalidateTags"}
	wg.Go(func() {
		for ctx.Err() == nil {
			kind := kinds[rand.N(len(kinds))]
			if rand.N(100) == 0 {
				kind = "Clear"
			}
			key := rand.N(len(w.records))
			w.change(key, node, kind, func(version int) error { return s.end(ctx, kind, key, version) })
			pause(ctx, rand.N(60*time.Millisecond))
		}
	})
	for range readers {
		wg.Go(func() {
			for ctx.Err() == nil {
				for range reads {
					w.readOne(ctx, node, s)
				}
				pause(ctx, 4*time.Millisecond)
			}
		})
	}
}

func (w *world) readOne(ctx context.Context, node int, s subject) {
	key := min(rand.N(len(w.records)), rand.N(len(w.records)))
	then := time.Since(w.began)
	ours, isOurs := s.(tiered)
	switch n := rand.N(200); {
	case isOurs && n == 0:
		version, err := ours.Refresh(ctx, keyName(key))
		w.judge(ctx, key, node, version, false, err, then, "Refresh")
	case isOurs && n < 4:
		names := make([]string, 8)
		for i := range names {
			names[i] = keyName((key + i) % len(w.records))
		}
		got, err := ours.GetMany(ctx, names)
		for _, name := range names {
			w.judge(ctx, keyIndex(name), node, got[name], false, err, then, "GetMany")
		}
	default:
		version, stale, err := s.read(ctx, key)
		w.judge(ctx, key, node, version, stale, err, then, "Get")
	}
}

func (w *world) judge(ctx context.Context, key, node, version int, stale bool, err error, then time.Duration, how string) {
	switch {
	case err == nil:
		w.check(key, node, version, stale, then, how)
	case ctx.Err() == nil:
		w.errs.Add(1)
		w.violation("%s of %s failed: %v", how, keyName(key), err)
	}
}

// soakNode is one process of the fleet: its links, its cache on them, and a naive cache beside it.
func soakNode(t *testing.T, w, bad *world, link *redistest.Link, capacity int64) (tiered, *naive) {
	t.Helper()
	lose := dropping(func(text string) bool { return isNotice(text) && rand.N(100) == 0 })
	options := func(o *redis.Options) {
		o.Addr, o.DialTimeout, o.DialerRetries = link.Addr(), time.Second, 1
		lose(o)
	}
	r, err := tiercache.NewRedis(newClient(t, options), tiercache.RedisConfig{Timeout: 250 * time.Millisecond}) // else a busy machine would leave Redis out of the trial
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	load := func(ctx context.Context, key string) (int, error) {
		version := w.current(keyIndex(key))
		if rand.N(4) == 0 {
			pause(ctx, rand.N(5*time.Millisecond))
		}
		return version, nil
	}
	c := newCache(t, tiercache.Config[string, int]{
		Name: "soak", TTL: time.Hour, StaleFor: time.Minute, RefreshAt: 0.001, Capacity: capacity, Redis: r, Load: load,
		LoadMany: func(ctx context.Context, keys []string) (map[string]int, error) {
			out := make(map[string]int)
			for _, key := range keys {
				out[key], _ = load(ctx, key)
			}
			return out, nil
		},
		Tags:   func(key string, _ int) []string { return []string{tagOf(key)} },
		Logger: slog.New(slog.DiscardHandler),
	})
	err = c.RegisterLoader(tiercache.Loader[string, int]{Name: "all", Load: func(ctx context.Context, emit func(string, int) error) error {
		for i := range w.records {
			version := w.current(i)
			if i%8 == 0 {
				pause(ctx, rand.N(5*time.Millisecond))
			}
			if err := emit(keyName(i), version); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	plain := newClient(t, func(o *redis.Options) {
		o.Addr, o.ReadTimeout, o.ContextTimeoutEnabled, o.MaxRetries = link.Addr(), 100*time.Millisecond, true, -1
	})
	return tiered{c}, &naive{client: plain, world: bad, local: make(map[int]naiveEntry)}
}

func newClient(t *testing.T, change func(*redis.Options)) *redis.Client {
	t.Helper()
	o := new(redis.Options)
	change(o)
	client := redis.NewClient(o)
	t.Cleanup(func() { closing(t, client) })
	return client
}

// harm does to links and server, one at a time, what networks and machines do, until ctx ends.
func harm(ctx context.Context, server *redistest.Server, links []*redistest.Link) {
	for n := 1; ctx.Err() == nil; n++ {
		pause(ctx, 300*time.Millisecond+rand.N(400*time.Millisecond))
		link := links[rand.N(len(links))]
		switch {
		case n%11 == 4: // silent, for long enough to be noticed
			link.Silence(redistest.Down)
			pause(ctx, 2500*time.Millisecond)
			link.Restore()
		case n%5 == 2:
			server.Stop()
			pause(ctx, 50*time.Millisecond+rand.N(550*time.Millisecond))
			server.Cont()
		default:
			link.Cut()
		}
	}
}

// Four nodes in bad weather: G1, G2, G3 and G8 hold on each, and a naive cache-aside beside them shows that the checker bites. SOAK is
// how long, such as 30m.
func TestSoakFleetInBadWeather(t *testing.T) {
	long, least := 12*time.Second, int64(300_000)
	if text := os.Getenv("SOAK"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatalf("SOAK: %v", err)
		}
	}
	server := redistest.Start(t)
	w, bad := newWorld(64), newWorld(64)
	var links []*redistest.Link
	var nodes []tiered
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer wg.Wait()
	defer cancel()
	for i := range 4 {
		links = append(links, redistest.Proxy(t, server.Addr()))
		ours, plain := soakNode(t, w, bad, links[i], []int64{1000, 48}[i%2]) // some evict
		nodes = append(nodes, ours)
		w.traffic(ctx, i, ours, &wg, 3, 100)
		bad.traffic(ctx, i, plain, &wg, 1, 10)
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = ours.Warm(ctx) // what doesn't reach Redis is not the matter here
				pause(ctx, 3*time.Second+rand.N(3*time.Second))
			}
		})
	}
	weather, calm := context.WithCancel(ctx)
	defer calm()
	var storm sync.WaitGroup
	storm.Go(func() { harm(weather, server, links) })
	pause(ctx, long)
	const hundreds = 200 // of the naive cache's violations; on a busy machine both take their time
	broken := func() int64 { return bad.own.Load() + bad.late.Load() }
	for began := time.Now(); w.reads.Load() < least || broken() < hundreds; pause(ctx, 100*time.Millisecond) {
		if time.Since(began) > 4*long {
			t.Errorf("only %d reads, and %d violations by the naive cache, in %v", w.reads.Load(), broken(), 5*long)
			break
		}
	}
	calm()
	storm.Wait()
	cancel()
	wg.Wait()
	t.Log("\n" + w.report("tiercache") + bad.report("naive"))
	if w.own.Load()+w.late.Load()+w.errs.Load() > 0 {
		t.Error("guarantees are broken")
	}
	agree(t, w, nodes)
	for i, c := range nodes {
		s := c.Stats()
		t.Logf("node %d: %d notices sent, %d received, %d lost, %d epochs, %d loads, %d refused", i, s.NoticesSent, s.NoticesReceived, s.NoticesLost, s.Epoch, s.Loads, s.Refused)
	}
}

// agree waits for the calm, and checks that every node has come to read the truth.
func agree(t *testing.T, w *world, nodes []tiered) {
	t.Helper()
	redistest.Eventually(t, 10*time.Second, func() error {
		for i, c := range nodes {
			if n := c.Stats().Pending; n > 0 {
				return fmt.Errorf("node %d: %d invalidations are pending", i, n)
			}
		}
		return nil
	})
	redistest.Eventually(t, staleBound+staleSlack, func() error {
		var errs []error
		for i, c := range nodes {
			for key := range w.records {
				if v, _, err := c.read(t.Context(), key); v != w.current(key) || err != nil {
					errs = append(errs, fmt.Errorf("node %d: %s is %d, %w; want %d", i, keyName(key), v, err, w.current(key)))
				}
			}
		}
		return errors.Join(errs...)
	})
}
