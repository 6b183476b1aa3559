package httpcache

import (
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync/atomic"
)

// recentKeys are the keys of some URLs that were asked for lately, with what they were made of: to
// compare that takes a third of the time that it takes to make a key.
type recentKeys struct {
	seed  maphash.Seed
	slots [1024]atomic.Pointer[recentKey]
}

type recentKey struct{ scheme, host, uri, key string }

const (
	// longestRecent bounds one, and so what all of them hold.
	longestRecent = 256
	// recentTurns is how many URLs come by, on average, before one takes the slot of another: what
	// is asked for often keeps its own.
	recentTurns = 8
)

// of is the key of a URL, "" where it can have none.
func (k *recentKeys) of(scheme, host, uri string) string {
	slot := &k.slots[maphash.String(k.seed, uri)%uint64(len(k.slots))]
	recent := slot.Load()
	if recent != nil && recent.uri == uri && recent.host == host && recent.scheme == scheme {
		return recent.key
	}
	var room [longestRecent]byte
	b := appendURL(room[:0], scheme, host, uri)
	if len(b) > longestKey || hasSeparator(b) {
		return ""
	}
	key := string(b)
	if len(key) <= longestRecent && (recent == nil || rand.Uint32()%recentTurns == 0) { //nolint:gosec // no secret
		// What they are parts of is all that the request has sent.
		slot.Store(&recentKey{strings.Clone(scheme), strings.Clone(host), strings.Clone(uri), key})
	}
	return key
}
