package warm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache"
)

// ledger is what a fleet knows of one task. Its keys have one hash tag, so that in a Cluster they
// are in one slot, and every script touches that slot alone:
//
//	{warm:cache:task:format}          hash: the last pass that is complete, its pass (a token), slot, began, chunks, items
//	{warm:cache:task:format}:lock     the token of the pass that goes on; or "!" after one that failed, for as long as everybody is to wait
//	{warm:cache:task:format}:failed   how many have failed in a row
//	{warm:cache:task:format}:keys:T   hash: the manifest of pass T, in chunks
//
// A lock alone is not "once": the node that comes after its release would do it all again. So the
// claim looks at the ledger and at the lock in one script. Tokens are random and not counted: what
// was lost with an evicted key or a flushed server then reads as "another pass", never as "mine".
// Every script knows its own token again, so that one whose reply was lost may be sent twice, by us
// or by go-redis. All times are this server's, and differences of them.
type ledger struct {
	redis *tiercache.Redis
	key   string
	life  time.Duration // of the lock
}

// ledgerKey is where a task's ledger is. Nodes that read each other's records share one.
func ledgerKey(prefix string, t *task) string {
	cache := ""
	if t.target != nil {
		cache = t.target.Name()
	}
	return fmt.Sprintf("%s{warm:%s:%s:%s}", prefix, cache, t.name, t.info.Format)
}

// terms are what a node asks of a pass to be content with it.
type terms struct {
	slot  string        // it was made for this fire time
	age   time.Duration // or began no longer ago than this
	pass  string        // or is this one, which was under way when the node came
	force bool          // somebody asks by hand: failures of before don't matter
}

// claim is what a node is to do.
type claim struct {
	verdict verdict
	pass    string        // the token: of the complete one, of the one under way, or the node's own
	chunks  int           // of the complete pass's manifest
	ago     time.Duration // since the complete pass began
	former  string        // to a leader: the last complete pass, whose manifest it is to replace
}

type verdict uint8

const (
	lead    verdict = iota // it has the lock
	done                   // a pass is complete that meets the terms
	busy                   // another node has the lock
	backOff                // the last pass has failed, and it is too early for the next
	full                   // Redis answers, and has no room for the lock
)

var errLockLost = errors.New("another node has taken over: this one's lock was lost")

// claimScript decides. KEYS: lock, ledger, manifests' common beginning. ARGV: token, lock's life in
// ms, slot, age in ms, pass, force. A pass that began in the future, by a clock that was set back
// since, is not new: nobody knows how old it is.
//
//nolint:gochecknoglobals // a constant, but for its hash
var claimScript = redis.NewScript(`
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local last = redis.call('HMGET', KEYS[2], 'pass', 'slot', 'began', 'chunks')
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then return {0, ARGV[1], last[1] or ''} end
if last[1] then
  local ago = now - tonumber(last[3])
  local meets = ARGV[3] ~= '' and last[2] == ARGV[3] or ago >= 0 and ago < tonumber(ARGV[4]) or last[1] == ARGV[5]
  local whole = last[4] == '0' or redis.call('EXISTS', KEYS[3] .. last[1]) == 1
  if meets and whole then return {1, last[1], '', tonumber(last[4]), math.max(0, ago)} end
end
if holder and string.sub(holder, 1, 1) ~= '!' then return {2, holder} end
if holder and ARGV[6] ~= '1' then return {3, ''} end
if redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]).err then return {4, ''} end
return {0, ARGV[1], last[1] or ''}`)

// claim asks for the lock under a token of the node's own. Its error says that Redis does not
// answer, or may not store.
func (l *ledger) claim(ctx context.Context, token string, want terms) (claim, error) {
	force := "0"
	if want.force {
		force = "1"
	}
	reply, err := l.run(ctx, claimScript, []string{l.lock(), l.key, l.manifest("")},
		token, l.life.Milliseconds(), want.slot, want.age.Milliseconds(), want.pass, force)
	if err != nil {
		return claim{}, err
	}
	fields, ok := reply.([]any)
	if !ok || len(fields) < 2 {
		return claim{}, fmt.Errorf("warm: ledger: unexpected reply %v", reply)
	}
	var c claim
	c.verdict = verdict(number(fields[0])) //nolint:gosec // of five
	c.pass, _ = fields[1].(string)
	if len(fields) > 2 {
		c.former, _ = fields[2].(string)
	}
	if len(fields) > 4 {
		c.chunks, c.ago = int(number(fields[3])), time.Duration(number(fields[4]))*time.Millisecond
	}
	return c, nil
}

// renewScript keeps the lock. KEYS: lock. ARGV: token, ms.
//
//nolint:gochecknoglobals // a constant, but for its hash
var renewScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`)

func (l *ledger) renew(ctx context.Context, token string) error {
	return l.held(ctx, renewScript, []string{l.lock()}, token, l.life.Milliseconds())
}

// chunkScript appends to the manifest and keeps the lock. KEYS: lock, manifest. ARGV: token, lock's
// life in ms, number, chunk, manifest's life in ms. A chunk that a full server has no room for is
// answered with 2: the lock is held all the same.
//
//nolint:gochecknoglobals // a constant, but for its hash
var chunkScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if ARGV[4] == '' then return 1 end
if ARGV[3] == '0' then redis.call('DEL', KEYS[2]) end
local put = redis.pcall('HSET', KEYS[2], ARGV[3], ARGV[4])
if type(put) == 'table' and put.err then return 2 end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1`)

