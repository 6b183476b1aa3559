package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// pair is a master and a replica that can be made to lag, behind a balancer that nodes connect
// through, or behind a name that leads to the master.
type pair struct {
	servers [2]*redistest.Server
	wires   [2]*redistest.Link // to each server, from the other one as its replica
	front   *redistest.Link
	named   bool
	answer  atomic.Pointer[string] // where the name leads
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := new(pair)
	for i := range p.servers {
		p.servers[i] = redistest.Start(t, "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
		p.wires[i] = redistest.Proxy(t, p.servers[i].Addr())
	}
	p.front = redistest.Proxy(t, p.servers[0].Addr())
	p.answer.Store(new(p.servers[0].Addr()))
	p.follow(t, 1, 0)
	return p
}

// follow makes one server the replica of the other, and waits until it is in step.
func (p *pair) follow(t *testing.T, replica, master int) {
	t.Helper()
	p.wires[master].Restore()
	host, port, _ := strings.Cut(p.wires[master].Addr(), ":")
	p.servers[replica].Do("REPLICAOF", host, port)
	p.inStep(t, replica, master)
}

// inStep waits until the replica has what the master has, and is old enough to be told from a
// server that was restarted.
func (p *pair) inStep(t *testing.T, replica, master int) {
	t.Helper()
	redistest.Eventually(t, 20*time.Second, func() error {
		m, r := p.servers[master], p.servers[replica]
		status, sent, got := r.Info("replication", "master_link_status"), m.Info("replication", "master_repl_offset"), r.Info("replication", "slave_repl_offset")
		if up, err := strconv.Atoi(r.Info("server", "uptime_in_seconds")); err != nil || up < 4 {
			return fmt.Errorf("the replica is up for %d s: promoted, it would count as restarted", up)
		}
		if status != "up" || sent != got {
			return fmt.Errorf("link %s, offset %s of %s", status, got, sent)
		}
		return nil
	})
}

// lag keeps the replica of a server from hearing more.
func (p *pair) lag(master int) { p.wires[master].Silence(redistest.Down) }

// promote makes a server the master, to which the balancer, or the name, sends new connections.
func (p *pair) promote(i int) {
	p.servers[i].Do("REPLICAOF", "NO", "ONE")
	p.front.Lead(p.servers[i].Addr())
	p.answer.Store(new(p.servers[i].Addr()))
}

// reach is the client's way to the pair.
func (p *pair) reach(o *redis.Options) {
	o.Addr = p.front.Addr()
	if p.named {
		o.Addr = "redis.example:6379"
		o.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, *p.answer.Load())
		}
	}
}

