package tiercache_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
)

// lasting shows what a failover brings back: most keys are read by one node alone, and most reads
// go to Redis, as memory is small.
func lasting(m soakMode) soakMode {
	m.world.keys, m.node.capacity = 240, 24
	m.traffic = traffic{readers: 2, reads: 10, every: 40 * time.Millisecond, kinds: allKinds, clear: 400, apart: 3, shared: 60}
	return m
}

// A master and a replica that lags behind it. The master is lost and the replica is promoted late;
// or they part, and the master comes back with what the replica had (a split that was healed).
// A balancer leads to whichever is the master.
func pairWeather() soakMode {
	return lasting(soakMode{
		name: "pair", brief: 6 * time.Second,
		open: func(s *scene) bout {
			p := newSoakPair(s)
			for range 3 {
				s.addNode(redis.NewClient(plain("balancer:6379", s.dialer(p.front.dial))), s.node)
			}
			return func(n int) {
				p.inStep()
				pause(s.alive, 700*time.Millisecond+rand.N(500*time.Millisecond))
				p.links[p.master].Silence(redistest.Down)
				pause(s.alive, 400*time.Millisecond+rand.N(400*time.Millisecond))
				var over func()
				if n%2 == 1 {
					over = p.promoteLate(p.lateness(n))
				} else {
					over = p.healSplit()
				}
				s.coherent(2 * time.Second)
				over()
				pause(s.alive, 3*time.Second) // what came back is to be read
			}
		},
	})
}

// soakPair is two servers, of which one replicates the other through a link.
type soakPair struct {
	*scene
	servers [2]*redistest.Server
	links   [2]*redistest.Link // that lead to the servers, for replication
	front   *balancer
	master  int
}

