package tiercache

import (
	"context"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
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
func (c *Cache[K, V]) disbelieveOutdated(ctx context.Context, texts []string, all []found, asked int64) {
	now := c.memory.Clock.Now()
	for i := range all {
		f := &all[i]
		if !f.ok {
			continue
		}
		earliest, latest := asked-int64(f.age())-rounding, now-int64(f.age())+rounding
		if f.own {
			earliest, latest = f.read, f.read
		}
		left := c.journal.check(texts[i], f.tags(), earliest)
		if left != stands && c.journal.check(texts[i], f.tags(), latest) == stands && c.remote.standsInKnownHistory(ctx, texts[i], f.record.ID) {
			left = stands
		}
		switch left {
		case outdated:
			f.disbelieve()
		case expired:
			f.left = min(f.left, f.record.Stale)
		case stands:
		}
	}
}

// standsInKnownHistory reports whether the record with that id stands in the data that this node's
// invalidations were confirmed in. A server that does not say which data it has is taken at its
// word.
func (m *remote) standsInKnownHistory(ctx context.Context, text string, id uint64) bool {
	name := m.ns.value(text)
	sh := m.r.conn.Masters.OfKey(ctx, name)
	client := m.r.conn.Masters.Known()[sh.Addr]
	if client == nil {
		return false
	}
	stands, err := redisconn.DoOn(ctx, m.r.conn, sh, func(ctx context.Context) (bool, error) {
		pipe := client.Pipeline() // over one connection, and so to one server
		server, replication := pipe.Info(ctx, "server"), pipe.Info(ctx, "replication")
		stored := pipe.GetRange(ctx, name, 16, 31)
		_, _ = pipe.Exec(ctx) // each command has its own error
		if err := stored.Err(); err != nil {
			return false, err
		}
		a := backplane.ReadAnswer(server.Val(), replication.Val())
		return stored.Val() == record.IDText(id) && !a.Replica && m.r.channel.Knows(a.History()), nil
	})
	return err == nil && stands
}
