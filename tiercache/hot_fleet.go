package tiercache

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// The nodes of a fleet add up what they count in one sorted set a cache, {name}:hot. A member is a
// key's text, its score the logarithm to base 2 of the key's reads, plus the time in half-lives, of
// the server's clock. So the reads of all members are halved each half-life without a write
// (forward decay: Cormode et al., ICDE 2009), and the order of the scores is that of the keys. What
// a node tells is how much its own count of a key has changed since it last told: an eighth, at
// least. So a steady fleet tells each key some times in a half-life, and one whose popular keys
// change within some seconds.
//
// Who can make a node read keys can make them hot. That is bounded: by LearnHot members a cache
// tells and twice as many in the set, by the least number of samples, and as only those caches
// share that have LearnHot set.
const (
	hotBatch = 128 // keys in one call of the script, during which other clients wait
	hotDays  = 7   // the set outlives quiet nights and weekends: its order stands, as all members fade alike
)

// ARGV of hotScript: most members, the half-life in ms, the set's life in ms; then for each key its
// text, the change of this node's count, and the count itself, which is what counts where the set
// doesn't have the key: it fell out, or Redis lost it. A set from the future is one whose clock was
// set back: it would never fade.
//
//nolint:gochecknoglobals // constants, but for their hashes
var (
	hotScript = newScript(`
local at = redis.call('TIME')
local now = (at[1] * 1000 + at[2] / 1000) / ARGV[2]
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
local top = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if top[2] and not (top[2] - now < 50) then redis.call('DEL', KEYS[1]) end
for i = 4, #ARGV, 3 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  local reads = tonumber(ARGV[i + 2])
  if score then reads = math.pow(2, score - now) + ARGV[i + 1] end
  if reads >= 1 then
    local set = redis.pcall('ZADD', KEYS[1], string.format('%.17g', now + math.log(reads) / math.log(2)), ARGV[i])
    if type(set) == 'table' and set.err then return set end
  else
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[1] - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`)

	// hotListScript returns the first members with their scores, and the time in ms. ARGV: how
	// many.
	hotListScript = redis.NewScript(`
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then return {{}, '0'} end
local at = redis.call('TIME')
return {redis.call('ZREVRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES'), string.format('%.17g', at[1] * 1000 + at[2] / 1000)}`)
)

// hotKey is where the hot keys of a cache stand.
func (n namespace) hotKey() string { return "{" + strings.TrimSuffix(n.prefix, ":") + "}:hot" }

// tellHot tells Redis what has changed of this node's counts. What fails is told next time, as it
// is new then too.
func (c *Cache[K, V]) tellHot(ctx context.Context) {
	h := c.hot
	keys, texts := c.tellable(h.sketch.News(c.cfg.LearnHot))
	args := make([]any, 0, 3*len(keys))
	for i, k := range keys {
		args = append(args, texts[i], number(k.Reads-k.Told), number(k.Reads))
	}
	gone := h.takeGone()
	for _, text := range gone {
		args = append(args, text, number(-math.MaxFloat32), "0")
	}
	for batch := range slices.Chunk(args, 3*hotBatch) {
		if err := c.remote.tellHot(ctx, 2*c.cfg.LearnHot, c.cfg.HotHalfLife.Milliseconds(), batch); err != nil {
			c.redisFailed(err, len(batch)/3)
			h.putGone(gone)
			return
		}
		told := min(len(batch)/3, len(keys))
		h.sketch.Heard(keys[:told])
		keys = keys[told:]
	}
}

func number(reads float32) string { return strconv.FormatFloat(float64(reads), 'g', -1, 32) }

func (h *hot[K]) takeGone() (texts []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for text := range h.gone {
		texts = append(texts, text)
	}
	clear(h.gone)
	return texts
}

func (h *hot[K]) putGone(texts []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, text := range texts {
		if len(h.gone) < mostHotGone {
			h.gone[text] = struct{}{}
		}
	}
}

// tellHot makes one call of hotScript.
func (m *remote) tellHot(ctx context.Context, most int, half int64, args []any) error {
	life := (hotDays * 24 * 60 * 60 * 1000)
	errs, err := m.runKeys(ctx, hotScript, 1, func(_ int, cmd []any) (keys int, _ []any) {
		return 1, append(append(cmd, m.ns.hotKey(), most, half, life), args...)
	}, nil)
	if err != nil {
		return err
	}
	return errs[0]
}

// fleetHot is what the whole fleet reads.
func (c *Cache[K, V]) fleetHot(ctx context.Context, n int) ([]HotKey[K], error) {
	members, now, err := c.remote.hotList(ctx, n)
	if err != nil {
		c.redisFailed(err, n)
		return nil, fmt.Errorf("tiercache: cache %q: hot keys of the fleet: %w", c.name, err)
	}
	half := float64(c.cfg.HotHalfLife.Milliseconds())
	all := make([]HotKey[K], 0, len(members)/2)
	for i := 0; i+1 < len(members); i += 2 {
		score, err := strconv.ParseFloat(members[i+1], 64)
		if err != nil || len(members[i]) > hotTextBytes { // somebody else wrote there
			continue
		}
		if key, err := c.decodeKey(members[i]); err == nil {
			all = append(all, HotKey[K]{Key: key, Reads: math.Exp2(min(score-now/half, 50))})
		}
	}
	return all, nil
}

// hotList returns the first members of the set, each followed by its score, and the server's time
// in ms.
func (m *remote) hotList(ctx context.Context, n int) (members []string, now float64, err error) {
	type list struct {
		members []string
		now     float64
	}
	got, err := redisconn.DoFor(ctx, m.r.conn, m.ns.hotKey(), func(ctx context.Context) (list, error) {
		reply, err := hotListScript.Run(ctx, m.r.conn.Client, []string{m.ns.hotKey()}, n).Slice()
		if err != nil {
			return list{}, err
		}
		var l list
		flat, _ := reply[0].([]any)
		for _, v := range flat {
			text, _ := v.(string)
			l.members = append(l.members, text)
		}
		text, _ := reply[1].(string)
		l.now, err = strconv.ParseFloat(text, 64)
		return l, err
	})
	return got.members, got.now, err
}
