package redistier

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// Names of tokens.
const (
	ClearToken = ""
	MarkToken  = "#"
	MarkField  = "" // of the hash of tags
	// restartToken marks the last restart of a server that was answered by ending all entries.
	restartToken = "!"
	// mostTags bounds how many tags that were ended a cache's hash in Redis holds. The next one
	// begins a new hash.
	mostTags = 1 << 20
)

// What most look-ups ask for. Full, so that to append is to copy.
//
//nolint:gochecknoglobals // constants
var (
	ClearAlone   = []string{ClearToken}
	ClearAndMark = []string{ClearToken, MarkToken}
)

// TagToken is the name of a tag's token.
func TagToken(tag string) string { return MarkToken + tag }

// Canonical is a tag as it stands in Redis keys, records and notices: escaped like a key.
func Canonical(tag string) string { return Namespace{}.Value(tag) }

// Token is the Redis key of a token, for tags and mark that of all: all keys of one cache are in
// one slot.
func (n Namespace) Token(name string) string {
	base := "{" + strings.TrimSuffix(n.Prefix, ":") + "}:"
	switch name {
	case ClearToken:
		return base + "clear"
	case restartToken:
		return base + "server"
	default:
		return base + "tags"
	}
}

// Tokens reads tokens, and makes those that are missing.
func (m *Tier) Tokens(ctx context.Context, names []string) (map[string]string, error) {
	own, fields := slices.Contains(names, ClearToken), tagFields(names)
	tagged := len(fields) > 1 || slices.Contains(names, MarkToken)
	clearKey, tagsKey := m.Keys.Token(ClearToken), m.Keys.Token(MarkToken)
	return redisconn.DoFor(ctx, m.conn, clearKey, func(ctx context.Context) (map[string]string, error) {
		for try := range 2 {
			pipe := m.conn.Client.Pipeline()
			var token *redis.StringCmd
			var hash *redis.SliceCmd
			if own && try > 0 { // whoever comes first makes it
				pipe.SetArgs(ctx, clearKey, record.NewToken()[:16], redis.SetArgs{Mode: "NX", TTL: redisconn.Forever})
			}
			if own {
				token = pipe.GetEx(ctx, clearKey, redisconn.Forever)
			}
			if tagged && try > 0 {
				pipe.HSetNX(ctx, tagsKey, MarkField, record.NewToken()[:16]+".0")
				pipe.PExpire(ctx, tagsKey, redisconn.Forever)
			}
			if tagged {
				hash = pipe.HMGet(ctx, tagsKey, fields...)
			}
			if _, err := pipe.Exec(ctx); err != nil && !redisconn.IsReply(err) {
				return nil, err
			}
			out, err := ReadTokens(token, hash, fields)
			if err == nil || !errors.Is(err, redis.Nil) {
				return out, err
			}
		}
		return nil, errors.New("redis: a token could not be made")
	})
}

// tagFields is the mark's field in the hash of tags, and those of the tags that are named.
func tagFields(names []string) []string {
	fields := []string{MarkField}
	for _, name := range names {
		if tag, ok := strings.CutPrefix(name, MarkToken); ok && tag != "" {
			fields = append(fields, tag)
		}
	}
	return fields
}

// ReadTokens is the tokens in the replies, each of which may be missing. redis.Nil is that there is
// none yet.
func ReadTokens(own *redis.StringCmd, hash *redis.SliceCmd, fields []string) (map[string]string, error) {
	out := make(map[string]string, len(fields)+1)
	if own != nil {
		token, err := own.Result()
		if err != nil {
			return nil, err
		}
		out[ClearToken] = token
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
	out[MarkToken] = mark
	for i, tag := range fields[1:] {
		if token, ended := values[i+1].(string); ended {
			out[TagToken(tag)] = token
		} else {
			out[TagToken(tag)] = run + ".0"
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

// Unended reports whether none of the tags was ended between two moments of which these are the
// tokens, as far as the second one can tell.
func Unended(before, after map[string]string, tags []string) bool {
	run, n, ok := parseStamp(before[MarkToken])
	now, m, still := parseStamp(after[MarkToken])
	if !ok || !still || run != now || m < n {
		return false
	}
	for _, tag := range tags {
		if _, ended, ok := parseStamp(after[TagToken(tag)]); !ok || ended > n { // of the same R, as mark and tags are one hash
			return false
		}
	}
	return true
}

// JoinTokens is the tokens as they stand in a record: a line a token, "token name", the cache's own
// first.
func JoinTokens(current map[string]string, tags []string) string {
	var b strings.Builder
	b.WriteString(current[ClearToken])
	b.WriteString(" \n")
	for _, tag := range tags {
		b.WriteString(current[TagToken(tag)])
		b.WriteString(" ")
		b.WriteString(tag)
		b.WriteString("\n")
	}
	return b.String()
}

// EachToken is JoinTokens backwards: the cache's own token, first, has the name "". A line that is
// none has no token.
func EachToken(text string) iter.Seq2[string, string] {
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
