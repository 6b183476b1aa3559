package redisconn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Usable says what about a client's options would make a cache on it wrong.
func Usable(client redis.UniversalClient) error {
	stale := func(option, why string) error {
		return fmt.Errorf("the client %s (%s): what was invalidated could come back; unset it", why, option)
	}
	const replicas, itself = "reads from replicas, which may be behind", "answers reads from a cache of its own"
	switch c := client.(type) {
	case *redis.Ring:
		return errors.New("a *redis.Ring spreads keys over servers that know nothing of each other: a notice on one is not heard on the others, " +
			"and what is evicted from the ring moves; use a *redis.ClusterClient, or a NewRedis for each server")
	case *redis.ClusterClient:
		switch o := c.Options(); {
		case o.RouteByLatency:
			return stale("RouteByLatency", replicas)
		case o.RouteRandomly:
			return stale("RouteRandomly", replicas)
		case o.ReadOnly:
			return stale("ReadOnly", replicas)
		}
	case *redis.Client:
		if o := c.Options(); o.ClientSideCache != nil || o.ClientSideCacheConfig != nil {
			return stale("ClientSideCache", itself)
		}
	default:
		if severalServers(client) {
			return fmt.Errorf("the client is a %T, around a *redis.ClusterClient or a *redis.Ring, whose options and servers are out of sight: pass the *redis.ClusterClient itself, with AddHook for what is to happen around its commands", client)
		}
	}
	return nil
}

// unbounded is for what ends by itself.
var unbounded = context.Background() //nolint:gochecknoglobals,forbidigo // a constant

// severalServers reports whether a client of a type that is not go-redis's is one of several
// servers: those refuse to watch no keys, where one of a single server calls back. Nothing is sent.
//
//nolint:contextcheck,nolintlint // it ends by itself; the linter looks from its callers
func severalServers(client redis.UniversalClient) bool {
	called := false
	_, err := unpanicked(unbounded, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, client.Watch(ctx, func(*redis.Tx) error {
			called = true
			return nil
		})
	})
	return !called && err != nil && strings.Contains(err.Error(), "at least one key")
}

// ErrClusterNode says what a client for a single server doesn't know.
var ErrClusterNode = errors.New("the server is a node of a Cluster, and this client takes it for a single server: keys of other nodes would be refused; use redis.NewClusterClient")

// Database is the number of the client's database; a Cluster has one alone.
func Database(client redis.UniversalClient) int {
	if c, ok := client.(*redis.Client); ok {
		return c.Options().DB
	}
	return 0
}

// UnknownCommand reports whether a server, or what stands before it, refused a command as such: it
// does not know it, or this user may not use it.
func UnknownCommand(err error) bool {
	if !IsReply(err) {
		return false
	}
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc([]string{"noperm", "unknown command", "unsupported command", "command not supported", "invalid request"}, func(part string) bool { return strings.Contains(text, part) })
}

// ErrReplica says what a client of type *redis.Client doesn't show in its options: with
// UniversalOptions.ReadOnly or FailoverOptions.ReplicaOnly it talks to a replica.
var ErrReplica = errors.New("the server is a replica: it may be behind its master, and refuses writes; use the master's address or, with Sentinel, unset ReplicaOnly")

// punctual reports whether a client gives up when its context's deadline is over, so that
// operations may run in the goroutine of whoever waits for them. By default go-redis doesn't while
// it waits for a reply; and a Cluster's client may load its slots from a node that is frozen,
// whatever the context says.
func punctual(client redis.UniversalClient) bool {
	single, ok := client.(*redis.Client)
	return ok && single.Options().ContextTimeoutEnabled
}

// longOutage is how long after Redis is back a client may go without noticing.
const longOutage = 2 * time.Second

// Costly lists the options of a client that don't make a cache wrong, but an outage of Redis dearer
// or longer. Every operation keeps to its deadline all the same: it is given up. MaxRetries,
// PoolTimeout and the back-offs do no harm, as the operation's context ends them.
func Costly(client redis.UniversalClient, timeout time.Duration) (costs []string) {
	var ctxTimeout bool
	var dial, pause, read, write time.Duration
	var dials int
	switch c := client.(type) {
	case *redis.Client:
		o := c.Options()
		ctxTimeout, dial, dials, pause, read, write = o.ContextTimeoutEnabled, o.DialTimeout, o.DialerRetries, o.DialerRetryTimeout, o.ReadTimeout, o.WriteTimeout
	case *redis.ClusterClient:
		o := c.Options()
		ctxTimeout, dial, dials, pause, read, write = o.ContextTimeoutEnabled, o.DialTimeout, o.DialerRetries, o.DialerRetryTimeout, o.ReadTimeout, o.WriteTimeout
	default:
		return nil
	}
	endless := read <= 0 || write <= 0 // go-redis has replaced its default by now
	switch held := max(read, write); {
	case ctxTimeout:
	case endless:
		costs = append(costs, "ContextTimeoutEnabled is false and ReadTimeout or WriteTimeout is off: an operation that a silent Redis never answers keeps its connection and its goroutine for ever; "+
			"set ContextTimeoutEnabled")
	case held > longOutage && held > 2*timeout:
		costs = append(costs, fmt.Sprintf("ContextTimeoutEnabled is false: an operation that was given up keeps its connection and its goroutine for ReadTimeout (%v); set it", held))
	}
	if all := time.Duration(max(1, dials)) * (dial + pause); dial <= 0 || all > 2*longOutage {
		costs = append(costs, fmt.Sprintf("DialTimeout %v with DialerRetries %d: where packets are dropped, a dial holds its place in the pool for up to %v; set DialTimeout to 1s and DialerRetries to 1",
			dial, max(1, dials), all))
	}
	return costs
}
