package tiercache

import (
	"context"
	"slices"
	"strings"
	"time"
)

// fresh says whether the item may be served as it is: its time is not over, nothing has ended it, and this process hears of what others end. Where it does
// not, memory is trusted for DegradedTTL.
func (c *Cache[K, V]) fresh(it *item[V], now int64) bool {
	if now >= it.fresh || it.epoch != c.epoch.Load() || !c.tokens.stand(it.tags) {
		return false
	}
	return c.redis == nil || now < c.redis.channel.trust.Load() || now < it.filled+int64(c.cfg.DegradedTTL)
}

// servable says whether the item may be served stale. Of what was ended by Clear or a tag that is never so; of what only must be validated, it is.
func (c *Cache[K, V]) servable(it *item[V], now int64) bool {
	return it != nil && !it.absent && c.cfg.StaleFor > 0 && now < it.dead && it.epoch > c.floor.Load() && c.tokens.stand(it.tags)
}

// sight is the state of the cache before a look at Redis or at the source. What is found behind it is valid as of then.
type sight struct {
	epoch uint64
	count uint64 // of tag invalidations
}

func (c *Cache[K, V]) sight() sight {
	return sight{epoch: c.epoch.Load(), count: c.tokens.count.Load()}
}

// stamp notes on an item, before anybody else sees it, the sight behind which it was found.
func (it *item[V]) stamp(s sight) *item[V] {
	it.epoch = s.epoch
	if it.tags != nil {
		it.tags.count = s.count
	}
	return it
}

// endAll ends all entries in this process.
func (c *Cache[K, V]) endAll() {
	c.tokens.endAll()
	ended := c.epoch.Add(1) - 1
	for {
		floor := c.floor.Load()
		if floor >= ended || c.floor.CompareAndSwap(floor, ended) {
			return
		}
	}
}

// onNotice does what another node did.
func (c *Cache[K, V]) onNotice(n notice) {
	defer func() {
		if v := recover(); v != nil { // the codec of keys is the user's
			c.onEpoch()
		}
	}()
	switch n.kind {
	case noticeClear:
		c.endAll()
	case noticeTag:
		c.tokens.endTag(n.rest)
	case noticeKey, noticeExpire:
		key, err := c.cfg.Keys.DecodeKey(n.rest)
		if err != nil {
			return // no key of ours
		}
		hash := c.memory.hash(key)
		had, gen := c.memory.remove(hash, key)
		if n.kind == noticeExpire && had != nil {
			if it := c.expired(had); it != nil {
				c.memory.settle(hash, key, it, c.cost(key, it), &claim{gen: gen})
			}
		}
	case noticeDigest, noticeBeat:
	}
}

// onEpoch: what is in memory must be validated, as notices may have been missed.
func (c *Cache[K, V]) onEpoch() {
	c.epoch.Add(1)
	c.observe(Event{Kind: EventEpoch})
	c.revalidate()
}

// onServer: another server may not have heard what was said to the one before it in the last minute. One that was restarted may have come back with what was deleted
// long ago, by nodes that are no more.
func (c *Cache[K, V]) onServer(runID string, restarted bool) {
	now := c.memory.clock.now()
	forgotten := c.ledger.again(now)
	switch {
	case restarted && !c.redis.cfg.TrustSnapshots:
		c.endAll()
		n := c.ledger.begin(noticeClear, c.name, "", now, c.redis.channel.next)
		c.background(func(ctx context.Context) {
			err := c.remote.restarted(ctx, n, runID)
			c.endAll()
			c.ledger.done(n, err == nil, c.memory.clock.now())
		})
	case forgotten:
		c.endAll()
		c.ledger.pend(noticeClear, c.name, "", now, c.redis.channel.next)
	}
}

// onBeat: Redis has just answered. What it has yet to hear is said now.
func (c *Cache[K, V]) onBeat(now int64) {
	c.confirm(c.redis.channel.settled.Load(), now)
	due := c.ledger.due(now)
	if len(due) == 0 || !c.replaying.CompareAndSwap(false, true) {
		return
	}
	c.background(func(ctx context.Context) {
		defer c.replaying.Store(false)
		began, said := time.Now(), 0
		for _, deed := range []struct {
			kind noticeKind
			own  bool
		}{{noticeKey, false}, {noticeKey, true}, {noticeExpire, false}, {noticeTag, false}, {noticeClear, false}} {
			some := slices.DeleteFunc(slices.Clone(due), func(n notice) bool { return n.kind != deed.kind || n.own != 0 != deed.own })
			for batch := range slices.Chunk(some, batchKeys) {
				for _, err := range c.tell(ctx, batch) {
					if err == nil {
						said++
					}
				}
			}
		}
		if said > 0 {
			c.observe(Event{Kind: EventReplay, Took: time.Since(began), Keys: said})
		}
	})
}