// node is a process that reaches the pair.
func (p *pair) node(t *testing.T, src *truth, cfg tiercache.RedisConfig) (*tiercache.Cache[string, string], *tiercache.Redis) {
	t.Helper()
	cfg.Timeout = 250 * time.Millisecond
	r, err := tiercache.NewRedis(newClient(t, p.reach), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	return newCache(t, tiercache.Config[string, string]{
		Name: "things", TTL: time.Hour, StaleFor: time.Hour, Redis: r, Load: src.load,
		Tags: func(string, string) []string { return []string{"t"} },
	}), r
}

// endings are the ways to end a value.
var endings = map[string]func(context.Context, *tiercache.Cache[string, string]) error{
	"Delete":         func(ctx context.Context, c *tiercache.Cache[string, string]) error { return c.Delete(ctx, "k") },
	"Expire":         func(ctx context.Context, c *tiercache.Cache[string, string]) error { return c.Expire(ctx, "k") },
	"Set":            func(ctx context.Context, c *tiercache.Cache[string, string]) error { return c.Set(ctx, "k", "new") },
	"InvalidateTags": func(ctx context.Context, c *tiercache.Cache[string, string]) error { return c.InvalidateTags(ctx, "t") },
	"Clear":          func(ctx context.Context, c *tiercache.Cache[string, string]) error { return c.Clear(ctx) },
}

// failovers are the ways to lose what a master has confirmed. lose is called before the
// invalidation, over after it.
var failovers = map[string]struct {
	named      bool
	hold       time.Duration
	lose, over func(t *testing.T, p *pair)
}{
	"a lagging replica is promoted": {
		lose: func(_ *testing.T, p *pair) { p.lag(0) },
		over: func(_ *testing.T, p *pair) {
			p.servers[0].Kill()
			p.promote(1)
		},
	},
	"it is promoted late": { // later than anything is remembered for
		hold: time.Second,
		lose: func(_ *testing.T, p *pair) { p.lag(0) },
		over: func(t *testing.T, p *pair) {
			p.servers[0].Kill()
			pause(t.Context(), 3*time.Second)
			p.promote(1)
		},
	},
	"the former master is promoted again": {
		lose: func(t *testing.T, p *pair) {
			p.promote(1)
			p.front.Cut()
			p.follow(t, 0, 1)
			pause(t.Context(), time.Second) // both nodes meet the new master
			p.inStep(t, 0, 1)
			p.lag(1)
		},
		over: func(_ *testing.T, p *pair) {
			p.servers[1].Kill()
			p.promote(0)
		},
	},
	"the same server comes back with another's data": {
		lose: func(_ *testing.T, p *pair) {
			p.lag(0)
			p.servers[1].Do("REPLICAOF", "NO", "ONE") // nobody hears of it yet
		},
		over: func(t *testing.T, p *pair) {
			pause(t.Context(), time.Second)
			p.follow(t, 0, 1)
			p.servers[0].Do("REPLICAOF", "NO", "ONE")
		},
	},
	"the name leads elsewhere, old connections stay open": {
		named: true,
		lose:  func(_ *testing.T, p *pair) { p.lag(0) },
		over: func(t *testing.T, p *pair) {
			p.promote(1)
			p.follow(t, 0, 1)
		},
	},
	"old connections stay open": {
		lose: func(_ *testing.T, p *pair) { p.lag(0) },
		over: func(t *testing.T, p *pair) {
			p.promote(1)
			p.follow(t, 0, 1)
		},
	},
}

// A failover loses what the replica had not heard of. The node that ended a value never sees it as
// fresh again, and soon nobody does.
func TestFailover(t *testing.T) {
	t.Parallel()
	for how, f := range failovers {
		for op, end := range endings {
			t.Run(how+"/"+op, func(t *testing.T) {
				t.Parallel()
				p, src := newPair(t), newTruth("old")
				p.named = f.named
				cfg := tiercache.RedisConfig{HoldLife: f.hold, TrustSnapshots: true} // else whatever is not known ends all
				a, ra := p.node(t, src, cfg)
				b, rb := p.node(t, src, cfg)
				coherent(t, ra, rb)
				get(t, a, "k", "old")
				get(t, b, "k", "old")
				p.inStep(t, 1, 0)
				f.lose(t, p)
				src.set("new")
				redistest.Eventually(t, 5*time.Second, func() error { return end(t.Context(), a) })
				get(t, a, "k", "new")
				f.over(t, p)
				promoted := time.Now()
				late := redistest.Late(t)
				redistest.Eventually(t, 10*time.Second, func() error {
					e, err := a.GetEntry(t.Context(), "k")
					if err == nil && e.Value != "new" && !e.Stale {
						t.Fatalf("%v after the promotion the node that ended the value reads %+v", time.Since(promoted), e)
					}
					for _, r := range []*tiercache.Redis{ra, rb} {
						if h := r.Health(); h.Pending > 0 || !h.Coherent || h.Breaker != tiercache.BreakerClosed {
							return fmt.Errorf("health %+v", h)
						}
					}
					if takeover := ra.Health().Epoch; takeover < 2 {
						return errors.New("nobody has noticed")
					}
					return nil
				})
				if took, lateBy := time.Since(promoted), late.Since(promoted); took > 2*time.Second+slack+lateBy {
					t.Errorf("recovered %v after the promotion; timers were late by %v", took, lateBy)
				}
				soon(t, b, "k", "new")
				pause(t.Context(), 500*time.Millisecond)
				c, _ := p.node(t, src, cfg)
				for range 50 {
					get(t, a, "k", "new")
					get(t, b, "k", "new")
					get(t, c, "k", "new")
				}
			})
		}
	}
}
