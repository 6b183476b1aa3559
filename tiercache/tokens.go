package tiercache

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
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

const (
	clearToken = ""
	markToken  = "#"
	markField  = "" // of the hash of tags
	// restartToken marks the last restart of a server that was answered by ending all entries.
	restartToken = "!"
	// mostTokens bounds what is known; it is read again when it is wanted.
	mostTokens = 100_000
	// mostTags bounds how many tags that were ended a cache's hash in Redis holds. The next one
	// begins a new hash.
	mostTags = 1 << 20
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

// token is the Redis key of a token, for tags and mark that of all: all keys of one cache are in
// one slot.
func (n namespace) token(name string) string {
	base := "{" + strings.TrimSuffix(n.prefix, ":") + "}:"
	switch name {
	case clearToken:
		return base + "clear"
	case restartToken:
		return base + "server"
	default:
		return base + "tags"
	}
}

// forgetTag forgets a tag's token.
func (t *tokens) forgetTag(tag string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	delete(t.known, tagToken(tag))
}

// endAll forgets the cache's token.
func (t *tokens) endAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	delete(t.known, clearToken)
}

// tokenSource says where tokens may come from.
type tokenSource uint8

const (
	known     tokenSource = iota // from what is known here, too
	fromRedis                    // from Redis alone
)

// get returns the current tokens by name, in a map that is the caller's own unless names is
// clearAlone: those that are known, and those of Redis, made where they are missing.
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
		if name == markToken { // it is about this very moment
			continue
		}
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
	own, fields := slices.Contains(names, clearToken), tagFields(names)
	tagged := len(fields) > 1 || slices.Contains(names, markToken)
	clearKey, tagsKey := m.ns.token(clearToken), m.ns.token(markToken)
	return redisconn.DoFor(ctx, m.r.conn, clearKey, func(ctx context.Context) (map[string]string, error) {
		for try := range 2 {
			pipe := m.r.conn.Client.Pipeline()
			var token *redis.StringCmd
			var hash *redis.SliceCmd
			if own && try > 0 { // whoever comes first makes it
				pipe.SetArgs(ctx, clearKey, record.NewToken()[:16], redis.SetArgs{Mode: "NX", TTL: redisconn.Forever})
			}
			if own {
				token = pipe.GetEx(ctx, clearKey, redisconn.Forever)
			}
			if tagged && try > 0 {
				pipe.HSetNX(ctx, tagsKey, markField, record.NewToken()[:16]+".0")
				pipe.PExpire(ctx, tagsKey, redisconn.Forever)
			}
			if tagged {
				hash = pipe.HMGet(ctx, tagsKey, fields...)
			}
			if _, err := pipe.Exec(ctx); err != nil && !redisconn.IsReply(err) {
				return nil, err
			}
			out, err := readTokens(token, hash, fields)
			if err == nil || !errors.Is(err, redis.Nil) {
				return out, err
			}
		}
		return nil, errors.New("redis: a token could not be made")
	})
}

// tagFields is the mark's field in the hash of tags, and those of the tags that are named.
func tagFields(names []string) []string {
	fields := []string{markField}
	for _, name := range names {
		if tag, ok := strings.CutPrefix(name, markToken); ok && tag != "" {
			fields = append(fields, tag)
		}
	}
	return fields
}

// readTokens is the tokens in the replies, each of which may be missing. redis.Nil is that there is
// none yet.
func readTokens(own *redis.StringCmd, hash *redis.SliceCmd, fields []string) (map[string]string, error) {
	out := make(map[string]string, len(fields)+1)
	if own != nil {
		token, err := own.Result()
		if err != nil {
			return nil, err
		}
		out[clearToken] = token
	}
	if hash == nil {
		return out, nil
	}
	values, err := hash.Result()
	if err != nil || len(values) != len(fields) {
		return nil, cmp.Or(err, errNoTokens)
	}
	mark, _ := values[0].(string)
	run, _, ok := parseStamp(mark)
	if !ok {
		return nil, redis.Nil
	}
	out[markToken] = mark
	for i, tag := range fields[1:] {
		if token, ended := values[i+1].(string); ended {
			out[tagToken(tag)] = token
		} else {
			out[tagToken(tag)] = run + ".0"
		}
	}
	return out, nil
}

var errNoTokens = errors.New("redis: the reply to HMGET has another length than was asked for")

// parseStamp takes the R and the N out of a mark or a tag's token.
func parseStamp(token string) (run string, n uint64, ok bool) {
	run, rest, _ := strings.Cut(token, ".")
	count, _, _ := strings.Cut(rest, ".")
	n, err := strconv.ParseUint(count, 10, 64)
	return run, n, err == nil && run != ""
}

// unended reports whether none of the tags was ended between two moments of which these are the
// tokens, as far as the second one can tell.
func unended(before, after map[string]string, tags []string) bool {
	run, n, ok := parseStamp(before[markToken])
	now, m, still := parseStamp(after[markToken])
	if !ok || !still || run != now || m < n {
		return false
	}
	for _, tag := range tags {
		if _, ended, ok := parseStamp(after[tagToken(tag)]); !ok || ended > n { // of the same R, as mark and tags are one hash
			return false
		}
	}
	return true
}

// keepTokens tells Redis, with a heartbeat now and then, that the tokens are in use: a node reads
// them once an epoch, and to a Redis that evicts what was not used for long they would be the first
// to go. In a large fleet each node does it less often.
func (c *Cache[K, V]) keepTokens(now int64) {
	if now < c.keepAt.Load() {
		return
	}
	pause := min(keepMost, max(keepLeast, keepLeast/2*time.Duration(c.redis.channel.Nodes())))
	c.keepAt.Store(now + int64(pause))
	c.background(func(ctx context.Context) {
		keys := []string{c.remote.ns.token(clearToken), c.remote.ns.token(markToken)}
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

// joinTokens is the tokens as they stand in a record: a line a token, "token name", the cache's own
// first.
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

// eachToken is joinTokens backwards: the cache's own token, first, has the name "". A line that is
// none has no token.
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