// tell says notices of one kind to Redis, all of them about own records or none, and enters in the ledger what became of them.
func (c *Cache[K, V]) tell(ctx context.Context, notices []notice) []error {
	errs, whole := c.remote.invalidate(ctx, notices)
	if whole != nil {
		c.redisFailed(whole, len(notices))
		errs = make([]error, len(notices))
	}
	now := c.memory.clock.now()
	for i, n := range notices {
		if whole != nil {
			errs[i] = whole
		}
		c.ledger.done(n, errs[i] == nil, now)
	}
	return errs
}

func (c *Cache[K, V]) pending() int { return c.ledger.pending() }

// background runs fn in a goroutine for which Close waits, and whose context it ends.
func (c *Cache[K, V]) background(fn func(context.Context)) {
	if !c.tasks.enter() {
		return
	}
	go func() {
		defer c.tasks.leave()
		fn(c.stopped)
	}()
}

// validate takes out of what was found in Redis what is not to be believed: what this node has invalidated since its source was read, and what was
// ended by Clear or by a tag. The moment of a source read is known from Redis to within the round trip and a millisecond or two: the latest that it can be counts, as
// what was stored right after an invalidation would else be a miss to this node for as long as it remembers it.
func (c *Cache[K, V]) validate(ctx context.Context, texts []string, all []found, s sight) error {
	const slack = int64(2 * time.Millisecond)
	now := c.memory.clock.now()
	for i := range all {
		if f := &all[i]; f.ok && c.ledger.outdated(texts[i], f.tags(), now-int64(f.age())+slack) {
			f.disbelieve()
		}
	}
	doubtful, err := c.doubtful(ctx, all, s, known)
	if err == nil && len(doubtful) > 0 { // what is known may be what is out of date
		doubtful, err = c.doubtful(ctx, all, s, fromRedis)
	}
	for _, f := range doubtful {
		f.disbelieve()
	}
	return err
}

// doubtful lists the records of which a token is not the current one.
func (c *Cache[K, V]) doubtful(ctx context.Context, all []found, s sight, from tokenSource) ([]*found, error) {
	names := clearAlone
	some := false
	for i := range all {
		if all[i].ok {
			some = true
			for _, tag := range all[i].tags() {
				names = append(names, tagToken(tag))
			}
		}
	}
	if !some {
		return nil, nil
	}
	current, err := c.tokens.get(ctx, c.remote, s.epoch, names, from)
	if err != nil {
		return nil, err
	}
	var doubtful []*found
	for i := range all {
		if f := &all[i]; f.ok && !c.current(f, current) {
			doubtful = append(doubtful, f)
		}
	}
	return doubtful, nil
}

// current says whether a record's tokens are: the cache's own, which comes first, and its tags'.
func (c *Cache[K, V]) current(f *found, current map[string]string) bool {
	own := true
	for token, tag := range eachToken(f.record.tokens) {
		name := clearToken
		if !own {
			name = tagToken(tag)
		}
		if token == "" || token != current[name] || own && tag != "" || !own && c.ledger.tagBypass(tag) {
			return false
		}
		own = false
	}
	return !own
}

// tags of a record, as they stand in it.
func (f *found) tags() (tags []string) {
	_, others, _ := strings.Cut(f.record.tokens, "\n") // the first is the cache's own
	if others == "" {
		return nil // as nearly always
	}
	for _, tag := range eachToken(others) {
		tags = append(tags, tag)
	}
	return tags
}

// tagsOf is the tags of a value, as they stand in Redis, sorted and once each.
func (c *Cache[K, V]) tagsOf(key K, value V, more []string) []string {
	tags := slices.Clone(more)
	if c.cfg.Tags != nil {
		tags = append(tags, c.cfg.Tags(key, value)...)
	}
	for i := range tags {
		tags[i] = canonical(tags[i])
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// loadTokens names the tokens that a load must have seen before it asks the source.
func (c *Cache[K, V]) loadTokens() []string {
	if c.cfg.Tags == nil {
		return clearAlone
	}
	return clearAndMark
}
