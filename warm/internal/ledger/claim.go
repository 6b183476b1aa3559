package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Terms are what a node asks of a pass to be content with it.
type Terms struct {
	Slot  string        // it was made for this fire time
	Age   time.Duration // or began no longer ago than this
	Pass  string        // or is this one, which was under way when the node came
	Force bool          // somebody asks by hand: failures of before don't matter
}

// Claim is what a node is to do.
type Claim struct {
	Verdict Verdict
	Pass    string        // the token: of the complete one, of the one under way, or the node's own
	Chunks  int           // of the complete pass's manifest
	Ago     time.Duration // since the complete pass began
	Former  string        // to a leader: the last complete pass, whose manifest it is to replace
}

// Verdict is the answer to a claim.
type Verdict uint8

// The verdicts.
const (
	Lead    Verdict = iota // it has the lock
	Done                   // a pass is complete that meets the terms
	Busy                   // another node has the lock
	BackOff                // the last pass has failed, and it is too early for the next
	Full                   // Redis answers, and has no room for the lock
	another                // the ledger's pass is another one than that whose manifest was named
)

// claimScript decides. KEYS: lock, ledger, the manifest of the pass that is expected there. ARGV:
// token, lock's life in ms, slot, age in ms, pass, force, the expected pass. A pass that began in
// the future, by a clock that was set back since, is not new: nobody knows how old it is.
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
  if meets and last[4] ~= '0' and last[1] ~= ARGV[7] then return {5, last[1]} end
  local whole = last[4] == '0' or redis.call('EXISTS', KEYS[3]) == 1
  if meets and whole then return {1, last[1], '', tonumber(last[4]), math.max(0, ago)} end
end
if holder and string.sub(holder, 1, 1) ~= '!' then return {2, holder} end
if holder and ARGV[6] ~= '1' then return {3, ''} end
if redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]).err then return {4, ''} end
return {0, ARGV[1], last[1] or ''}`)

// mostLooks is how often a claim names the manifest of the ledger's pass, which another may have
// replaced meanwhile.
const mostLooks = 4

// Claim asks for the lock under a token of the node's own. Its error says that Redis does not
// answer, or may not store. A script names its keys before it knows what is there, so that the
// first look may only tell of which pass the manifest is to be looked for.
func (l *Ledger) Claim(ctx context.Context, token string, want Terms) (Claim, error) {
	expected := want.Pass
	for range mostLooks {
		c, err := l.claim(ctx, token, want, expected)
		if err != nil || c.Verdict != another {
			return c, err
		}
		expected = c.Pass
	}
	return Claim{}, errors.New("warm: ledger: it holds another pass at each look")
}

func (l *Ledger) claim(ctx context.Context, token string, want Terms, expected string) (Claim, error) {
	force := "0"
	if want.Force {
		force = "1"
	}
	reply, err := l.run(ctx, claimScript, []string{l.lock(), l.key, l.manifest(expected)},
		token, l.life.Milliseconds(), want.Slot, want.Age.Milliseconds(), want.Pass, force, expected)
	if err != nil {
		return Claim{}, err
	}
	fields, ok := reply.([]any)
	if !ok || len(fields) < 2 {
		return Claim{}, fmt.Errorf("warm: ledger: unexpected reply %v", reply)
	}
	var c Claim
	c.Verdict = Verdict(number(fields[0])) //nolint:gosec // of six
	c.Pass, _ = fields[1].(string)
	if len(fields) > 2 {
		c.Former, _ = fields[2].(string)
	}
	if len(fields) > 4 {
		c.Chunks, c.Ago = int(number(fields[3])), time.Duration(number(fields[4]))*time.Millisecond
	}
	return c, nil
}
