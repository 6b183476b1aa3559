package tiercache

import (
	"crypto/sha1" //nolint:gosec // it is how Redis names scripts
	"encoding/hex"
)

// script is a Lua script with the name by which Redis knows it once it has seen it.
type script struct {
	source string
	sha    any // a string, boxed once for all commands
}

func newScript(source string) *script {
	sum := sha1.Sum([]byte(source)) //nolint:gosec // it is how Redis names scripts
	return &script{source: source, sha: hex.EncodeToString(sum[:])}
}

// The scripts that write. Each touches one slot: KEYS[1] is the value's key, KEYS[2] its lease, whose hash tag is the value's key. A script that stores does so
// before it deletes anything: after a script's first write, a full Redis refuses it nothing any more, and would grow over its maxmemory.
//
//nolint:gochecknoglobals // constants, but for their hashes
var (
	// commitScript stores what a load brought if the lease still holds the load's token, and gives the lease back. ARGV: token, record,
	// ms to live (0: store nothing), the record's id. A retry whose first reply was lost finds the lease gone and its own id in place.
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
	releaseScript = newScript(`
if redis.call('GET', KEYS[2]) == ARGV[1] then return redis.call('DEL', KEYS[2]) end
return 0`)

	// backOffScript puts a short mark in the place of a lease whose load failed. ARGV: token, mark, ms.
	backOffScript = newScript(`
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if redis.pcall('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]).err then redis.call('DEL', KEYS[2]) end
return 1`)

	// takeBackScript ends a value if it still is the one that a warm run wrote, and tells the others. Where nothing stands, the write may yet arrive, as nobody has seen
	// its answer: a hold for this record alone is left, which other warm writes go over. ARGV: channel, notice, hold, its ms to live, the record's id.
	takeBackScript = newScript(`
if redis.pcall('GETRANGE', KEYS[1], 16, 31) == ARGV[5] then
  if redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]).err then redis.call('DEL', KEYS[1]) end
else
  redis.pcall('SET', KEYS[1], ARGV[3] .. ARGV[5], 'NX', 'PX', ARGV[4])
end
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1`)

	// renewScript keeps a lease while its load runs. ARGV: token, ms.
	renewScript = newScript(`
if redis.call('GET', KEYS[2]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
return 0`)

	// storeScript is Set: it stores, ends every load under way, and tells the others. Where Redis is full it deletes instead, and answers 2. ARGV: channel,
	// notice, record, ms to live (0: delete).
	storeScript = newScript(`
local answer = 1
if ARGV[4] == '0' then
  redis.call('DEL', KEYS[1])
elseif redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]).err then
  redis.call('DEL', KEYS[1])
  answer = 2
end
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return answer`)

	// invalidateScript leaves a hold in the value's place, or nothing where Redis is full, ends every load under way, and tells the others. To a reader a hold
	// is nothing; to a warm write that began before it, a refusal. ARGV: channel, notice, hold, its ms to live.
	invalidateScript = newScript(`
if redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]).err then redis.call('DEL', KEYS[1]) end
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1`)

	// expireScript marks the value as no longer fresh, keeps it for the stale window from now on and then for a hold's life, whose place it takes, ends every load
	// under way, and tells the others. The record's age goes where it was when it was written, as PTTL tells it no more. What can't be marked is treated as
	// by invalidateScript. ARGV: as there.
	expireScript = newScript(`
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
if not marked and redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]).err then redis.call('DEL', KEYS[1]) end
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1`)

	// replaceScript is a warm write over what stands there: it stores only over what is older, and over the run's own. Both ages are durations by this
	// server's count: the standing record's is its whole life less what PTTL leaves of it, the run's is counted from the TIME that it read before its source. A record that no reader would accept, of another
	// codec or version, has no say; a hold that came after the source read began, unless it is for another record, and what was ended by Expire, refuses; the very record, of a SET whose reply was lost, is as good as stored. ARGV: record, the
	// moment in ms until which it lives, the TIME in ms before the source read, id of the run's own, a hold's
	// life in ms.
	replaceScript = newScript(`
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

	// endScript deletes tokens of one cache and tells the others. KEYS: the tokens. ARGV: channel, notice.
	endScript = newScript(`
redis.call('DEL', unpack(KEYS))
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1`)

	// restartScript ends all entries of a cache, once for each restart of a server that may have loaded an old snapshot. KEYS: the mark of the restart, the cache's
	// token. ARGV: channel, notice, the server's run_id.
	restartScript = newScript(`
if redis.call('GET', KEYS[1]) == ARGV[3] then return 1 end
redis.pcall('SET', KEYS[1], ARGV[3], 'PX', 86400000)
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1`)
)

// holdRecord is what stands for a hold; the id of the one record that it is for may follow.
const holdRecord = recordMagic + string(kindHold)
