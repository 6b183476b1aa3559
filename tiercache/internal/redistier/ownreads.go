package redistier

import (
	"sync"
	"time"
)

// ownReads is when the source was read of what this node has stored in Redis, by the records' ids.
// PTTL tells that only as well as the server's clock goes, and a node must find what it has stored
// after an invalidation of its own, and nothing that was read before. It is remembered for as long
// as invalidations are, within bounds.
type ownReads struct {
	mu         sync.Mutex
	young, old map[uint64]int64 // what is in old is forgotten when young takes its place
	turned     int64            // when that was last
}

// mostOwnReads bounds each of the two maps.
const mostOwnReads = 1 << 16

// note remembers a write before it is sent.
func (o *ownReads) note(w *Write, now int64, hold time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.young == nil || len(o.young) >= mostOwnReads || now-o.turned > int64(hold) {
		o.young, o.old, o.turned = make(map[uint64]int64), o.young, now
	}
	o.young[w.ID] = w.Read
}

// read is when the source of a record was read, if this node has stored it.
func (o *ownReads) read(id uint64) (at int64, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at, known = o.young[id]; !known {
		at, known = o.old[id]
	}
	return at, known
}