var errFull = errors.New("warm: ledger: Redis has no room for the manifest")

func (l *ledger) chunk(ctx context.Context, token string, n int, chunk []byte, life time.Duration) error {
	return l.held(ctx, chunkScript, []string{l.lock(), l.manifest(token)},
		token, l.life.Milliseconds(), n, chunk, life.Milliseconds())
}

// completeScript writes the ledger and gives the lock back. KEYS: lock, ledger, failures, the
// former manifest, which followers may still be reading. ARGV: token, slot, ms since the pass
// began, chunks, ledger's life in ms. A pass that is for no slot leaves the last one standing:
// nodes whose clocks are behind have yet to ask for it.
//
//nolint:gochecknoglobals // a constant, but for its hash
var completeScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  if redis.call('HGET', KEYS[2], 'pass') == ARGV[1] then return 1 end
  return 0
end
local t = redis.call('TIME')
local began = string.format('%.0f', tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000) - tonumber(ARGV[3]))
redis.call('HSET', KEYS[2], 'pass', ARGV[1], 'began', began, 'chunks', ARGV[4])
if ARGV[2] ~= '' then redis.call('HSET', KEYS[2], 'slot', ARGV[2]) end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('DEL', KEYS[1], KEYS[3])
if redis.call('PTTL', KEYS[4]) > 60000 then redis.call('PEXPIRE', KEYS[4], 60000) end
return 1`)

// pass is a complete one, as its leader enters it.
type pass struct {
	slot   string
	began  time.Time
	chunks int
	former string
	life   time.Duration // of what it wrote, counted from its beginning
}

// leastLedger is how long a pass is remembered however little is left of what it wrote: those who
// wait for it are to hear of it, and not do it again one by one.
const leastLedger = 30 * time.Second

func (l *ledger) complete(ctx context.Context, token string, p pass) error {
	since := time.Since(p.began)
	return l.held(ctx, completeScript, []string{l.lock(), l.key, l.key + ":failed", l.manifest(p.former)},
		token, p.slot, since.Milliseconds(), p.chunks, max(p.life-since, leastLedger).Milliseconds())
}

// failScript puts a back-off in the lock's place, which doubles with each failure. KEYS: lock,
// failures, manifest. ARGV: token, first and longest wait in ms, how long failures are remembered.
//
//nolint:gochecknoglobals // a constant, but for its hash
var failScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[3])
local n = redis.pcall('INCR', KEYS[2])
if type(n) ~= 'number' then n = 1 end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
local wait = math.min(tonumber(ARGV[2]) * 2 ^ math.min(n - 1, 20), tonumber(ARGV[3]))
if redis.pcall('SET', KEYS[1], '!', 'PX', string.format('%.0f', wait)).err then redis.call('DEL', KEYS[1]) end
return 1`)

const (
	firstFleetBackoff = time.Second
	mostFleetBackoff  = time.Minute
	failuresLife      = 10 * time.Minute
)

func (l *ledger) fail(ctx context.Context, token string) error {
	return l.held(ctx, failScript, []string{l.lock(), l.key + ":failed", l.manifest(token)},
		token, firstFleetBackoff.Milliseconds(), mostFleetBackoff.Milliseconds(), failuresLife.Milliseconds())
}

// releaseScript gives the lock back as if nothing had been. KEYS: lock, manifest. ARGV: token.
//
//nolint:gochecknoglobals // a constant, but for its hash
var releaseScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1], KEYS[2]) > 0 and 1 or 0`)

func (l *ledger) release(ctx context.Context, token string) error {
	return l.held(ctx, releaseScript, []string{l.lock(), l.manifest(token)}, token)
}

// withdrawScript takes the ledger's word back that a pass is complete. KEYS: ledger. ARGV: token. A
// later pass stands.
//
//nolint:gochecknoglobals // a constant, but for its hash
var withdrawScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'pass') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`)

func (l *ledger) withdraw(ctx context.Context, pass string) error {
	return l.held(ctx, withdrawScript, []string{l.key}, pass)
}

// held runs a script that only the lock's holder may run. Its error is errLockLost for anybody
// else, errFull where the script says 2, or Redis's.
func (l *ledger) held(ctx context.Context, s *redis.Script, keys []string, args ...any) error {
	reply, err := l.run(ctx, s, keys, args...)
	switch {
	case err != nil:
		return err
	case number(reply) == 1:
		return nil
	case number(reply) == 2:
		return errFull
	default:
		return errLockLost
	}
}

func (l *ledger) run(ctx context.Context, s *redis.Script, keys []string, args ...any) (reply any, err error) {
	type answer struct{ reply any }
	got := make(chan answer, 1) // not a variable: fn may outlive DoFor
	err = l.redis.DoFor(ctx, l.key, func(ctx context.Context, client redis.UniversalClient) error {
		reply, err := s.Run(ctx, client, keys, args...).Result()
		if err == nil {
			got <- answer{reply}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("warm: ledger: %w", err)
	}
	return (<-got).reply, nil
}

func number(reply any) int64 {
	switch n := reply.(type) {
	case int64:
		return n
	case string:
		i, _ := strconv.ParseInt(n, 10, 64) // what is no number is none of the answers
		return i
	default:
		return -1
	}
}

func (l *ledger) lock() string                { return l.key + ":lock" }
func (l *ledger) manifest(pass string) string { return l.key + ":keys:" + pass }
