package tiercache

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// subscriber is a cache as the backplane sees it.
type subscriber[K comparable, V any] struct{ c *store[K, V] }

func (s subscriber[K, V]) Notice(n backplane.Notice)   { s.c.onNotice(n) }
func (s subscriber[K, V]) Missed()                     { s.c.onEpoch() }
func (s subscriber[K, V]) Server(t backplane.Takeover) { s.c.onServer(t) }
func (s subscriber[K, V]) Beat(now int64)              { s.c.onBeat(now) }
func (s subscriber[K, V]) Pending() int                { return s.c.pending() }

// onNotice does what another node did.
func (c *store[K, V]) onNotice(n backplane.Notice) {
	defer func() {
		if v := recover(); v != nil { // the codec of keys is the user's
			c.onEpoch()
		}
	}()
	switch n.Kind {
	case backplane.KindClear:
		c.endAll()
	case backplane.KindTag:
		c.endTag(n.Rest)
	case backplane.KindKey, backplane.KindBack, backplane.KindExpire:
		key, err := c.decodeKey(n.Rest)
		if err != nil {
			c.unreadableNotice(err)
			return
		}
		hash := c.memory.Hash(key)
		if n.Kind == backplane.KindBack {
			c.memory.Withdraw(hash, key, n.Own)
			return
		}
		had, gen := c.memory.Remove(hash, key)
		if n.Kind == backplane.KindExpire && had != nil {
			if it := c.expired(had); it != nil {
				c.memory.Settle(hash, key, it, c.cost(key, it), &memory.Claim{Gen: gen})
			}
		}
	case backplane.KindDigest, backplane.KindBeat:
	}
}

// onEpoch: what is in memory must be validated, as notices may have been missed.
func (c *store[K, V]) onEpoch() {
	c.epoch.Add(1)
	c.observe(Event{Kind: EventEpoch})
	c.began()
}

// onServer: another server may lack what Redis had confirmed to this node. That is told again where
// it is known. Where it is not, or where the server was restarted and may have come back with what
// was deleted long ago by nodes that are no more, the cache is ended, once by all nodes together.
func (c *store[K, V]) onServer(t backplane.Takeover) {
	trusted := t.Restarted && c.redis.cfg.TrustSnapshots
	ended := t.Restarted && !trusted || t.Lost
	if !ended {
		forgotten := c.journal.Replay(t.Since)
		ended = forgotten && !trusted
	}
	if !ended {
		return
	}
	c.log.Warn("another server answers in the place of Redis's, and what it lacks is not known: the cache is ended", slog.Bool("restarted", t.Restarted))
	c.endAll()
	n := c.journal.Begin(backplane.KindClear, "", c.memory.Clock.Now())
	c.background(func(ctx context.Context) {
		err := c.remote.Restarted(ctx, n, t.ID)
		c.endAll()
		c.told(n, err)
	})
}

// onBeat: Redis has just answered. What it has yet to hear is told now.
func (c *store[K, V]) onBeat(now int64) {
	c.confirm(c.redis.channel.Settled.Load(), now)
	c.keepTokens(now)
	due := c.journal.Due(now)
	if len(due) == 0 || !c.replaying.CompareAndSwap(false, true) {
		return
	}
	c.background(func(ctx context.Context) {
		defer c.replaying.Store(false)
		began := time.Now()
		if told := c.replay(ctx, due); told > 0 {
			c.observe(Event{Kind: EventReplay, Took: time.Since(began), Keys: told})
		}
	})
}

// replay tells Redis what is due, batch by batch, and returns how much it took. It leaves as much
// time between batches as they take, for the writes that go on. What those have settled meanwhile
// is left out: their values would be ended.
func (c *store[K, V]) replay(ctx context.Context, due []backplane.Notice) (told int) {
	for _, deed := range []struct {
		kind backplane.Kind
		own  bool
	}{{backplane.KindKey, false}, {backplane.KindKey, true}, {backplane.KindExpire, false}, {backplane.KindTag, false}, {backplane.KindClear, false}} {
		some := slices.DeleteFunc(slices.Clone(due), func(n backplane.Notice) bool { return n.Kind != deed.kind || n.Own != 0 != deed.own })
		for batch := range slices.Chunk(some, redistier.BatchKeys) {
			if batch = c.journal.Undone(batch, c.memory.Clock.Now()); len(batch) == 0 {
				continue
			}
			began, before := time.Now(), told
			for _, err := range c.tell(ctx, batch) {
				if err == nil {
					told++
				}
			}
			if told == before {
				return told // the next heartbeat that is answered tries again
			}
			if deed.kind == backplane.KindClear {
				c.tokens.endAll() // records with the token of before are dead
			}
			if len(some) > redistier.BatchKeys {
				rest(ctx, time.Since(began))
			}
		}
	}
	return told
}

// rest waits for a while, or for the end of ctx.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// tell says notices of one kind to Redis, all of them about own records or none, and enters in the
// journal what became of them.
func (c *store[K, V]) tell(ctx context.Context, notices []backplane.Notice) []error {
	errs, whole := c.remote.Invalidate(ctx, notices)
	if whole != nil {
		c.redisFailed(whole, len(notices))
		errs = make([]error, len(notices))
	}
	for i, n := range notices {
		if whole != nil {
			errs[i] = whole
		}
		c.told(n, errs[i])
	}
	return errs
}

// told enters in the journal what became of an invalidation. Late it does no harm.
func (c *store[K, V]) told(n backplane.Notice, err error) {
	if err == nil {
		c.journal.Confirm(n)
	} else {
		c.journal.Fail(n, 0)
	}
}

func (c *store[K, V]) pending() int { return c.journal.Waiting() }
