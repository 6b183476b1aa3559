package tiercache

import (
	"context"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/journal"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// What Redis has confirmed to this node stands there before whatever is stored later. So a record
// that was read before an invalidation of this node can come from Redis only where a failover has
// lost that, which the next heartbeat notices. Until then such a record is told by its age. Of what
// this node has stored itself it knows when the source was read, by the record's id; of what others
// have stored Redis tells that to within the look-up's round trip, and rounding. Where that is not
// close enough the server is asked which history its data belongs to: it has what was confirmed in
// the one that is known.

// rounding is by how much the age of a record may be wrong for that it is told in milliseconds.
const rounding = int64(3 * time.Millisecond)

// disbelieveOutdated takes out what this node has invalidated since it was read.
func (c *store[K, V]) disbelieveOutdated(ctx context.Context, texts []string, all []redistier.Found, asked int64) {
	now := c.memory.Clock.Now()
	for i := range all {
		f := &all[i]
		if !f.Ok {
			continue
		}
		earliest, latest := asked-int64(f.Age())-rounding, now-int64(f.Age())+rounding
		if f.Own {
			earliest, latest = f.Read, f.Read
		}
		left := c.journal.Check(texts[i], f.Tags(), earliest)
		if left != journal.Stands && c.journal.Check(texts[i], f.Tags(), latest) == journal.Stands && c.remote.StandsInKnownHistory(ctx, texts[i], f.Record.ID) {
			left = journal.Stands
		}
		switch left {
		case journal.Outdated:
			f.Disbelieve()
		case journal.Expired:
			f.Left = min(f.Left, f.Record.Stale)
		case journal.Stands:
		}
	}
}
