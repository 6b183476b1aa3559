package tiercache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/redistier"
	"github.com/warmcache/warmcache/tiercache/internal/topk"
)

// HotKey is a key that is read much.
type HotKey[K comparable] struct {
	Key   K       `json:"key"`
	Reads float64 `json:"reads"` // about how often it was read, by the whole fleet where there is a Redis; a read counts half after HotHalfLife
}

// Hot returns the n hottest keys, the hottest first; all that were learned, LearnHot at most, where
// n is 0 or less. With Redis they are what the whole fleet reads; where Redis cannot be asked, what
// this process has learned comes beside the error. Never among them are keys that the source does
// not have, keys whose text is longer than 512 bytes, and keys of which fewer than three reads were
// sampled. It fails with ErrNotLearning where LearnHot is 0.
func (c *Cache[K, V]) Hot(ctx context.Context, n int) ([]HotKey[K], error) {
	return c.hottest(ctx, n)
}

func (c *hotKeys[K, V]) hottest(ctx context.Context, n int) ([]HotKey[K], error) {
	switch {
	case c.closed.Load():
		return nil, ErrClosed
	case c.hot == nil:
		return nil, fmt.Errorf("tiercache: cache %q: %w", c.name, ErrNotLearning)
	}
	if n <= 0 || n > c.cfg.LearnHot {
		n = c.cfg.LearnHot
	}
	var err error
	if c.remote != nil {
		var all []HotKey[K]
		if all, err = c.fleetHot(ctx, n); err == nil && len(all) > 0 {
			return all, nil
		}
	}
	own := c.hot.sketch.Top(n)
	all := make([]HotKey[K], len(own))
	for i, k := range own {
		all[i] = HotKey[K]{Key: k.Key, Reads: float64(k.Reads)}
	}
	return all, err
}

// HotTexts is Hot with the keys in their text form, for programs that don't know K. A key without a
// text form is left out.
func (c *Cache[K, V]) HotTexts(ctx context.Context, n int) ([]HotKey[string], error) {
	if none, ok := c.cfg.Keys.(noKeys[K]); ok {
		return nil, fmt.Errorf("tiercache: cache %q: %w", c.name, none.why)
	}
	hot, err := c.Hot(ctx, n)
	if hot == nil {
		return nil, err
	}
	all := make([]HotKey[string], 0, len(hot))
	for _, k := range hot {
		if text, err := c.hotText(k.Key); err == nil {
			all = append(all, HotKey[string]{Key: text, Reads: k.Reads})
		}
	}
	return all, err
}

// ErrNotLearning is the answer of Hot where Config.LearnHot is 0.
var ErrNotLearning = errors.New("no hot keys are learned: Config.LearnHot is 0")

var errLongKey = fmt.Errorf("its text form has more than %d bytes", hotTextBytes)

// hot learns which keys of a cache are hot. Its goroutine, tendHot, does what is not a read.
type hot[K comparable] struct {
	sketch *topk.Sketch[K]
	large  func(K) bool // whether a key is too long to be kept; nil: keys of this type have no length
	began  time.Time
	step   int  // of forgetting; tendHot's alone
	odd    bool // a key without a round trip was met, and logged; tendHot's alone

	mu   sync.Mutex
	gone map[string]struct{} // keys that the source no longer has, of which Redis is to be told
}

const (
	mostHot         = 100_000 // bounds LearnHot, and with it the memory of the sketch, some 700 bytes a key
	defaultHotHalf  = 10 * time.Minute
	shortestHotHalf = time.Second
	// hotTick is how often Redis is told what is new: what changes is there in twice that.
	hotTick = 2 * time.Second
	// hotTextBytes keeps long keys out: what is learned is held in memory and in Redis.
	hotTextBytes = redistier.MaxKeyBytes
	mostHotGone  = 1024
	// hotPriority is before that of loaders which were given none, or a usual one: what is read now
	// comes from Redis within moments, and has the first claim to room.
	hotPriority = 100
)

func newHot[K comparable](n int) *hot[K] {
	h := &hot[K]{sketch: topk.New[K](n), began: time.Now(), gone: make(map[string]struct{})}
	if reflect.TypeFor[K]().Kind() == reflect.String {
		h.large = func(key K) bool { return reflect.ValueOf(key).Len() > hotTextBytes }
	}
	return h
}

// learn is told of every read that found a value, and counts a sample of them. nth is a number that
// reads of the key don't repeat.
func (c *hotKeys[K, V]) learn(hash uint64, key K, nth uint64) {
	if c.hot != nil && c.hot.sketch.Sampled(hash, nth) {
		c.hot.add(hash, key)
	}
}

func (h *hot[K]) add(hash uint64, key K) {
	if h.large == nil || !h.large(key) {
		h.sketch.Add(hash, key)
	}
}

// unlearn forgets the key of a load to which the source said that it has no such key.
func (c *loads[K, V]) unlearn(f *flight[K, V]) {
	if c.hot == nil || !f.brought() && c.cfg.Load == nil && c.cfg.LoadMany == nil { // nobody was asked
		return
	}
	if c.hot.sketch.Forget(f.hash) && c.remote != nil {
		c.hot.putGone([]string{f.text})
	}
}

// startHot begins to learn, where that is wanted.
func (c *warmup[K, V]) startHot() {
	if c.cfg.LearnHot == 0 || !c.tasks.enter() {
		return
	}
	c.hot = newHot[K](c.cfg.LearnHot)
	c.loaders = append(c.loaders, &loaderState[K, V]{hot: true, Loader: Loader[K, V]{Name: hotLoader(c.name), Priority: hotPriority, Required: true}, tally: c.tallies.Of(hotLoader(c.name))})
	go c.tendHot()
}

// tendHot forgets, and tells Redis, until the cache is closed.
func (c *hotKeys[K, V]) tendHot() {
	defer c.tasks.leave()
	h, part := c.hot, c.cfg.HotHalfLife/topk.StepsPerHalf
	tick := time.NewTicker(min(hotTick, part))
	defer tick.Stop()
	for {
		select {
		case <-c.stopped.Done():
			return
		case <-tick.C:
		}
		for due := int(time.Since(h.began) / part); h.step < due; {
			h.step++
			h.sketch.Age(h.step)
		}
		if c.remote != nil {
			c.tellHot(c.stopped)
		}
	}
}

// hotText is the text form of a key, if that leads back to the key: what is learned is found again
// by it.
func (c *hotKeys[K, V]) hotText(key K) (text string, err error) {
	if text, err = c.encodeKey(key); err == nil && len(text) > hotTextBytes {
		err = errLongKey
	}
	return text, err
}

// tellable is those of the keys that have a text form, with it.
func (c *hotKeys[K, V]) tellable(keys []topk.Candidate[K]) (told []topk.Candidate[K], texts []string) {
	for _, k := range keys {
		text, err := c.hotText(k.Key)
		if err != nil {
			if !c.hot.odd {
				c.log.Warn("a hot key cannot be shared", slog.Any("error", err))
				c.hot.odd = true
			}
			continue
		}
		told, texts = append(told, k), append(texts, text)
	}
	return told, texts
}
