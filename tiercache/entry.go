package tiercache

import "time"

// Entry is a value with where it came from and how old it is.
type Entry[V any] struct {
	Value  V
	Source Source
	Stale  bool          // past its TTL, or ended by Expire; served within StaleFor
	Age    time.Duration // since the source was read
}

// Source is the tier that answered a read.
type Source uint8

// The tiers, fastest first. The zero Source means that nothing answered.
const (
	FromMemory Source = iota + 1
	FromRedis
	FromSource
)

// String is the tier's name in lower case: memory, redis, source.
func (s Source) String() string {
	switch s {
	case FromMemory:
		return "memory"
	case FromRedis:
		return "redis"
	case FromSource:
		return "source"
	default:
		return "none"
	}
}

// SetOption changes one call of Set or SetMany. The zero SetOption changes nothing.
type SetOption struct {
	ttl  time.Duration
	tags []string
}

// TTL gives the values of one call a lifetime of their own. Zero means the cache's. Below zero they
// are over already: nothing is stored, and what stood there is ended.
func TTL(d time.Duration) SetOption { return SetOption{ttl: d} }

// Tags adds tags to the values of one call, besides those of Config.Tags.
func Tags(tags ...string) SetOption { return SetOption{tags: tags} }
