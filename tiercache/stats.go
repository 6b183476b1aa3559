package tiercache

import (
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// Stats is one snapshot of a cache: counters that only grow since New, and gauges. A read counts
// once, under what answered it.
type Stats struct {
	MemoryHits   uint64 // fresh, from this process's memory
	RedisHits    uint64 // fresh, from Redis
	StaleHits    uint64 // a stale value was served
	NegativeHits uint64 // a remembered ErrNotFound was served, from either tier
	Misses       uint64 // neither tier had an answer; the read loaded, or joined a load
	Loads        uint64 // calls of Load, LoadMany (one a key), Reload and GetOrLoad's function
	LoadErrors   uint64 // of these, failures other than ErrNotFound and ErrNotModified
	Joined       uint64 // reads that waited for a load that another read had begun
	Evictions    uint64 // entries that memory gave up, or did not admit, for want of room
	Expirations  uint64 // entries that memory gave up because their time was over
	TurnedAway   uint64 // of Evictions: entries too large for the window, and not worth what they would push out
	Oversized    uint64 // values returned but not stored: over Capacity, or over RedisConfig.MaxValueBytes
	Refused      uint64 // loads not stored because the key was invalidated, or led by another node, meanwhile
	TakenBack    uint64 // warm writes ended after the fact, as an invalidation may have overtaken them
	Corrupt      uint64 // records in Redis that could not be read, of all causes; each is a miss
	CorruptBy    map[string]uint64
	RedisErrors  uint64 // failed operations on Redis

	EventsDropped uint64 // events that the Observer was too slow for

	NoticesSent     uint64       // of this process, over all caches of the Redis, as are the next five
	NoticesReceived uint64       // from other nodes
	NoticesLost     uint64       // known to be
	Epoch           uint64       // gauge: grows whenever notices may have been missed
	Coherent        bool         // gauge: invalidations of other nodes are heard
	Breaker         BreakerState // gauge; empty without Redis
	Pending         int          // gauge: invalidations of this cache that Redis has yet to hear of, or to hear again

	NoticesUnreadable uint64 // from other nodes, of this cache, whose key could not be read: each begins an epoch

	Entries  int   // gauge: entries in memory
	Cost     int64 // gauge: what they cost, in units of Capacity
	Capacity int64

	Warm map[string]WarmStats // by task: what its warm-ups were worth to this process
}

// Hits is the number of reads that a tier answered, stale ones and remembered absences included.
func (s Stats) Hits() uint64 { return s.MemoryHits + s.RedisHits + s.StaleHits + s.NegativeHits }

// Observer hears of what happens off the hit path: of one cache in order, one event at a time, soon
// after it happened, and in no goroutine that does anything else. It may be slow, and may use the
// cache and close it: up to 1,024 events wait, then the oldest are dropped and counted
// (Stats.EventsDropped). An observer of several caches must be safe for concurrent use. A panic in
// it is recovered and logged.
type Observer interface {
	Observe(Event)
}

// Event is one thing that happened in a cache.
type Event struct {
	Kind  EventKind
	Cache string
	Took  time.Duration // of a load or an operation; zero elsewhere
	Keys  int           // how many keys it was about
	Left  []any         // of EventEvict and EventExpire: these keys, of the cache's type
	Err   error
}

// EventKind says what an Event is about.
type EventKind string

// The kinds of events.
const (
	EventLoad    EventKind = "load"    // a load ended; Err is its error
	EventRedis   EventKind = "redis"   // an operation on Redis failed
	EventCorrupt EventKind = "corrupt" // a record could not be read; Err is the cause
	EventEvict   EventKind = "evict"   // memory gave up Keys entries for want of room
	EventExpire  EventKind = "expire"  // memory gave up Keys entries because their time was over
	EventWarm    EventKind = "warm"    // a warmup loader ended with Keys readable entries

	EventEpoch    EventKind = "epoch"    // notices may have been missed: what is in memory is validated before it counts as fresh
	EventDegraded EventKind = "degraded" // a write reached memory only; Err is ErrDegraded with its cause
	EventReplay   EventKind = "replay"   // Redis is back, and Keys invalidations that it had missed were said to it again
)

// Stats returns a snapshot. It also works on a closed cache.
func (c *Cache[K, V]) Stats() Stats {
	s := Stats{
		MemoryHits: c.counters.Sum(stat.MemoryHits), RedisHits: c.counters.Sum(stat.RedisHits), StaleHits: c.counters.Sum(stat.StaleHits),
		NegativeHits: c.counters.Sum(stat.NegativeHits), Misses: c.counters.Sum(stat.Misses), Loads: c.counters.Sum(stat.Loads),
		LoadErrors: c.counters.Sum(stat.LoadErrors), Joined: c.counters.Sum(stat.Joins), Evictions: c.counters.Sum(stat.Evictions),
		Expirations: c.counters.Sum(stat.Expirations), Oversized: c.counters.Sum(stat.Oversized), TurnedAway: c.counters.Sum(stat.Crowded), Refused: c.counters.Sum(stat.Refused),
		RedisErrors: c.counters.Sum(stat.RedisErrors), TakenBack: c.counters.Sum(stat.TakenBack), NoticesUnreadable: c.counters.Sum(stat.UnreadableNotices), CorruptBy: make(map[string]uint64),
		Warm: warmStats(&c.tallies), EventsDropped: c.watcher.dropped.Load(),
	}
	for cause := range record.NumCauses {
		if n := c.counters.Unreadables(uint8(cause)); n > 0 {
			s.CorruptBy[cause.String()] = n
			s.Corrupt += n
		}
	}
	if c.redis != nil {
		ch := c.redis.channel
		s.NoticesSent, s.NoticesReceived, s.NoticesLost = ch.Seq.Load(), ch.Received.Load(), ch.LostCount.Load()
		s.Epoch, s.Coherent, s.Breaker, s.Pending = ch.Epoch.Load(), ch.Coherent(), BreakerState(c.redis.conn.Masters.State()), c.pending()
	}
	s.Capacity = c.memory.Capacity()
	s.Entries, s.Cost = c.memory.Size()
	return s
}
