package tiercache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// Slots of a Cluster stand open for a while, as they do after a reshard that was interrupted, and
// then move on, there and back. An invalidation of a key in an open slot reaches Redis, and no read
// waits for a lease that cannot be given back.
func slotsWeather() soakMode {
	return soakMode{
		name: "slots", brief: 4 * time.Second,
		world:   worldConfig{keys: 48, patience: time.Second},
		traffic: traffic{readers: 2, reads: 10, every: 40 * time.Millisecond, kinds: allKinds, clear: 400},
		open: func(s *scene) bout {
			group := redistest.Cluster(s)
			addClusterNodes(s, group)
			return func(n int) {
				key := rand.N(len(s.w.records))
				name := "soak:" + keyName(key)
				from := group.Owner(name)
				masters := group.Masters()
				to := masters[n%len(masters)]
				if to == from {
					to = masters[(n+1)%len(masters)]
				}
				slot := from.Do("CLUSTER", "KEYSLOT", name)
				to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", from.Do("CLUSTER", "MYID"))
				from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", to.Do("CLUSTER", "MYID"))
				for range 4 {
					s.endOpen(s.alive, key)
					pause(s.alive, 300*time.Millisecond)
				}
				group.MoveSlot(name, to)
				pause(s.alive, 300*time.Millisecond)
			}
		},
	}
}

// endOpen deletes a key whose slot is open, by one node after the other: each must succeed soon.
func (s *scene) endOpen(ctx context.Context, key int) {
	for node, ours := range s.nodes {
		began := time.Now()
		for {
			err := ours.Delete(ctx, keyName(key))
			if err == nil || ctx.Err() != nil {
				break
			}
			if took := time.Since(began); took > time.Second && took > time.Second+s.w.late.Since(began) {
				s.w.fault("slot", "Delete of %s, in an open slot, on node %d: for %v %v", keyName(key), node, took, err)
				break
			}
			pause(ctx, 20*time.Millisecond)
		}
		if _, err := ours.Get(ctx, keyName(key)); err != nil && ctx.Err() == nil {
			s.w.fault("read", "Get in an open slot: %v", err)
		}
	}
}

// Clocks of the server step back and forward, by milliseconds and by hours. Nothing is fresh beyond
// its TTL by real time, and a node finds what it has Set itself.
func clockWeather() soakMode {
	steps := []time.Duration{-time.Hour, 20 * time.Millisecond, -20 * time.Millisecond, time.Hour, 3 * time.Second, -3 * time.Second, -24 * time.Hour, 24 * time.Hour}
	return soakMode{
		name: "clocks", brief: 6 * time.Second,
		world: worldConfig{keys: 120, ttl: 2 * time.Second},
		node:  nodeConfig{ttl: 2 * time.Second, staleFor: -1},
		traffic: traffic{
			readers: 2, reads: 10, every: 30 * time.Millisecond, apart: 3,
			kinds: []string{unsaid, unsaid, unsaid, unsaid, "Set", "Set", "Delete", "Expire"},
		},
		open: func(s *scene) bout {
			server := redistest.StartClocked(s)
			for range 3 {
				s.addNode(redis.NewClient(plain(server.Addr(), s.dialer(dialDirect))), s.node)
			}
			s.warming(s.nodes[2], time.Second)
			for node := range 2 {
				s.findsItsOwn(node)
			}
			offset := time.Duration(0)
			return func(n int) {
				pause(s.alive, 500*time.Millisecond)
				offset += steps[n%len(steps)]
				server.SetClock(offset)
				pause(s.alive, 2*time.Second+rand.N(3*time.Second))
			}
		},
	}
}

// findsItsOwn has a node set keys that no source has, and nobody else knows of, and find them in
// Redis: memory has room for one.
func (s *scene) findsItsOwn(node int) {
	name := fmt.Sprint("own", node)
	c := newCache(s.T, tiercache.Config[string, int]{Name: name, Capacity: 1, Redis: s.nodes[node].redis})
	s.wg.Go(func() {
		for i := 0; s.alive.Err() == nil; {
			if err := c.Set(s.alive, strconv.Itoa(i), i); err != nil {
				continue
			}
			pause(s.alive, time.Millisecond+rand.N(20*time.Millisecond))
			earlier := max(0, i-rand.N(4))
			got, err := c.Get(s.alive, strconv.Itoa(earlier))
			if s.alive.Err() == nil && (err != nil || got != earlier) {
				s.w.fault("own", "node %d had set %q at most 80 ms ago, and finds %d, %v", node, strconv.Itoa(earlier), got, err)
			}
			i++
		}
	})
}