func newSoakPair(s *scene) *soakPair {
	p := &soakPair{scene: s}
	for i := range p.servers {
		p.servers[i] = redistest.Start(s, "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
		p.links[i] = redistest.Proxy(s, p.servers[i].Addr())
	}
	p.front = newBalancer(p.servers[0].Addr())
	p.follow(1, 0)
	return p
}

func (p *soakPair) follow(replica, master int) {
	p.servers[replica].Do("REPLICAOF", "127.0.0.1", portOf(p.T, p.links[master].Addr()))
}

func (p *soakPair) inStep() { p.linked(p.servers[1-p.master]) }

// linked waits until a replica is in step with its master.
func (s *scene) linked(replica *redistest.Server) {
	s.Helper()
	redistest.Eventually(s.T, time.Minute, func() error { // a busy machine holds elections up
		if state := replica.Info("replication", "master_link_status"); state != "up" {
			return fmt.Errorf("the link of replica %s is %q", replica.Addr(), state)
		}
		return nil
	})
}

// lateness is how long after its master's loss a replica is promoted. Where there is time it is
// now and then over a minute.
func (p *soakPair) lateness(n int) time.Duration {
	if p.long && n%40 == 3 {
		return 70 * time.Second
	}
	return rand.N(2 * time.Second)
}

// promoteLate loses the master, and promotes the replica after a while. The other comes back empty,
// as its replica.
func (p *soakPair) promoteLate(late time.Duration) (over func()) {
	old := p.master
	p.servers[old].Kill()
	pause(p.alive, late)
	over = p.w.disturb()
	p.links[old].Cut()
	p.master = 1 - old
	p.servers[p.master].Do("REPLICAOF", "NO", "ONE")
	p.front.turn(p.servers[p.master].Addr())
	p.links[old].Restore()
	p.servers[old].Restart()
	p.follow(old, p.master)
	return over
}

// healSplit promotes the replica behind the master's back, makes the master its replica, and then
// the master again: the same server, with other data.
func (p *soakPair) healSplit() (over func()) {
	m, r := p.master, 1-p.master
	over = p.w.disturb()
	p.links[m].Cut()
	p.servers[r].Do("REPLICAOF", "NO", "ONE")
	p.links[m].Restore()
	p.follow(m, r)
	p.linked(p.servers[m])
	p.servers[m].Do("REPLICAOF", "NO", "ONE")
	p.follow(r, m)
	return over
}

// cutOff makes replicas lag: they lose their master, and may not come back before the returned
// function is called.
func cutOff(master *redistest.Server, replicas ...*redistest.Server) (restore func()) {
	for _, r := range replicas {
		r.Do("CONFIG", "SET", "masterauth", "wrong") // the master knows no password, and refuses it
	}
	master.Do("CLIENT", "KILL", "TYPE", "replica")
	return func() {
		for _, r := range replicas {
			r.Do("CONFIG", "SET", "masterauth", "")
		}
	}
}

// Sentinels promote replicas that had lost their master a moment before it died; the former masters
// come back, and are masters again.
func sentinelWeather() soakMode {
	return lasting(soakMode{
		name: "sentinel", brief: time.Second, // one bout
		open: func(s *scene) bout {
			group := redistest.Sentinel(s)
			for range 3 {
				dial := s.dialer(dialDirect)
				s.addNode(group.Client(func(o *redis.FailoverOptions) {
					o.Dialer, o.DialTimeout, o.DialerRetries, o.ContextTimeoutEnabled = dial, time.Second, 1, true
				}), s.node)
			}
			return func(_ int) {
				master := group.Master()
				var replicas []*redistest.Server
				for _, r := range group.Nodes {
					if r != master {
						s.linked(r)
						replicas = append(replicas, r)
					}
				}
				pause(s.alive, time.Second)
				restore := cutOff(master, replicas...)
				pause(s.alive, 700*time.Millisecond+rand.N(400*time.Millisecond))
				s.Logf("replicas lag: one is at %s of %s", replicas[0].Info("replication", "slave_repl_offset"), master.Info("replication", "master_repl_offset"))
				master.Kill()
				restore()
				over := s.w.disturb()
				group.Promoted(master)
				s.coherent(3 * time.Second)
				over()
				pause(s.alive, 3*time.Second)
				master.Restart()
			}
		},
	})
}

// A shard of a Cluster fails over by order, its replica dies, and the former master, which lags, is
// promoted again at its old address.
func clusterWeather() soakMode {
	return lasting(soakMode{
		name: "cluster", brief: time.Second, // one bout
		open: func(s *scene) bout {
			group := redistest.Cluster(s)
			addClusterNodes(s, group)
			return func(_ int) {
				master := group.Owner("soak:" + keyName(rand.N(240)))
				replica := replicaOf(s, group, master)
				s.linked(replica)
				var ordered time.Time
				redistest.Eventually(s.T, time.Minute, func() error {
					if role := replica.Info("replication", "role"); role == "master" {
						return nil
					}
					if time.Since(ordered) > 6*time.Second { // Redis gives an order up after 5 s
						ordered = time.Now()
						replica.Do("CLUSTER", "FAILOVER")
					}
					return errors.New("the replica is not promoted")
				})
				s.linked(master)
				pause(s.alive, 1500*time.Millisecond)
				restore := cutOff(replica, master)
				pause(s.alive, 700*time.Millisecond+rand.N(400*time.Millisecond))
				s.Logf("the replica lags: it is at %s of %s", master.Info("replication", "slave_repl_offset"), replica.Info("replication", "master_repl_offset"))
				replica.Kill()
				restore()
				over := s.w.disturb()
				master.Do("CLUSTER", "FAILOVER", "TAKEOVER")
				s.coherent(3 * time.Second)
				over()
				pause(s.alive, 3*time.Second)
				replica.Restart()
				s.linked(replica)
			}
		},
	})
}

func addClusterNodes(s *scene, group *redistest.ClusterGroup) {
	for range 3 {
		dial := s.dialer(dialDirect)
		s.addNode(group.Client(func(o *redis.ClusterOptions) {
			o.Dialer, o.DialTimeout, o.DialerRetries, o.ContextTimeoutEnabled = dial, time.Second, 1, true
		}), s.node)
	}
}

func replicaOf(s *scene, group *redistest.ClusterGroup, master *redistest.Server) (replica *redistest.Server) {
	redistest.Eventually(s.T, time.Minute, func() error { // a busy machine holds elections up
		for _, r := range group.Nodes {
			if r.Info("replication", "role") == "slave" && r.Info("replication", "master_port") == portOf(s.T, master.Addr()) {
				replica = r
				return nil
			}
		}
		return fmt.Errorf("no replica of %s", master.Addr())
	})
	return replica
}
