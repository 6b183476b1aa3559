package tiercache

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// Clear and tags work by tokens in Redis. A record holds those of when its source read began, and
// is valid while all of them are the current ones.
//
// The cache's own token is random. Clear deletes it, which also works on a full Redis, and a token
// that is gone for any reason is made anew, with which older entries end too.
//
// The tags of a cache are one hash. Its empty field, the mark, holds "R.N": R is random and made
// with the hash, N counts the tags that were ended since. The token of a tag that was ended is
// "R.N.random" of then, and that of any other is "R.0". So a tag that nobody has ended needs no
// room; and as all of it is one key, no part of it can be lost alone: a hash that is gone for any
// reason is made anew with another R, with which all older entries that have tags end.
//
// A tag that comes from the value is known only after the load. So a load reads the mark before it
// begins, and reads mark and tags in one step when it is over: its value is stored if R is the same
// and none of its own tags was ended at an N beyond that of before.
type tokens struct {
	mu      sync.Mutex
	version uint64            // moved by whatever ends a token: what was asked for before is not entered after
	epoch   uint64            // in which known was read
	known   map[string]string // by name: "" is the cache's, "#tag" a tag's
	alone   map[string]string // of known, the cache's; a new map with each new token

	endings
}

// mostTokens bounds what is known; it is read again when it is wanted.
const mostTokens = 100_000

// forgetTag forgets a tag's token.
func (t *tokens) forgetTag(tag string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	delete(t.known, redistier.TagToken(tag))
}

// endAll forgets the cache's token.
func (t *tokens) endAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	delete(t.known, redistier.ClearToken)
}

// tokenSource says where tokens may come from.
type tokenSource uint8

const (
	known     tokenSource = iota // from what is known here, too
	fromRedis                    // from Redis alone
)

// get returns the current tokens by name, in a map that is the caller's own unless names is
// redistier.ClearAlone: those that are known, and those of Redis, made where they are missing.
func (t *tokens) get(ctx context.Context, m *redistier.Tier, epoch uint64, names []string, from tokenSource) (map[string]string, error) {
	var unknown []string
	t.mu.Lock()
	if len(names) == 1 && names[0] == redistier.ClearToken && from == known && t.epoch == epoch { // as nearly always
		if token := t.known[redistier.ClearToken]; token != "" {
			alone := t.alone
			t.mu.Unlock()
			return alone, nil
		}
	}
	out := make(map[string]string, len(names))
	if t.epoch != epoch || len(t.known) > mostTokens { // notices may have been missed
		t.known, t.epoch = make(map[string]string), epoch
	}
	version := t.version
	for _, name := range names {
		if token := t.known[name]; token != "" && from == known && name != redistier.MarkToken { // the mark is about this very moment
			out[name] = token
		} else {
			unknown = append(unknown, name)
		}
	}
	t.mu.Unlock()
	if len(unknown) == 0 {
		return out, nil
	}
	fetched, err := m.Tokens(ctx, unknown)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, token := range fetched {
		out[name] = token
		if name == redistier.MarkToken { // it is about this very moment
			continue
		}
		if t.version == version && t.epoch == epoch {
			t.known[name] = token
			if name == redistier.ClearToken {
				t.alone = map[string]string{redistier.ClearToken: token}
			}
		}
	}
	return out, nil
}

// keepTokens tells Redis, with a heartbeat now and then, that the tokens are in use: a node reads
// them once an epoch, and to a Redis that evicts what was not used for long they would be the first
// to go. In a large fleet each node does it less often.
func (c *store[K, V]) keepTokens(now int64) {
	if now < c.keepAt.Load() {
		return
	}
	pause := min(keepMost, max(keepLeast, keepLeast/2*time.Duration(c.redis.channel.Nodes())))
	c.keepAt.Store(now + int64(pause))
	c.background(func(ctx context.Context) {
		keys := []string{c.remote.Keys.Token(redistier.ClearToken), c.remote.Keys.Token(redistier.MarkToken)}
		_ = c.redis.DoFor(ctx, keys[0], func(ctx context.Context, client redis.UniversalClient) error { // the next one may be luckier
			pipe := client.Pipeline()
			for _, key := range keys {
				pipe.PExpire(ctx, key, redisconn.Forever)
			}
			_, err := pipe.Exec(ctx)
			return err
		})
	})
}

// Redis tells ages to a second, and a full one may write all that it holds anew in a few.
const (
	keepLeast = time.Second
	keepMost  = 10 * time.Second
)
