package ledger

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// renewScript keeps the lock. KEYS: lock. ARGV: token, ms.
//
//nolint:gochecknoglobals // a constant, but for its hash
var renewScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`)

// Renew keeps the lock for another of its lives.
func (l *Ledger) Renew(ctx context.Context, token string) error {
	return l.held(ctx, renewScript, []string{l.lock()}, token, l.life.Milliseconds())
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

// Pass is a complete one, as its leader enters it.
type Pass struct {
	Slot   string
	Began  time.Time
	Chunks int
	Former string
	Life   time.Duration // of what it wrote, counted from its beginning
}

// leastLedger is how long a pass is remembered however little is left of what it wrote: those who
// wait for it are to hear of it, and not do it again one by one.
const leastLedger = 30 * time.Second

// Complete enters the pass and gives the lock back.
func (l *Ledger) Complete(ctx context.Context, token string, p Pass) error {
	since := time.Since(p.Began)
	return l.held(ctx, completeScript, []string{l.lock(), l.key, l.failed(), l.manifest(p.Former)},
		token, p.Slot, since.Milliseconds(), p.Chunks, max(p.Life-since, leastLedger).Milliseconds())
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

// Fail puts a back-off in the place of the lock.
func (l *Ledger) Fail(ctx context.Context, token string) error {
	return l.held(ctx, failScript, []string{l.lock(), l.failed(), l.manifest(token)},
		token, firstFleetBackoff.Milliseconds(), mostFleetBackoff.Milliseconds(), failuresLife.Milliseconds())
}

// releaseScript gives the lock back as if nothing had been. KEYS: lock, manifest. ARGV: token.
//
//nolint:gochecknoglobals // a constant, but for its hash
var releaseScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1], KEYS[2]) > 0 and 1 or 0`)

// Release gives the lock back as if nothing had been.
func (l *Ledger) Release(ctx context.Context, token string) error {
	return l.held(ctx, releaseScript, []string{l.lock(), l.manifest(token)}, token)
}

// withdrawScript takes the ledger's word back that a pass is complete. KEYS: ledger. ARGV: token. A
// later pass stands.
//
//nolint:gochecknoglobals // a constant, but for its hash
var withdrawScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'pass') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`)

// Withdraw takes the word back that a pass is complete.
func (l *Ledger) Withdraw(ctx context.Context, pass string) error {
	return l.held(ctx, withdrawScript, []string{l.key}, pass)
}
