package backplane

import "sync/atomic"

// Progress is how far the invalidations of a node have come in Redis, by rounds of heartbeats. All
// masters are asked in a round; what had been answered before the round was sent is in the data
// that they describe.
type Progress struct {
	Round      atomic.Uint64 // the one that was sent last
	Replicated atomic.Uint64 // every replica has what was confirmed in this round or before
	Takeovers  atomic.Uint64 // how often another server has answered
}
