package redistest

import (
	"context"
	"net"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// An InMemory is a Redis inside this process, without a socket: it and its
// clients work in a testing/synctest bubble, where keys expire in virtual time.
type InMemory struct {
	*miniredis.Miniredis

	tb TB
}

// Memory returns an in-memory Redis that is closed when the test ends. In a
// bubble, call it with the bubble's own T: everything it starts must end there.
//
// It is no real Redis: no memory limit, no eviction, no persistence, no
// replication, and a Lua of its own. Behaviour is to be tested with Start.
func Memory(tb TB) *InMemory {
	tb.Helper()
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	tb.Cleanup(m.Close)
	return &InMemory{Miniredis: m, tb: tb}
}

// Client returns a client with go-redis's own defaults, changed by the given
// functions, that dials in memory and is closed when the test ends.
func (m *InMemory) Client(change ...func(*redis.Options)) *redis.Client {
	m.tb.Helper()
	opts := &redis.Options{
		// Never dialled, but go-redis looks a host name up, which would leave a bubble.
		Addr:   "127.0.0.1:0",
		Dialer: m.Dialer,
	}
	for _, f := range change {
		f(opts)
	}
	client := redis.NewClient(opts)
	m.tb.Cleanup(func() { client.Close() }) //nolint:errcheck // the test may have closed it
	return client
}

// Dialer is for redis.Options and its kin; it ignores the address.
func (m *InMemory) Dialer(context.Context, string, string) (net.Conn, error) {
	return m.Dial()
}
