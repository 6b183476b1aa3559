package tiercache_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache"
)

// subject is what a node reads through, and ends versions with.
type subject interface {
	read(ctx context.Context, key int) (version int, stale bool, err error)
	end(ctx context.Context, kind string, key, version int) error
}

// tiered is a node of ours.
type tiered struct {
	*tiercache.Cache[string, int]
	redis *tiercache.Redis
}

func (s tiered) read(ctx context.Context, key int) (int, bool, error) {
	e, err := s.GetEntry(ctx, keyName(key))
	return e.Value, e.Stale, err
}

func tagOf(key string) string { return "tag" + strconv.Itoa(keyIndex(key)%tagged) }

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

// naive is cache-aside as it is commonly written: GET, else load and SET; DEL on a change; a map
// with a second's TTL in front.
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

// traffic is what users do on each node: readers, each of which reads so many keys between two
// pauses, and a writer.
type traffic struct {
	readers, reads int
	every          time.Duration // a change, on average
	kinds          []string      // of changes, each as often as any other
	clear          int           // one change in so many is a Clear; 0: none
	// Of so many nodes, each alone reads its share of the keys but for the first few, which are
	// shared. What is wrong lasts there, as nobody else's load mends it. 0: all read all.
	apart, shared int
}

var allKinds = []string{"Set", "Set", "Set", "Delete", "Delete", "Delete", "Expire", "Expire", "InvalidateTags"}

// run does so through a subject until ctx ends.
func (tr traffic) run(ctx context.Context, w *world, node int, s subject, wg *sync.WaitGroup) {
	n := len(w.records)
	wg.Go(func() {
		for ctx.Err() == nil {
			kind := tr.kinds[rand.N(len(tr.kinds))]
			if tr.clear > 0 && rand.N(tr.clear) == 0 {
				kind = "Clear"
			}
			key := rand.N(n)
			if tr.apart > 0 {
				key = min(key, rand.N(n))
			}
			w.change(key, node, kind, func(version int) error { return s.end(ctx, kind, key, version) })
			pause(ctx, rand.N(2*tr.every))
		}
	})
	for range tr.readers {
		wg.Go(func() {
			for ctx.Err() == nil {
				for range tr.reads {
					key := rand.N(n)
					switch {
					case tr.apart == 0:
						key = min(key, rand.N(n))
					case key >= tr.shared:
						key = key/tr.apart*tr.apart + node
					}
					w.readOne(ctx, node, min(key, n-1), s)
				}
				pause(ctx, 4*time.Millisecond)
			}
		})
	}
}

func (w *world) readOne(ctx context.Context, node, key int, s subject) {
	then := w.now()
	ours, isOurs := s.(tiered)
	switch n := rand.N(200); {
	case isOurs && n == 0:
		version, err := ours.Refresh(ctx, keyName(key))
		w.judge(ctx, key, node, version, false, err, then, "Refresh")
	case isOurs && n < 4:
		names := make([]string, 8)
		for i := range names {
			names[i] = keyName((key + 6*i) % len(w.records)) // as far apart as the shares of two or three nodes
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
