package tiercache_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// A node writes 20,000 keys a second, also while Redis is frozen, until far more than 10,000
// invalidations are pending. Two seconds after Redis is back each write reaches it again, at the
// same load, and what other nodes read costs their source at most one load a key.
func pendingWeather() soakMode {
	var loads atomic.Int64 // of the quiet keys
	return soakMode{
		name: "pending", brief: time.Second, // one bout
		traffic: traffic{readers: 1, reads: 5, every: 100 * time.Millisecond, kinds: []string{"Set", "Delete", "Expire"}},
		node:    nodeConfig{patience: time.Second, other: func(string) { loads.Add(1) }}, // large batches, on busy machines
		open: func(s *scene) bout {
			server := redistest.Start(s)
			for range 2 {
				s.addNode(redis.NewClient(plain(server.Addr(), s.dialer(dialDirect))), s.node)
			}
			f := &flood{scene: s, rate: 20_000}
			for i := range floodWriters {
				s.wg.Go(func() { f.write(i) })
			}
			return func(_ int) {
				s.quietReads(s.alive, 0, 500*time.Millisecond) // they are in memory
				f.settleRate(s.alive)
				f.freeze(server, 12_000)
				thawed := time.Now()
				s.quietReads(s.alive, 0, time.Second)
				before := loads.Load()
				s.quietReads(s.alive, 0, time.Second)
				late := s.w.late.Since(thawed)
				pause(s.alive, late) // a busy machine needs longer for what lies in its sockets
				good, bad, then := f.good.Load(), f.bad.Load(), time.Now()
				s.quietReads(s.alive, 0, 3*time.Second)
				good, bad = f.good.Load()-good, f.bad.Load()-bad
				few := int64(0)
				if s.w.late.Since(then) > 300*time.Millisecond { // the machine's fault, where it is few
					few = good / 4
				}
				if s.alive.Err() == nil && (bad > few || good == 0) {
					s.w.fault("storm", "from %v to %v after Redis was back, at %d keys/s: %d SetMany reached Redis, %d did not; %+v",
						2*time.Second+late, 5*time.Second+late, f.rate, good, bad, s.nodes[0].redis.Health())
				}
				if n := loads.Load() - before; n > quietKeys {
					s.w.fault("storm", "after Redis was back another node loaded %d quiet keys %d times, want at most once each", quietKeys, n)
				}
			}
		},
	}
}

const (
	floodWriters = 4
	floodBatch   = 100
)

// flood is the writers of one node.
type flood struct {
	*scene
	rate      int64 // keys a second, changed only between bouts
	good, bad atomic.Int64
	pauses    atomic.Int64 // between two batches of one writer, in ns; 0 at first: nothing is written
}

func (f *flood) write(writer int) {
	for n := 0; f.alive.Err() == nil; n++ {
		began, every := time.Now(), time.Duration(f.pauses.Load())
		if every == 0 {
			pause(f.alive, 10*time.Millisecond)
			continue
		}
		batch := make(map[string]int, floodBatch)
		for i := range floodBatch {
			batch[fmt.Sprint("flood", writer, ".", n%1000, ".", i)] = 1
		}
		if err := f.nodes[0].SetMany(f.alive, batch); err == nil {
			f.good.Add(1)
		} else {
			f.bad.Add(1)
		}
		pause(f.alive, every-time.Since(began))
	}
}

// settleRate finds the rate that this machine keeps up in fair weather, at most the one wanted.
func (f *flood) settleRate(ctx context.Context) {
	for ctx.Err() == nil {
		f.pauses.Store(int64(floodWriters * floodBatch * time.Second / time.Duration(f.rate)))
		pause(ctx, 200*time.Millisecond)
		good, bad := f.good.Load(), f.bad.Load()
		pause(ctx, time.Second)
		good, bad = f.good.Load()-good, f.bad.Load()-bad
		if done := good * floodBatch; bad == 0 && done > f.rate/2 {
			f.Logf("%d keys/s wanted, %d reached Redis in a second", f.rate, done)
			return
		}
		if f.rate /= 2; f.rate < 100 {
			f.Fatalf("in fair weather %d SetMany reached Redis in a second, and %d did not", good, bad)
		}
	}
}

// freeze stops the server for 3 s, or longer until so much is pending or what was has been given
// up.
func (f *flood) freeze(server *redistest.Server, pending int) {
	server.Stop()
	began, most := time.Now(), 0
	redistest.Eventually(f.T, 20*time.Second, func() error {
		h := f.nodes[0].redis.Health()
		most = max(most, h.Pending)
		if long := time.Since(began); long < 3*time.Second || most < pending && long < 15*time.Second && !gaveUp(h, most) {
			return fmt.Errorf("after %v %d are pending", long, h.Pending)
		}
		return nil
	})
	server.Cont()
	f.Logf("frozen for %v, at most %d pending", time.Since(began).Round(time.Millisecond), most)
}

// gaveUp reports whether what was pending has been replaced by less: it was too much.
func gaveUp(h tiercache.Health, most int) bool { return most > 5_000 && h.Pending < most/2 }
