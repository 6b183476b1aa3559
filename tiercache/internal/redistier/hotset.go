package redistier

import (
	"context"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// hotDays is how long the set of hot keys outlives quiet nights and weekends: its order stands, as
// all members fade alike.
const hotDays = 7

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
func (n Namespace) hotKey() string { return "{" + strings.TrimSuffix(n.Prefix, ":") + "}:hot" }

// TellHot makes one call of hotScript.
func (m *Tier) TellHot(ctx context.Context, most int, half int64, args []any) error {
	life := (hotDays * 24 * 60 * 60 * 1000)
	errs, err := m.runKeys(ctx, hotScript, 1, func(_ int, cmd []any) (keys int, _ []any) {
		return 1, append(append(cmd, m.Keys.hotKey(), most, half, life), args...)
	}, nil)
	if err != nil {
		return err
	}
	return errs[0]
}

// HotList returns the first members of the set, each followed by its score, and the server's time
// in ms.
func (m *Tier) HotList(ctx context.Context, n int) (members []string, now float64, err error) {
	type list struct {
		members []string
		now     float64
	}
	got, err := redisconn.DoFor(ctx, m.conn, m.Keys.hotKey(), func(ctx context.Context) (list, error) {
		reply, err := hotListScript.Run(ctx, m.conn.Client, []string{m.Keys.hotKey()}, n).Slice()
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
