package tiercache_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

// world is a source of truth whose values are versions, with the history of what ended which of
// them, and the checker of what is read.
type world struct {
	worldConfig
	began   time.Time
	late    *redistest.Lateness
	records []*history

	reads       atomic.Int64
	buckets     [len(staleBuckets) + 1]atomic.Int64
	worst       atomic.Int64
	ops, failed atomic.Int64 // invalidations, and those that did not reach Redis
	slowest     atomic.Int64
	broken      atomic.Int64 // promises, in all

	faultMu sync.Mutex
	faults  map[string]int // by promise
	first   []string       // the first few of each

	excuseMu sync.Mutex
	excuses  []excuse
}

// worldConfig says which bounds hold in a world. The zero value has the usual ones.
type worldConfig struct {
	keys     int           // default 64
	ttl      time.Duration // of values; default: an hour, which is not checked
	bound    time.Duration // of G3; default staleBound
	patience time.Duration // within which each read returns; 0: it is not checked
}

// bound of G3, and what a busy machine may add to it.
const (
	staleBound = 1300 * time.Millisecond
	staleSlack = 200 * time.Millisecond
)

var staleBuckets = [...]time.Duration{
	0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond,
	300 * time.Millisecond, time.Second, staleBound, staleBound + staleSlack,
}

// excuse is a time in which what was acknowledged may be gone from Redis, as another server has
// taken its place; the bound of G3 is counted anew from its end.
type excuse struct{ from, to time.Duration }

const open = time.Duration(1<<63 - 1)

// history is one key: its version, and how each came to its end.
type history struct {
	writer  sync.Mutex // one writer at a time: which of two is later must be known
	mu      sync.RWMutex
	version int
	ends    []ending // of version i at [i]
}

type ending struct {
	committed time.Duration // when the source had the next version
	at        time.Duration // when that one's invalidation had returned; 0: not yet, or never
	node      int
	kind      string
	degraded  bool // Redis was not reached: the bound does not hold for others
}

// unsaid is a change of the source that nobody is told of: the TTL ends what was before.
const unsaid = "nothing"

func newWorld(t *testing.T, cfg worldConfig) *world {
	t.Helper()
	if cfg.keys == 0 {
		cfg.keys = 64
	}
	if cfg.bound == 0 {
		cfg.bound = staleBound
	}
	w := &world{worldConfig: cfg, began: time.Now(), late: redistest.Stalls(t, 20*time.Millisecond), faults: make(map[string]int)}
	for range cfg.keys {
		w.records = append(w.records, &history{version: 1, ends: make([]ending, 2)})
	}
	return w
}

func keyName(i int) string { return "k" + strconv.Itoa(i) }

func keyIndex(key string) int {
	i, _ := strconv.Atoi(key[1:])
	return i
}

func (w *world) now() time.Duration { return time.Since(w.began) }

func (w *world) current(key int) int {
	h := w.records[key]
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.version
}

// change commits a new version of a key, and of others that the kind of invalidation ends with it,
// has that made known by end, and notes when it had returned.
func (w *world) change(key, node int, kind string, end func(version int) error) {
	version, step := 0, len(w.records)
	switch kind {
	case "Clear":
		step = 1
	case "InvalidateTags":
		step = tagged
	}
	var mine []*history
	for i := key % step; i < len(w.records); i += step {
		h := w.records[i]
		if i != key && step == len(w.records) || !h.writer.TryLock() {
			continue // another writer's: which of the two is later would not be known
		}
		defer h.writer.Unlock()
		h.mu.Lock()
		h.ends[h.version].committed = w.now()
		h.version++
		h.ends = append(h.ends, ending{})
		if i == key {
			version = h.version
		}
		h.mu.Unlock()
		mine = append(mine, h)
	}
	if version == 0 && kind != "Clear" && kind != "InvalidateTags" || kind == unsaid {
		return
	}
	err := end(version)
	w.ops.Add(1)
	if err != nil {
		w.failed.Add(1)
	}
	at := w.now()
	for _, h := range mine {
		h.mu.Lock()
		e := &h.ends[h.version-1]
		e.at, e.node, e.kind, e.degraded = at, node, kind, err != nil
		h.mu.Unlock()
	}
}

// tagged is how many tags the keys share: those of one are equal modulo that.
const tagged = 8

