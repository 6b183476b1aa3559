package tiercache

import (
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// Clear and tags work by random tokens in Redis, one for the cache and one for each tag. A record holds the tokens of when its source read began, and is valid
// while all of them are the current ones. To end entries is to delete a token: that also works on a full Redis, and a token that is
// gone for any reason is made anew, with which older entries end too.
//
// A tag that comes from the value is known only after the load, when its token may already be the new one. So each cache that uses tags has a mark besides, deleted
// before any tag's token is: a load reads the mark before it begins, and its value is stored only if the mark still stands after the tags' tokens were read.
//
// Memory knows no tokens. There each tag has a slot that remembers the count of invalidations at which the tag was last ended; an entry is
// valid while none of its tags' slots is past the count of when its source read began. Tags share slots: then entries are validated, or loaded, for a
// neighbour's sake.
type tokens struct {
	mu      sync.Mutex
	version uint64            // moved by whatever ends a token: what was asked for before is not entered after
	epoch   uint64            // in which known was read
	known   map[string]string // by name: "" is the cache's, "#" the mark's, "#tag" a tag's
	alone   map[string]string // of known, the cache's; a new map with each new token

	count atomic.Uint64            // of tag invalidations, own and others'
	slots atomic.Pointer[tagSlots] // nil until the first tag
	seed  maphash.Seed
}

type tagSlots [1 << 14]atomic.Uint64

const (
	clearToken = ""
	markToken  = "#"
	// restartToken marks the last restart of a server that was answered by ending all entries.
	restartToken = "!"
	// mostTokens bounds what is known; it is read again when it is wanted.
	mostTokens = 100_000
)

// What most look-ups ask for. Full, so that to append is to copy.
//
//nolint:gochecknoglobals // constants
var (
	clearAlone   = []string{clearToken}
	clearAndMark = []string{clearToken, markToken}
)

func tagToken(tag string) string { return markToken + tag }

// canonical is a tag as it stands in Redis keys, records and notices: escaped like a key.
func canonical(tag string) string { return namespace{}.value(tag) }

// token is the Redis key of a token: all of one cache's are in one slot.
func (n namespace) token(name string) string {
	base := "{" + strings.TrimSuffix(n.prefix, ":") + "}:"
	switch name {
	case clearToken:
		return base + "clear"
	case markToken:
		return base + "mark"
	case restartToken:
		return base + "server"
	default:
		return base + "tag:" + strings.TrimPrefix(name, markToken)
	}
}

// endTag ends a tag in this process.
func (t *tokens) endTag(tag string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	delete(t.known, tagToken(tag))
	delete(t.known, markToken)
	t.slot(tag).Store(t.count.Add(1)) // under the lock: slots only grow
}

// endAll forgets the cache's token.
func (t *tokens) endAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	delete(t.known, clearToken)
}

func (t *tokens) slot(tag string) *atomic.Uint64 {
	slots := t.slots.Load()
	if slots == nil {
		t.slots.CompareAndSwap(nil, new(tagSlots))
		slots = t.slots.Load()
	}
	return &slots[maphash.String(t.seed, tag)%uint64(len(slots))]
}

// stand says whether none of an item's tags was ended in this process since the item was looked for.
func (t *tokens) stand(tags *tagged) bool {
	if tags == nil || t.count.Load() == tags.count {
		return true
	}
	for _, tag := range tags.names {
		if t.slot(tag).Load() > tags.count {
			return false
		}
	}
	return true
}

// tokenSource says where tokens may come from.
type tokenSource uint8

const (
	known     tokenSource = iota // from what is known here, too
	fromRedis                    // from Redis alone
)

// get returns the current tokens by name, in a map that is the caller's own unless names is clearAlone: those that are known, and those of Redis, made where they are missing.
func (t *tokens) get(ctx context.Context, m *remote, epoch uint64, names []string, from tokenSource) (map[string]string, error) {
	var unknown []string
	t.mu.Lock()
	if len(names) == 1 && names[0] == clearToken && from == known && t.epoch == epoch { // as nearly always
		if token := t.known[clearToken]; token != "" {
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
		if token := t.known[name]; token != "" && from == known && name != markToken { // the mark is about this very moment
			out[name] = token
		} else {
			unknown = append(unknown, name)
		}
	}
	t.mu.Unlock()
	if len(unknown) == 0 {
		return out, nil
	}
	fetched, err := m.tokens(ctx, unknown)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, token := range fetched {
		out[name] = token
		if t.version == version && t.epoch == epoch {
			t.known[name] = token
			if name == clearToken {
				t.alone = map[string]string{clearToken: token}
			}
		}
	}
	return out, nil
}

// tokens reads tokens, and makes those that are missing.
func (m *remote) tokens(ctx context.Context, names []string) (map[string]string, error) {
	return doFor(ctx, m.r, m.ns.token(clearToken), func(ctx context.Context) (map[string]string, error) {
		out := make(map[string]string, len(names))
		missing := names
		for try := range 2 {
			pipe := m.r.client.Pipeline()
			gets := make([]*redis.StringCmd, len(missing))
			for i, name := range missing {
				key := m.ns.token(name)
				if try > 0 { // whoever comes first makes it
					pipe.SetArgs(ctx, key, newToken()[:16], redis.SetArgs{Mode: "NX", TTL: forever})
				}
				gets[i] = pipe.GetEx(ctx, key, forever)
			}
			if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
				return nil, err
			}
			var none []string
			for i, get := range gets {
				switch token, err := get.Result(); {
				case err == nil:
					out[missing[i]] = token
				case errors.Is(err, redis.Nil):
					none = append(none, missing[i])
				default:
					return nil, err
				}
			}
			if missing = none; len(missing) == 0 {
				return out, nil
			}
		}
		return nil, errors.New("redis: a token could not be made")
	})
}

// joinTokens is the tokens as they stand in a record: a line a token, "token name", the cache's own first.
func joinTokens(current map[string]string, tags []string) string {
	var b strings.Builder
	b.WriteString(current[clearToken])
	b.WriteString(" \n")
	for _, tag := range tags {
		b.WriteString(current[tagToken(tag)])
		b.WriteString(" ")
		b.WriteString(tag)
		b.WriteString("\n")
	}
	return b.String()
}

// eachToken is joinTokens backwards: the cache's own token, first, has the name "". A line that is none has no token.
func eachToken(text string) iter.Seq2[string, string] {
	return func(yield func(token, name string) bool) {
		for len(text) > 0 {
			var line string
			line, text, _ = strings.Cut(text, "\n")
			token, name, ok := strings.Cut(line, " ")
			if !ok {
				token = ""
			}
			if !yield(token, name) {
				return
			}
		}
	}
}
