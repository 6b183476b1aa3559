package warm

import "github.com/warmcache/warmcache/tiercache"

// ValueStatus is what a task was worth to this process: whether it earns its keep, and whether its
// top N is too long. Each node counts for itself. What a useful entry saved is its first reader's
// way to Redis, where the fleet's leader has put it, or to the source, where nobody has. Of a
// fleet's leader Useful stands against Rows; in a follower, which spends no rows, against Warmed.
type ValueStatus struct {
	Rows          uint64  `json:"source_rows"`    // that the source gave for it, on this node
	Warmed        uint64  `json:"warmed"`         // entries brought into memory, from the source or from Redis
	Useful        uint64  `json:"reads_saved"`    // of these, read before they went: each saved one read of Redis or of the source
	Wasted        uint64  `json:"wasted"`         // gone unread: out of time, replaced, invalidated
	EvictedUnread uint64  `json:"evicted_unread"` // gone unread, for want of room
	Unread        uint64  `json:"unread"`         // in memory, and not read yet
	Hits          uint64  `json:"hits"`           // reads that they answered
	UsefulShare   decimal `json:"useful_share"`   // of the entries of which it is known; 0 before the first
}

func valueStatus(v tiercache.WarmStats) *ValueStatus {
	s := &ValueStatus{
		Rows: v.Rows, Warmed: v.Warmed, Useful: v.Useful, Wasted: v.Wasted, EvictedUnread: v.Evicted, Unread: v.Unread(), Hits: v.Hits,
	}
	if known := v.Useful + v.Wasted + v.Evicted; known > 0 {
		s.UsefulShare = decimal(float64(v.Useful) / float64(known))
	}
	return s
}

// values asks the targets what each task was worth so far.
func (e *runs) values(tasks []*task) map[string]tiercache.WarmStats {
	values := make(map[string]tiercache.WarmStats, len(tasks))
	for _, t := range tasks {
		if t.target == nil {
			continue
		}
		for _, info := range t.target.Loaders() {
			if info.Name == t.name {
				values[t.name] = info.Value
			}
		}
	}
	return values
}
