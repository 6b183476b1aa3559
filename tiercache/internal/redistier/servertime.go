package redistier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// ServerTime is what each master's clock showed before a warm run asked its source. The run's
// entries live until then plus their TTL, by that very clock: a process that is frozen between two
// lines makes nothing young that is old.
type ServerTime struct {
	takeovers uint64           // of the channel, then
	millis    map[string]int64 // by master; "" is the one server
}

// ErrTakeover says that what was written by the time of one server would be stored by another.
var ErrTakeover = errors.New("redis: another server answers than when the run began")

// Times asks all masters for their time. One that doesn't say gets none of the run's entries.
func (m *Tier) Times(ctx context.Context) (*ServerTime, error) {
	takeovers := m.channel.Takeovers.Load()
	if _, err := m.conn.Route(ctx, 0, nil); err != nil {
		return nil, err
	}
	type answer struct {
		master string
		now    time.Time
		err    error
	}
	known := m.conn.Masters.Known()
	answers := make(chan answer, len(known))
	for addr, client := range known {
		go func() {
			now, err := redisconn.DoOn(ctx, m.conn, m.conn.Masters.Of(addr), func(ctx context.Context) (time.Time, error) { return client.Time(ctx).Result() })
			answers <- answer{addr, now, err}
		}()
	}
	t := &ServerTime{takeovers: takeovers, millis: make(map[string]int64)}
	var failed error
	for range known {
		if a := <-answers; a.err == nil {
			t.millis[a.master] = a.now.UnixMilli()
		} else {
			failed = a.err
		}
	}
	if len(t.millis) == 0 {
		return nil, failed
	}
	return t, nil
}

// of is the time, in ms, of the master that has the key.
func (t *ServerTime) of(ctx context.Context, client redis.UniversalClient, key string) (int64, error) {
	master := ""
	if cluster, ok := client.(*redis.ClusterClient); ok {
		node, err := cluster.MasterForKey(ctx, key)
		if err != nil {
			return 0, err
		}
		master = node.Options().Addr
	}
	millis, ok := t.millis[master]
	if !ok {
		return 0, ErrTakeover
	}
	return millis, nil
}

// StillThere reports, by an error, whether another server answers than the one that t is of.
func (m *Tier) StillThere(t *ServerTime) error {
	if t.takeovers != m.channel.Takeovers.Load() {
		return fmt.Errorf("%w: run it again", ErrTakeover)
	}
	return nil
}
