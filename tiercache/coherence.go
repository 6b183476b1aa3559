package tiercache

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// fresh reports whether the item may be served as it is: its time is not over, nothing has ended
// it, and it is trusted.
func (c *Cache[K, V]) fresh(it *item[V], now int64) bool {
	return now < it.fresh && it.epoch == c.epoch.Load() && c.tokens.stand(it.tags) && c.trusts(it.filled, now)
}

// trusts is the one rule for what is remembered of Redis, entries and tokens alike: it is trusted
// as long as notices are heard, and else for DegradedTTL from when it was read.
func (c *Cache[K, V]) trusts(read, now int64) bool {
	return c.redis == nil || now < c.redis.channel.trust.Load() || now-read < int64(c.cfg.DegradedTTL)
}

// currentTokens is tokens.get under the rule of trust. While notices are not heard a token is read
// anew each time: an entry that it validates is trusted for DegradedTTL from then on, which must
// not add up.
func (c *Cache[K, V]) currentTokens(ctx context.Context, epoch uint64, names []string, from tokenSource) (map[string]string, error) {
	if !c.redis.channel.coherent() {
		from = fromRedis
	}
	return c.tokens.get(ctx, c.remote, epoch, names, from)
}

// servable reports whether the item may be served stale. Of what was ended by Clear or a tag that
// is never so; of what only must be validated, it is.
func (c *Cache[K, V]) servable(it *item[V], now int64) bool {
	return it != nil && !it.absent && it.late > 0 && now < it.dead && it.epoch > c.floor.Load() && c.tokens.stand(it.tags)
}

// bury ends what this process has of a key, stale copies too, where Redis says by a hold that it
// was invalidated later than that was read: the notice may not have been heard.
func (c *Cache[K, V]) bury(f *flight[K, V], at int64) {
	if at == 0 || at <= f.buried.Load() {
		return
	}
	f.buried.Store(at)
	if stale := f.stale.Load(); stale != nil && f.isBuried(stale) {
		f.stale.Store(nil)
	}
	c.memory.drop(f.hash, f.key, &item[V]{read: at - 1}, f.gen)
}

// sight is the state of the cache before a look at Redis or at the source. What is found behind it
// is valid as of then.
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
		it.tags.count.Store(s.count)
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

// endTag ends the entries in this process that have the tag.
func (c *Cache[K, V]) endTag(tag string) {
	c.tokens.forgetTag(tag)
	if !c.tokens.end(tag) {
		return
	}
	c.background(func(context.Context) {
		c.tokens.forget(func() {
			for i := range c.memory.shards {
				for _, it := range c.memory.shards[i].table.Load().all {
					c.tokens.stand(it.tags)
				}
			}
		})
	})
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
		c.endTag(n.rest)
	case noticeKey, noticeBack, noticeExpire:
		if n.kind == noticeBack {
			c.backElsewhere.Add(1)
		}
		key, err := c.decodeKey(n.rest)
		if err != nil {
			c.unreadableNotice(err)
			return
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

// onServer: another server may lack what Redis had confirmed to this node. That is told again where
// it is known. Where it is not, or where the server was restarted and may have come back with what
// was deleted long ago by nodes that are no more, the cache is ended, once by all nodes together.
func (c *Cache[K, V]) onServer(t takeover) {
	trusted := t.restarted && c.redis.cfg.TrustSnapshots
	ended := t.restarted && !trusted || t.lost
	if !ended {
		forgotten := c.journal.replay(t.since)
		ended = forgotten && !trusted
	}
	if !ended {
		return
	}
	c.log.Warn("another server answers in the place of Redis's, and what it lacks is not known: the cache is ended", slog.Bool("restarted", t.restarted))
	c.endAll()
	n := c.journal.begin(noticeClear, "", c.memory.clock.Now())
	c.background(func(ctx context.Context) {
		err := c.remote.restarted(ctx, n, t.id)
		c.endAll()
		c.told(n, err)
	})
}

// onBeat: Redis has just answered. What it has yet to hear is told now.
func (c *Cache[K, V]) onBeat(now int64) {
	c.confirm(c.redis.channel.settled.Load(), now)
	c.keepTokens(now)
	due := c.journal.due(now)
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
func (c *Cache[K, V]) replay(ctx context.Context, due []notice) (told int) {
	for _, deed := range []struct {
		kind noticeKind
		own  bool
	}{{noticeKey, false}, {noticeKey, true}, {noticeExpire, false}, {noticeTag, false}, {noticeClear, false}} {
		some := slices.DeleteFunc(slices.Clone(due), func(n notice) bool { return n.kind != deed.kind || n.own != 0 != deed.own })
		for batch := range slices.Chunk(some, batchKeys) {
			if batch = c.journal.undone(batch, c.memory.clock.Now()); len(batch) == 0 {
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
			if deed.kind == noticeClear {
				c.tokens.endAll() // records with the token of before are dead
			}
			if len(some) > batchKeys {
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
func (c *Cache[K, V]) tell(ctx context.Context, notices []notice) []error {
	errs, whole := c.remote.invalidate(ctx, notices)
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
func (c *Cache[K, V]) told(n notice, err error) {
	if err == nil {
		c.journal.confirm(n)
	} else {
		c.journal.fail(n, 0)
	}
}

func (c *Cache[K, V]) pending() int { return c.journal.waiting() }

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

// validate takes out of what was found in Redis what is not to be believed: what this node has
// invalidated since its source was read, and what was ended by Clear or by a tag. asked is when the
// look-up began.
func (c *Cache[K, V]) validate(ctx context.Context, texts []string, all []found, s sight, asked int64) error {
	c.disbelieveOutdated(ctx, texts, all, asked)
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
	current, err := c.currentTokens(ctx, s.epoch, names, from)
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

// current reports whether a record's tokens are: the cache's own, which comes first, and its tags'.
func (c *Cache[K, V]) current(f *found, current map[string]string) bool {
	own := true
	for token, tag := range eachToken(f.record.Tokens) {
		name := clearToken
		if !own {
			name = tagToken(tag)
		}
		if token == "" || token != current[name] || own && tag != "" || !own && c.journal.tagBypass(tag) {
			return false
		}
		own = false
	}
	return !own
}

// tags of a record, as they stand in it.
func (f *found) tags() (tags []string) {
	_, others, _ := strings.Cut(f.record.Tokens, "\n") // the first is the cache's own
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

// errEmptyTag refuses a tag that is the empty string: in Redis that is where the mark stands.
var errEmptyTag = errors.New("the empty string is no tag")

// loadTokens names the tokens that a load must have seen before it asks the source.
func (c *Cache[K, V]) loadTokens() []string {
	if c.cfg.Tags == nil {
		return clearAlone
	}
	return clearAndMark
}
