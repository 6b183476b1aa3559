package tiercache

import (
	"sync/atomic"

	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// The functions of this file are what a hit calls in the rooms below. Get is generic, so its code
// is compiled in the user's package, and a function of another package can be inlined there only
// if tiercache's own compiled code has it inlined somewhere. A function that only generic code
// calls never is: it would become a call on each hit.

// count counts one read and returns the count of the hash's stripe.
func count(c *stat.Counters, hash uint64, what stat.Counter) uint64 { return c.Add(hash, what, 1) }

// useful counts a read of an entry that a warm-up brought; done is the entry's mark.
func useful(t *stat.Tally, hash uint64, done *atomic.Bool) { t.Hit(hash, done) }
