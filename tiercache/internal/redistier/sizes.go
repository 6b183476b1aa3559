package redistier

import (
	"sync/atomic"

	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// sizes is how large the values of a cache have been of late. A read asks for so many keys at once
// as probably fit into readBytes: what is not there within RedisConfig.Timeout would else never be
// there, and would count as an outage.
type sizes struct {
	mean atomic.Int64 // bytes; 0: nothing is known
}

const (
	// readBytes is what one read may bring; more costs further round trips.
	readBytes = 1 << 20
	// firstKeys is how many keys the first read asks for, of which nothing is known.
	firstKeys = 16
)

// most is how many keys may be read at once.
func (s *sizes) most() int {
	mean := s.mean.Load()
	if mean == 0 {
		return firstKeys
	}
	return int(min(max(1, readBytes/mean), BatchKeys))
}

// haul is what one read brought.
type haul struct{ values, bytes int64 }

func (t *haul) add(l *Look) {
	if l.Get.Err() == nil {
		t.values++
		t.bytes += int64(len(l.Get.Val()))
	}
}

// note takes what came into account: each value moves the mean by a part, and as many as there are
// parts make it anew. Two notes at once may count as one.
func (s *sizes) note(came haul, c *redisconn.Cargo) {
	const parts = 16
	c.Add(came.bytes)
	mean := s.mean.Load()
	switch {
	case came.values > 0 && mean == 0:
		mean = came.bytes / came.values
	case came.values > 0:
		mean += (came.bytes/came.values - mean) * min(came.values, parts) / parts
	}
	s.mean.Store(max(1, mean))
}
