package redistier

import (
	"context"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// StandsInKnownHistory reports whether the record with that id stands in the data that this node's
// invalidations were confirmed in. A server that does not say which data it has is taken at its
// word.
func (m *Tier) StandsInKnownHistory(ctx context.Context, text string, id uint64) bool {
	name := m.Keys.Value(text)
	sh := m.conn.Masters.OfKey(ctx, name)
	client := m.conn.Masters.Known()[sh.Addr]
	if client == nil {
		return false
	}
	stands, err := redisconn.DoOn(ctx, m.conn, sh, func(ctx context.Context) (bool, error) {
		pipe := client.Pipeline() // over one connection, and so to one server
		server, replication := pipe.Info(ctx, "server"), pipe.Info(ctx, "replication")
		stored := pipe.GetRange(ctx, name, 16, 31)
		_, _ = pipe.Exec(ctx) // each command has its own error
		if err := stored.Err(); err != nil {
			return false, err
		}
		a := backplane.ReadAnswer(server.Val(), replication.Val())
		return stored.Val() == record.IDText(id) && !a.Replica && m.channel.Knows(a.History()), nil
	})
	return err == nil && stands
}
