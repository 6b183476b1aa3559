package tiercache

import (
	"slices"
	"sync"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// renewals keeps the leases of the loads under way. While there are any, one timer goes off every
// third of a lease's life, and those that have been under way for half as long are renewed: so none
// gets older than half its life, and the many loads that are over before cost no timer.
type renewals struct {
	mu    sync.Mutex
	all   map[*renewal]struct{}
	timed bool // the timer is set
}

// renewal is the leases of one load, under its token.
type renewal struct {
	of    *renewals
	token string
	keys  []string
	since time.Time
}

// begin keeps the leases until the renewal is ended. due is called when the timer goes off.
func (rs *renewals) begin(r *renewal, every time.Duration, due func()) *renewal {
	r.of, r.since = rs, time.Now()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.all == nil {
		rs.all = make(map[*renewal]struct{})
	}
	rs.all[r] = struct{}{}
	if !rs.timed {
		rs.timed = true
		time.AfterFunc(every, due)
	}
	return r
}

// end lets the leases be. The nil renewal is none.
func (r *renewal) end() {
	if r == nil {
		return
	}
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	delete(r.of.all, r)
}

// due lists what has been under way for that long. Where nothing is under way the timer ends.
func (rs *renewals) due(since time.Duration) (all []redistier.Claimed, more bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for r := range rs.all {
		if time.Since(r.since) >= since {
			for _, key := range r.keys {
				all = append(all, redistier.Claimed{Text: key, Token: r.token})
			}
		}
	}
	rs.timed = len(rs.all) > 0
	return all, rs.timed
}

// renewing keeps the leases of a load until the renewal is ended.
func (l *loading[K, V]) renewing(keys []string) *renewal {
	c := l.c
	return c.renewals.begin(&renewal{token: l.token, keys: keys}, c.renewEvery(), c.renew)
}

func (c *loads[K, V]) renewEvery() time.Duration { return c.redis.cfg.LeaseLife / 3 }

// renew renews what is due, and comes again while there is more.
func (c *loads[K, V]) renew() {
	if !c.tasks.enter() {
		return
	}
	defer c.tasks.leave()
	due, more := c.renewals.due(c.renewEvery() / 2)
	for batch := range slices.Chunk(due, redistier.BatchKeys) {
		_ = c.remote.Renew(c.stopped, batch) // a lease that could not be renewed ends, and the commit says so
	}
	if more {
		time.AfterFunc(c.renewEvery(), c.renew)
	}
}
