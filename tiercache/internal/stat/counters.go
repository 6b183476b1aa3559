package stat

import "sync/atomic"

// Counter names one of the numbers that Counters holds.
type Counter uint8

// What is counted of a cache. A read counts once, under what answered it.
const (
	MemoryHits Counter = iota
	RedisHits
	StaleHits
	NegativeHits
	Misses
	Loads
	LoadErrors
	Joins
	Evictions
	Expirations
	Oversized
	Crowded // evictions of what the memory had too little room for
	Refused
	RedisErrors
	TakenBack
	UnreadableNotices
	numCounters
)

const (
	counterStripes = 16
	// NumCorrupt bounds the causes for which a record may be unreadable.
	NumCorrupt = 16
)

// Counters are the counters of one cache. They are striped by key hash and padded, so that two
// cores that count hits share no cache line. The zero value is ready.
type Counters struct {
	_       [128]byte // what stands before it in a cache is read by each hit, on all cores
	stripes [counterStripes]struct {
		n [numCounters]atomic.Uint64
		_ [128 - numCounters*8%128]byte
	}
	corrupt [NumCorrupt]atomic.Uint64 // by a cause that the caller numbers
}

// Add adds n and returns the new count of the hash's stripe.
func (c *Counters) Add(hash uint64, what Counter, n uint64) uint64 {
	return c.stripes[hash%counterStripes].n[what].Add(n)
}

// Unreadable counts a record that could not be read. The cause must be below NumCorrupt.
func (c *Counters) Unreadable(cause uint8) { c.corrupt[cause].Add(1) }

// Unreadables returns how many records could not be read for this cause.
func (c *Counters) Unreadables(cause uint8) uint64 { return c.corrupt[cause].Load() }

// Sum returns the count over all stripes. They are not read at one moment.
func (c *Counters) Sum(what Counter) uint64 {
	var n uint64
	for i := range c.stripes {
		n += c.stripes[i].n[what].Load()
	}
	return n
}