// disturb begins an excuse, and returns what ends it.
func (w *world) disturb() (over func()) {
	w.excuseMu.Lock()
	defer w.excuseMu.Unlock()
	i := len(w.excuses)
	w.excuses = append(w.excuses, excuse{from: w.now(), to: open})
	return func() {
		w.excuseMu.Lock()
		defer w.excuseMu.Unlock()
		w.excuses[i].to = w.now()
	}
}

// counts is since when a read that began then, and has just ended, had to know of what ended at.
func (w *world) counts(at, then time.Duration) time.Duration {
	now := w.now()
	w.excuseMu.Lock()
	defer w.excuseMu.Unlock()
	for _, e := range w.excuses {
		if e.from <= now && e.to > at {
			at = min(e.to, then)
		}
	}
	return at
}

// check judges a read that began then on the node.
func (w *world) check(key, node, version int, stale bool, then time.Duration, how string) {
	w.reads.Add(1)
	h := w.records[key]
	h.mu.RLock()
	defer h.mu.RUnlock()
	if next := h.ends[version].committed; w.ttl > 0 && !stale && next != 0 {
		if age := then - next - w.ttl; age > w.bound+staleSlack && age > w.bound+staleSlack+w.late.Since(w.began.Add(next+w.ttl)) {
			w.fault("G4", "%s on node %d at %v of %s gave version %d, whose TTL had been over for %v", how, node, then, keyName(key), version, age)
		}
	}
	age, since, by := time.Duration(0), time.Duration(0), ending{}
	for i := version; i < len(h.ends); i++ {
		e := h.ends[i]
		if e.at == 0 || e.at > then || stale && e.kind == "Expire" {
			continue
		}
		if e.node == node {
			w.fault("G1", "%s on node %d at %v of %s gave version %d, which it had ended by %s at %v (degraded %v)", how, node, then, keyName(key), version, e.kind, e.at, e.degraded)
			break
		}
		if from := w.counts(e.at, then); !e.degraded && then-from > age {
			age, since, by = then-from, from, e
		}
	}
	i, _ := slices.BinarySearch(staleBuckets[:], age)
	w.buckets[i].Add(1)
	most(&w.worst, age)
	if limit := w.bound + staleSlack; age > limit && age > limit+w.late.Since(w.began.Add(since)) {
		w.fault("G3", "%s on node %d at %v of %s gave version %d, ended by %s on node %d at %v: for %v it should have known", how, node, then, keyName(key), version, by.kind, by.node, by.at, age)
	}
}

// most raises a maximum.
func most(worst *atomic.Int64, d time.Duration) {
	for was := worst.Load(); int64(d) > was && !worst.CompareAndSwap(was, int64(d)); {
		was = worst.Load()
	}
}

// judge is check, for what a cache has answered just now.
func (w *world) judge(ctx context.Context, key, node, version int, stale bool, err error, then time.Duration, how string) {
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		w.fault("read", "%s on node %d of %s failed: %v", how, node, keyName(key), err)
		return
	}
	w.check(key, node, version, stale, then, how)
	took := w.now() - then
	most(&w.slowest, took)
	if w.patience > 0 && took > w.patience && took > w.patience+w.late.Since(w.began.Add(then)) {
		w.fault("patience", "%s on node %d at %v of %s took %v", how, node, then, keyName(key), took)
	}
}

// fault notes a broken promise.
func (w *world) fault(promise, format string, args ...any) {
	w.broken.Add(1)
	w.faultMu.Lock()
	defer w.faultMu.Unlock()
	if w.faults[promise]++; w.faults[promise] <= 4 {
		w.first = append(w.first, promise+": "+fmt.Sprintf(format, args...))
	}
}

func (w *world) report(name string) string {
	w.faultMu.Lock()
	defer w.faultMu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: in %v %d reads, %d invalidations (%d degraded), worst staleness %v, slowest read %v, stalls of %v in all; %d violations",
		name, w.now().Round(time.Second), w.reads.Load(), w.ops.Load(), w.failed.Load(), time.Duration(w.worst.Load()).Round(time.Millisecond),
		time.Duration(w.slowest.Load()).Round(time.Millisecond), w.late.Since(w.began).Round(time.Millisecond), w.broken.Load())
	for _, promise := range slices.Sorted(maps.Keys(w.faults)) {
		fmt.Fprintf(&b, ", %s %d", promise, w.faults[promise])
	}
	b.WriteString("\n")
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
