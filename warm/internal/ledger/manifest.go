package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// A manifest is the list of the keys that a pass left in Redis, most wanted first: followers could
// not know otherwise what to hydrate. It stands in chunks of some hundred keys, so that neither its
// writer nor its readers ever move it as a whole. In a chunk each key is its length, as an unsigned
// varint, and its bytes: keys may be any bytes.
func appendKeys(chunk []byte, keys []string) []byte {
	for _, key := range keys {
		chunk = binary.AppendUvarint(chunk, uint64(len(key)))
		chunk = append(chunk, key...)
	}
	return chunk
}

var errBadChunk = errors.New("warm: manifest: a chunk is damaged")

// parseKeys appends the keys of a chunk. Whoever can write to Redis can write a chunk: nothing is
// believed of it, and nothing larger than itself allocated.
func parseKeys(keys []string, chunk string) ([]string, error) {
	rest := []byte(chunk)
	for len(rest) > 0 {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return keys, errBadChunk
		}
		end := n + int(size) //nolint:gosec // at most len(rest)
		keys = append(keys, string(rest[n:end]))
		rest = rest[end:]
	}
	return keys, nil
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

// Chunk enters keys into the manifest of the pass that goes on, as its nth chunk, and keeps the
// lock as Renew does. Without keys it does that alone.
func (l *Ledger) Chunk(ctx context.Context, token string, n int, keys []string, life time.Duration) error {
	return l.held(ctx, chunkScript, []string{l.lock(), l.manifest(token)},
		token, l.life.Milliseconds(), n, appendKeys(nil, keys), life.Milliseconds())
}

// chunksAtOnce is how many chunks a follower reads in one round trip.
const chunksAtOnce = 8

// Keys reads a pass's manifest. Chunks that are gone, or damaged, are left out: their keys are left
// to demand.
func (l *Ledger) Keys(ctx context.Context, c Claim) (keys []string, damaged int, err error) {
	for first := 0; first < c.Chunks; first += chunksAtOnce {
		var fields []string
		for i := first; i < min(first+chunksAtOnce, c.Chunks); i++ {
			fields = append(fields, strconv.Itoa(i))
		}
		chunks, err := do(ctx, l, func(ctx context.Context, client redis.UniversalClient) ([]any, error) {
			return client.HMGet(ctx, l.manifest(c.Pass), fields...).Result()
		})
		if err != nil {
			return nil, 0, fmt.Errorf("warm: manifest: %w", err)
		}
		for _, chunk := range chunks {
			text, ok := chunk.(string)
			if ok {
				keys, err = parseKeys(keys, text)
			}
			if !ok || err != nil {
				damaged++
			}
		}
	}
	return keys, damaged, nil
}
