package warm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

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

// chunksAtOnce is how many chunks a follower reads in one round trip.
const chunksAtOnce = 8

// keys reads a pass's manifest. Chunks that are gone, or damaged, are left out: their keys are left
// to demand.
func (l *ledger) keys(ctx context.Context, c claim) (keys []string, damaged int, err error) {
	for first := 0; first < c.chunks; first += chunksAtOnce {
		var fields []string
		for i := first; i < min(first+chunksAtOnce, c.chunks); i++ {
			fields = append(fields, strconv.Itoa(i))
		}
		got := make(chan []any, 1)
		err := l.redis.DoFor(ctx, l.key, func(ctx context.Context, client redis.UniversalClient) error {
			chunks, err := client.HMGet(ctx, l.manifest(c.pass), fields...).Result()
			if err == nil {
				got <- chunks
			}
			return err
		})
		if err != nil {
			return nil, 0, fmt.Errorf("warm: manifest: %w", err)
		}
		for _, chunk := range <-got {
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
