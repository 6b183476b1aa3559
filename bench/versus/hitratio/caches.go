package main

import (
	"context"
	"time"

	theine "github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/hashicorp/golang-lru/arc/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"

	"github.com/warmcache/warmcache/tiercache"
)

// cached is one cache under replay: get reports a hit, set stores after a miss.
type cached struct {
	get   func(key uint64) bool
	set   func(key uint64)
	close func()
}

// contender makes a cache of a size. What works in the background is replayed paced and at full
// speed, which are the same to the others.
type contender struct {
	name       string
	background bool
	make       func(size int) (cached, error)
}

func contenders() []contender {
	return []contender{
		{"warmcache", true, ours},
		{"otter", true, func(size int) (cached, error) {
			c, err := otter.New(&otter.Options[uint64, uint64]{MaximumSize: size})
			if err != nil {
				return cached{}, err
			}
			get := func(k uint64) bool { _, ok := c.GetIfPresent(k); return ok }
			return cached{get, func(k uint64) { c.Set(k, k) }, func() { c.StopAllGoroutines() }}, nil
		}},
		{"theine", true, func(size int) (cached, error) {
			c, err := theine.NewBuilder[uint64, uint64](int64(size)).Build()
			if err != nil {
				return cached{}, err
			}
			get := func(k uint64) bool { _, ok := c.Get(k); return ok }
			return cached{get, func(k uint64) { c.Set(k, k, 1) }, c.Close}, nil
		}},
		{"ristretto", true, func(size int) (cached, error) {
			c, err := ristretto.NewCache(&ristretto.Config[uint64, uint64]{
				NumCounters: int64(size) * 10, MaxCost: int64(size), BufferItems: 64, IgnoreInternalCost: true,
			})
			if err != nil {
				return cached{}, err
			}
			get := func(k uint64) bool { _, ok := c.Get(k); return ok }
			return cached{get, func(k uint64) { c.Set(k, k, 1) }, c.Close}, nil
		}},
		{"ARC", false, func(size int) (cached, error) {
			c, err := arc.NewARC[uint64, uint64](size)
			if err != nil {
				return cached{}, err
			}
			get := func(k uint64) bool { _, ok := c.Get(k); return ok }
			return cached{get, func(k uint64) { c.Add(k, k) }, func() {}}, nil
		}},
		{"LRU", false, func(size int) (cached, error) {
			c, err := lru.New[uint64, uint64](size)
			if err != nil {
				return cached{}, err
			}
			get := func(k uint64) bool { _, ok := c.Get(k); return ok }
			return cached{get, func(k uint64) { c.Add(k, k) }, func() {}}, nil
		}},
	}
}

func ours(size int) (cached, error) {
	c, err := tiercache.New(tiercache.Config[uint64, uint64]{Name: "replay", TTL: time.Hour, Capacity: int64(size)})
	if err != nil {
		return cached{}, err
	}
	ctx := context.Background()
	return cached{
		func(k uint64) bool { _, err := c.Get(ctx, k); return err == nil },
		func(k uint64) { _ = c.Set(ctx, k, k) }, // in memory it fails only once closed
		func() { _ = c.Close() },
	}, nil
}

// replay reads the keys one after the other and returns the share of hits. With a pause it stops
// after each 64 reads, as long as that, so that what works in the background keeps up.
func replay(c cached, keys []uint64, pause time.Duration) float64 {
	hits := 0
	for i, key := range keys {
		if c.get(key) {
			hits++
		} else {
			c.set(key)
		}
		if pause > 0 && i%64 == 63 {
			time.Sleep(pause)
		}
	}
	return float64(hits) / float64(len(keys))
}
