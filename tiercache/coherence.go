package tiercache

import (
	"context"
	"errors"
	"slices"

	"github.com/warmcache/warmcache/tiercache/internal/memory"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// fresh reports whether the item may be served as it is: its time is not over, nothing has ended
// it, and it is trusted.
func (c *store[K, V]) fresh(it *memory.Item[V], now int64) bool {
	return now < it.Fresh && it.Epoch == c.epoch.Load() && c.tokens.stand(it.Tags) && c.trusts(it.Filled, now)
}

// trusts is the one rule for what is remembered of Redis, entries and tokens alike: it is trusted
// as long as notices are heard, and else for DegradedTTL from when it was read.
func (c *store[K, V]) trusts(read, now int64) bool {
	return c.redis == nil || now < c.redis.channel.Trust.Load() || now-read < int64(c.cfg.DegradedTTL)
}

// currentTokens is tokens.get under the rule of trust. While notices are not heard a token is read
// anew each time: an entry that it validates is trusted for DegradedTTL from then on, which must
// not add up.
func (c *store[K, V]) currentTokens(ctx context.Context, epoch uint64, names []string, from tokenSource) (map[string]string, error) {
	if !c.redis.channel.Coherent() {
		from = fromRedis
	}
	return c.tokens.get(ctx, c.remote, epoch, names, from)
}

// servable reports whether the item may be served stale. Of what was ended by Clear or a tag that
// is never so; of what only must be validated, it is.
func (c *store[K, V]) servable(it *memory.Item[V], now int64) bool {
	return it != nil && !it.Absent && it.Late > 0 && now < it.Dead && !c.ended(it)
}

// bury ends what this process has of a key, stale copies too, where Redis says by a hold that it
// was invalidated later than that was read: the notice may not have been heard.
func (c *loads[K, V]) bury(f *flight[K, V], at int64) {
	if at == 0 || at <= f.buried.Load() {
		return
	}
	f.buried.Store(at)
	if stale := f.stale.Load(); stale != nil && f.isBuried(stale) {
		f.stale.Store(nil)
	}
	c.memory.Drop(f.hash, f.key, &memory.Item[V]{Read: at - 1}, f.gen)
}

// snapshot is the state of the cache now.
func (c *store[K, V]) snapshot() memory.Snapshot {
	return memory.Snapshot{Epoch: c.epoch.Load(), Count: c.tokens.count.Load()}
}

// endAll ends all entries in this process.
func (c *store[K, V]) endAll() {
	c.tokens.endAll()
	ended := c.epoch.Add(1) - 1
	for {
		floor := c.floor.Load()
		if floor >= ended || c.floor.CompareAndSwap(floor, ended) {
			break
		}
	}
	c.memory.Purge()
}

// ended reports whether Clear or a tag has ended the item, so that nobody is ever served it.
func (c *store[K, V]) ended(it *memory.Item[V]) bool {
	return it.Epoch <= c.floor.Load() || !c.tokens.stand(it.Tags)
}

// endTag ends the entries in this process that have the tag.
func (c *store[K, V]) endTag(tag string) {
	c.tokens.forgetTag(tag)
	full := c.tokens.end(tag)
	c.memory.Purge()
	if !full {
		return
	}
	c.background(func(context.Context) {
		c.tokens.forget(func() {
			for _, it := range c.memory.All {
				c.tokens.stand(it.Tags)
			}
		})
	})
}

// background runs fn in a goroutine for which Close waits, and whose context it ends.
func (c *store[K, V]) background(fn func(context.Context)) {
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
func (c *store[K, V]) validate(ctx context.Context, texts []string, all []redistier.Found, s memory.Snapshot, asked int64) error {
	c.disbelieveOutdated(ctx, texts, all, asked)
	doubtful, err := c.doubtful(ctx, all, s, known)
	if err == nil && len(doubtful) > 0 { // what is known may be what is out of date
		doubtful, err = c.doubtful(ctx, all, s, fromRedis)
	}
	for _, f := range doubtful {
		f.Disbelieve()
	}
	return err
}

// doubtful lists the records of which a token is not the current one.
func (c *store[K, V]) doubtful(ctx context.Context, all []redistier.Found, s memory.Snapshot, from tokenSource) ([]*redistier.Found, error) {
	names := redistier.ClearAlone
	some := false
	for i := range all {
		if all[i].Ok {
			some = true
			for _, tag := range all[i].Tags() {
				names = append(names, redistier.TagToken(tag))
			}
		}
	}
	if !some {
		return nil, nil
	}
	current, err := c.currentTokens(ctx, s.Epoch, names, from)
	if err != nil {
		return nil, err
	}
	var doubtful []*redistier.Found
	for i := range all {
		if f := &all[i]; f.Ok && !c.current(f, current) {
			doubtful = append(doubtful, f)
		}
	}
	return doubtful, nil
}

// current reports whether a record's tokens are: the cache's own, which comes first, and its tags'.
func (c *store[K, V]) current(f *redistier.Found, current map[string]string) bool {
	own := true
	for token, tag := range redistier.EachToken(f.Record.Tokens) {
		name := redistier.ClearToken
		if !own {
			name = redistier.TagToken(tag)
		}
		if token == "" || token != current[name] || own && tag != "" || !own && c.journal.TagBypass(tag) {
			return false
		}
		own = false
	}
	return !own
}

// tagsOf is the tags of a value, as they stand in Redis, sorted and once each.
func (c *values[K, V]) tagsOf(key K, value V, more []string) []string {
	tags := slices.Clone(more)
	if c.cfg.Tags != nil {
		tags = append(tags, c.cfg.Tags(key, value)...)
	}
	for i := range tags {
		tags[i] = redistier.Canonical(tags[i])
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// errEmptyTag refuses a tag that is the empty string: in Redis that is where the mark stands.
var errEmptyTag = errors.New("the empty string is no tag")

// loadTokens names the tokens that a load must have seen before it asks the source.
func (c *loads[K, V]) loadTokens() []string {
	if c.cfg.Tags == nil {
		return redistier.ClearAlone
	}
	return redistier.ClearAndMark
}
