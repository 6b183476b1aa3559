package tiercache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
)

// Networks and machines do to four nodes, one at a time, what they do: cuts, freezes, silence, and
// one notice in a hundred lost. A naive cache-aside beside them shows that the checker bites.
func fleetWeather() soakMode {
	return soakMode{
		name: "fleet", brief: 12 * time.Second,
		node:    nodeConfig{refreshAt: 0.001},
		traffic: traffic{readers: 3, reads: 60, every: 30 * time.Millisecond, kinds: allKinds, clear: 100},
		open:    openFleet,
		enough: func(s *scene) error {
			if n, broken := s.w.reads.Load(), s.bad.broken.Load(); n < 60_000 || broken < 100 {
				return fmt.Errorf("only %d reads, and %d violations by the naive cache", n, broken)
			}
			return nil
		},
	}
}

func openFleet(s *scene) bout {
	server := redistest.Start(s)
	s.bad = newWorld(s.T, worldConfig{})
	var links []*redistest.Link
	lossy1 := func(conn net.Conn) net.Conn {
		return &lossy{Conn: conn, pass: func(raw []byte, text string) []byte {
			if isNotice(text) && rand.N(100) == 0 {
				return nil
			}
			return raw
		}}
	}
	for i := range 4 {
		link := redistest.Proxy(s, server.Addr())
		links = append(links, link)
		cfg := s.node
		cfg.capacity = []int64{1000, 48}[i%2] // some evict
		s.warming(s.addNode(redis.NewClient(plain(link.Addr(), wrapped(s.dialer(dialDirect), lossy1))), cfg), 3*time.Second)
		simple := newClient(s.T, func(o *redis.Options) {
			o.Addr, o.ReadTimeout, o.ContextTimeoutEnabled, o.MaxRetries = link.Addr(), 100*time.Millisecond, true, -1
		})
		traffic{readers: 1, reads: 10, every: 30 * time.Millisecond, kinds: allKinds}.run(s.alive, s.bad, i, &naive{client: simple, world: s.bad, local: make(map[int]naiveEntry)}, &s.wg)
	}
	return func(n int) {
		pause(s.alive, 300*time.Millisecond+rand.N(400*time.Millisecond))
		link := links[rand.N(len(links))]
		switch {
		case n%11 == 4: // silent, for long enough to be noticed
			link.Silence(redistest.Down)
			pause(s.alive, 2500*time.Millisecond)
			link.Restore()
		case n%5 == 2:
			server.Stop()
			pause(s.alive, 50*time.Millisecond+rand.N(550*time.Millisecond))
			server.Cont()
		default:
			link.Cut()
		}
	}
}

// One node after the other loses its channel, and nothing else: its subscription cannot be made
// anew, its commands go on.
func deafWeather() soakMode {
	return soakMode{
		name: "deaf", brief: 6 * time.Second,
		world: worldConfig{keys: 240},
		node:  nodeConfig{capacity: 24}, // most reads go to Redis
		// What others have stored with the present tokens would tell the deaf node: they store
		// little.
		traffic: traffic{
			readers: 2, reads: 10, every: 60 * time.Millisecond, apart: 3, kinds: []string{"Delete", "Delete", "Expire"},
		},
		open: func(s *scene) bout {
			openThree(s)
			return func(n int) {
				e := s.ears[n%len(s.ears)]
				e.stop()
				pause(s.alive, rand.N(time.Second))
				node, kind, key := (n+1)%len(s.nodes), []string{"Clear", "InvalidateTags"}[n%2], rand.N(240)
				s.w.change(key, node, kind, func(version int) error { return s.nodes[node].end(s.alive, kind, key, version) })
				pause(s.alive, 3*time.Second+rand.N(time.Second))
				e.open()
				pause(s.alive, rand.N(time.Second))
			}
		},
	}
}

// One node ends a thousand tags a second that no value of the others has. A value with a tag of
// its own keeps 99 % of its hits, and a warm run loses nothing.
func tagWeather() soakMode {
	var loads atomic.Int64 // of the quiet keys
	return soakMode{
		name: "tags", brief: 5 * time.Second,
		world:   worldConfig{patience: time.Second},
		traffic: traffic{readers: 2, reads: 5, every: 60 * time.Millisecond, kinds: []string{"Set", "Delete", "Expire"}},
		node:    nodeConfig{other: func(string) { loads.Add(1) }},
		open: func(s *scene) bout {
			loads.Store(0)
			openThree(s)
			return func(n int) {
				stormy, calm := context.WithCancel(s.alive)
				defer calm()
				var ended atomic.Int64
				s.wg.Go(func() { s.tagStorm(stormy, n, &ended) })
				began := time.Now()
				reads, before := s.quietReads(s.alive, n, 3*time.Second), loads.Load()
				lost := before - int64(quietKeys)*int64(n+1)
				if stalls := s.w.late.Since(began); stalls > time.Second { // then Redis is left out now and then
					s.Logf("no verdict about tags in this bout: the machine stood still for %v of %v", stalls, time.Since(began))
					return
				}
				if lost*100 > reads {
					s.w.fault("tags", "beside %d unrelated tags ended, %d of %d reads of keys whose tags stand became loads, want at most 1 %%", ended.Load(), lost, reads)
				}
				res, err := s.nodes[1].Warm(s.alive, "quiet")
				// Now and then an entry shares its generation with a key that is written.
				if s.alive.Err() == nil && (err != nil || res[0].Refused*100 > res[0].Emitted) {
					s.w.fault("tags", "a warm run of keys whose tags stand, beside %d unrelated tags ended: %+v, %v", ended.Load(), res, err)
				}
			}
		},
	}
}

const quietKeys = 16

// tagStorm ends tags from the first node, some 1,000 a second, until ctx ends.
func (s *scene) tagStorm(ctx context.Context, n int, ended *atomic.Int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		for range 10 {
			_ = s.nodes[0].InvalidateTags(ctx, fmt.Sprint("unrelated", n, ".", ended.Add(1))) // it ends the tag here, at least
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// quietReads has the second node read keys that nobody changes, new ones in each bout.
func (s *scene) quietReads(ctx context.Context, n int, long time.Duration) (reads int64) {
	for began := time.Now(); time.Since(began) < long && ctx.Err() == nil; reads++ {
		key := fmt.Sprint("quiet", n, ".", reads%quietKeys)
		if _, err := s.nodes[1].Get(ctx, key); err != nil && ctx.Err() == nil {
			s.w.fault("read", "Get(%q): %v", key, err)
		}
		pause(ctx, time.Millisecond)
	}
	return reads
}

// openThree starts a server with three nodes.
func openThree(s *scene) {
	server := redistest.Start(s)
	for range 3 {
		s.addNode(redis.NewClient(plain(server.Addr(), s.dialer(dialDirect))), s.node)
	}
}

func newClient(t redistest.TB, change func(*redis.Options)) *redis.Client {
	o := new(redis.Options)
	change(o)
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() }) //nolint:errcheck // it is given up
	return client
}
