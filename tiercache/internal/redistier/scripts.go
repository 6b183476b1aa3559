package redistier

import (
	"crypto/sha1"
	"encoding/hex"

	"github.com/warmcache/warmcache/tiercache/internal/record"
)

// script is a Lua script with the name by which Redis knows it once it has seen it.
type script struct {
	source string
	sha    any       // a string, boxed once for all commands
	on     valueKeys // of the value and its lease, where it is about these
	apart  []scriptStep
}

// valueKeys says which of a value's two keys a script is about.
type valueKeys uint8

const (
	onBoth  valueKeys = iota // the value is KEYS[1], the lease KEYS[2]
	onValue                  // KEYS[1]
	onLease                  // KEYS[1]
)

// scriptStep is a part of a script that touches one key alone: KEYS[1] of the step, key of the
// script, with the script's arguments. In a slot that is being moved, and for ever where that was
// interrupted, a Cluster serves a script only where all of its keys are on one master, and says
// TRYAGAIN else. The steps of apart, in their order, then do what the script does at once.
type scriptStep struct {
	*script
	key int
}

// stepwise gives a script its steps.
func stepwise(s *script, steps ...scriptStep) *script {
	s.apart = steps
	return s
}

func onKey(on valueKeys, source string) *script {
	s := newScript(source)
	s.on = on
	return s
}

// ending is a script that changes the value by a body, which sets answer, ends every load under
// way, and tells the others. Apart, the lease goes first: a load that held it can no longer commit
// what the next step would not see. A load that begins in between reads the source after whatever
// this is about was committed there.
func ending(body string) *script {
	const publish = "\nredis.call('PUBLISH', ARGV[1], ARGV[2])\nreturn answer"
	s := newScript("local answer = 1" + body + "\nredis.call('DEL', KEYS[2])" + publish)
	s.apart = []scriptStep{{dropScript, 1}, {newScript("local answer = 1" + body + publish), 0}}
	return s
}

func newScript(source string) *script {
	sum := sha1.Sum([]byte(source)) //nolint:gosec // it is how Redis names scripts
	return &script{source: source, sha: hex.EncodeToString(sum[:])}
}

// The scripts that write. Each touches one slot: the hash tag of a lease's key is the value's. A
// script that stores does so before it deletes anything: after a script's first write, a full Redis
// refuses it nothing any more, and would grow over its maxmemory.
//
//nolint:gochecknoglobals // constants, but for their hashes
var (
	// commitScript stores what a load brought if the lease still holds the load's token, and gives
	// the lease back. ARGV: token, record, ms to live (0: store nothing), the record's id. A retry
	// whose first reply was lost finds the lease gone and its own id in place.
	commitScript = newScript(`
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  local have = redis.pcall('GETRANGE', KEYS[1], 16, 31)
  if have == ARGV[4] then return 1 end
  return 0
end
if ARGV[3] == '0' then redis.call('DEL', KEYS[1], KEYS[2]) return 1 end
local ok = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
if ok.err then redis.call('DEL', KEYS[1]) return ok end
return 1`)

	// releaseScript gives a lease back without a value. ARGV: token.
	releaseScript = onKey(onLease, `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

	// takeScript takes a lease, or a mark in its place, from exactly that holder. ARGV: holder,
	// token, ms. A retry knows its own token.
	takeScript = onKey(onLease, `
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and holder ~= ARGV[2] then return 0 end
local ok = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if ok.err then return ok end
return 1`)

	// backOffScript puts a short mark in the place of a lease whose load failed. ARGV: token, mark,
	// ms.
	backOffScript = onKey(onLease, `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]).err then redis.call('DEL', KEYS[1]) end
return 1`)

	// takeBackScript ends a value if it still is the one that a warm run wrote, and tells the
	// others. A hold for this record alone is left, also where nothing stands: the write may yet
	// arrive, as nobody has seen its answer. Other warm writes go over it, as nobody has
	// invalidated the key for all that is known. ARGV: channel, notice, hold, its ms to live, the
	// record's id.
	takeBackScript = onKey(onValue, `
if redis.pcall('GETRANGE', KEYS[1], 16, 31) == ARGV[5] then
  if redis.pcall('SET', KEYS[1], ARGV[3] .. ARGV[5], 'PX', ARGV[4]).err then redis.call('DEL', KEYS[1]) end
else
  redis.pcall('SET', KEYS[1], ARGV[3] .. ARGV[5], 'NX', 'PX', ARGV[4])
end
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1`)

	// renewScript keeps a lease while its load runs. ARGV: token, ms.
	renewScript = onKey(onLease, `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0`)

	// storeScript is Set: it stores, ends every load under way, and tells the others. Where Redis
	// is full it deletes instead, and answers 2. One that comes later than its caller waited for
	// could overwrite what was stored since: it does nothing, and answers 3. ARGV: channel, notice,
	// record, ms to live (0: delete), this server's time in ms after which it is late (0: never).
	storeScript = ending(`
if ARGV[5] ~= '0' then
  local now = redis.call('TIME')
  if tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) > tonumber(ARGV[5]) then return 3 end
end
if ARGV[4] == '0' then
  redis.call('DEL', KEYS[1])
elseif redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]).err then
  redis.call('DEL', KEYS[1])
  answer = 2
end`)

	// invalidateScript leaves a hold in the value's place, or nothing where Redis is full, ends
	// every load under way, and tells the others. To a reader a hold is nothing; to a warm write
	// that began before it, a refusal. ARGV: channel, notice, hold, its ms to live.
	invalidateScript = ending(`
if redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]).err then redis.call('DEL', KEYS[1]) end`)

	// expireScript marks the value as no longer fresh, keeps it for the stale window from now on
	// and then for a hold's life, whose place it takes, ends every load under way, and tells the
	// others. The record's age goes where it was when it was written, as PTTL tells it no more.
	// What can't be marked is treated as by invalidateScript. ARGV: as there.
	expireScript = ending(`
local marked = false
local head = redis.pcall('GETRANGE', KEYS[1], 0, 78)
if type(head) == 'string' and #head == 79 and string.sub(head, 1, 6) == 'WC01VE' then
  marked = true
elseif type(head) == 'string' and #head == 79 and string.sub(head, 1, 5) == 'WC01V' then
  local fresh, stale = tonumber(string.sub(head, 41, 53)), tonumber(string.sub(head, 54, 66))
  local left = redis.call('PTTL', KEYS[1])
  if fresh and stale and stale > 0 and left > 0 then
    local age = string.format('%013.0f', math.max(0, fresh + stale - left))
    local set, aged = redis.pcall('SETRANGE', KEYS[1], 5, 'E'), redis.pcall('SETRANGE', KEYS[1], 66, age)
    if type(set) == 'number' and type(aged) == 'number' then
      redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(left, stale) + tonumber(ARGV[4])))
      marked = true
    end
  end
end
if not marked and redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]).err then redis.call('DEL', KEYS[1]) end`)

	// replaceScript is a warm write over what stands there: it stores only over what is older, and
	// over the run's own. Both ages are durations by this server's count: the standing record's is
	// its whole life less what PTTL leaves of it, the run's is counted from the TIME that it read
	// before its source. A record that no reader would accept, of another codec or version, has no
	// say; a hold that came after the source read began, unless it is for another record, and what
	// was ended by Expire, refuses; the very record, of a SET whose reply was lost, is as good as
	// stored. ARGV: record, the moment in ms until which it lives, the TIME in ms before the source
	// read, id of the run's own, a hold's life in ms.
	replaceScript = onKey(onValue, `
local function kept(record) return string.sub(record, 1, 4) .. string.sub(record, 9, 16) .. string.sub(record, 33, 40) end
local head = redis.pcall('GETRANGE', KEYS[1], 0, 78)
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if type(head) == 'string' and string.sub(head, 1, 5) == 'WC01H' then
  if string.sub(head, 6) == string.sub(ARGV[1], 17, 32) then return -1 end
  local age = tonumber(ARGV[5]) - redis.call('PTTL', KEYS[1])
  if #head == 5 and (age < 0 or age > tonumber(ARGV[5]) or now - age + 1 >= tonumber(ARGV[3])) then return -1 end
end
if type(head) == 'string' and #head == 79 and kept(head) == kept(ARGV[1]) then
  if string.sub(head, 6, 6) == 'E' then return -1 end
  if string.sub(head, 17, 32) == string.sub(ARGV[1], 17, 32) then return 1 end
  local life = tonumber(string.sub(head, 41, 53)) + tonumber(string.sub(head, 54, 66))
  local left = redis.call('PTTL', KEYS[1])
  local age = now - tonumber(ARGV[3])
  if left >= 0 and string.sub(head, 17, 32) ~= ARGV[4] and life - left <= age then return 0 end
end
local ok = redis.pcall('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
if ok.err then return ok end
return 1`)

	// clearScript deletes a cache's token and tells the others. KEYS: the token. ARGV: channel,
	// notice.
	clearScript = newScript(`
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1`)

	// endTagScript ends a tag and tells the others. Where Redis is full it ends all tags of the
	// cache, and where there are too many of them. KEYS: the cache's hash of tags. ARGV: channel,
	// notice, tag, R of a new hash, what is random in the tag's token, the most fields, ms to live.
	// The count follows the clock, so that a failover that loses ends does not let it repeat in a
	// Cluster, where a load's lease on another shard may outlive it.
	endTagScript = newScript(`
local mark = redis.pcall('HMGET', KEYS[1], '')[1]
local run, n
if type(mark) == 'string' then run, n = string.match(mark, '^(%x+)%.(%d+)$') end
if not run or redis.call('HLEN', KEYS[1]) > tonumber(ARGV[6]) then
  redis.call('UNLINK', KEYS[1])
  run, n = ARGV[4], '0'
end
local t = redis.call('TIME')
mark = run .. '.' .. string.format('%.0f', math.max(tonumber(n) + 1, tonumber(t[1]) * 1000000 + tonumber(t[2])))
if type(redis.pcall('HSET', KEYS[1], '', mark, ARGV[3], mark .. '.' .. ARGV[5])) == 'number' then
  redis.call('PEXPIRE', KEYS[1], ARGV[7])
else
  redis.call('UNLINK', KEYS[1])
end
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1`)

	// restartScript ends all entries of a cache, once for each restart of a server that may have
	// loaded an old snapshot. KEYS: the mark of the restart, the cache's token. ARGV: channel,
	// notice, the server's run_id.
	restartScript = stepwise(newScript(`
if redis.call('GET', KEYS[1]) == ARGV[3] then return 1 end
redis.pcall('SET', KEYS[1], ARGV[3], 'PX', 86400000)
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1`), scriptStep{droppedScript, 1})  // apart, each node does so

	// placeScript lets something stand where nothing does. ARGV: it, its ms to live.
	placeScript = onKey(onValue, `
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return 1`)

	// dropScript is a step, and droppedScript a last one.
	dropScript    = newScript("redis.call('DEL', KEYS[1])\nreturn 1")
	droppedScript = newScript("redis.call('DEL', KEYS[1])\nredis.call('PUBLISH', ARGV[1], ARGV[2])\nreturn 1")
)

// HoldRecord is what stands for a hold; the id of the one record that it is for may follow.
const HoldRecord = record.Magic + string(record.KindHold)
