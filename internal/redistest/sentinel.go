package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// MasterName is what the Sentinels call their master.
const MasterName = "main"

// groupTimeout bounds what several servers have to agree on.
const groupTimeout = 60 * time.Second

// A SentinelGroup is a master with two replicas, watched by three Sentinels
// that take a silent master for dead after half a second.
type SentinelGroup struct {
	Nodes     []*Server // first the one that was master at the start
	Sentinels []*Server

	tb TB
}

// Sentinel starts a group and returns once its replicas are in step and every
// Sentinel knows all the others.
func Sentinel(tb TB) *SentinelGroup {
	tb.Helper()
	g := &SentinelGroup{tb: tb}
	quick := []string{"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"}
	master := Start(tb, quick...)
	g.Nodes = append(g.Nodes, master)
	for range 2 {
		g.Nodes = append(g.Nodes, Start(tb, append(quick, "--replicaof", host, strconv.Itoa(master.port))...))
	}
	for range 3 {
		g.Sentinels = append(g.Sentinels, watcher(tb, master))
	}
	for _, replica := range g.Nodes[1:] {
		Eventually(tb, groupTimeout, replica.linked)
	}
	for _, s := range g.Sentinels {
		Eventually(tb, groupTimeout, func() error {
			replicas, others := s.known("num-slaves"), s.known("num-other-sentinels")
			if replicas != "2" || others != "2" {
				return fmt.Errorf("a Sentinel knows %s replicas and %s other Sentinels, want 2 and 2", replicas, others)
			}
			return nil
		})
	}
	return g
}

// watcher starts one Sentinel process.
func watcher(tb TB, master *Server) *Server {
	tb.Helper()
	s := prepare(tb, nil)
	conf := filepath.Join(s.dir, "sentinel.conf") // it keeps its state there
	text := fmt.Sprintf(`bind %[1]s
sentinel monitor %[2]s %[1]s %[3]d 2
sentinel down-after-milliseconds %[2]s 500
sentinel failover-timeout %[2]s 3000
sentinel parallel-syncs %[2]s 2
`, host, MasterName, master.port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	s.args = func(port int) []string {
		return []string{conf, "--sentinel", "--port", strconv.Itoa(port)}
	}
	s.launch()
	return s
}

// linked tells whether a replica is in step with its master.
func (s *Server) linked() error {
	if state := s.Info("replication", "master_link_status"); state != "up" {
		return fmt.Errorf("the link of replica %s to its master is %q", s.Addr(), state)
	}
	return nil
}

// known returns a field of what a Sentinel knows of its master.
func (s *Server) known(name string) string {
	s.tb.Helper()
	list, ok := s.Do("SENTINEL", "MASTER", MasterName).([]any)
	for i := 0; ok && i+1 < len(list); i += 2 {
		if list[i] == name {
			return fmt.Sprint(list[i+1])
		}
	}
	return ""
}

// Addrs are the Sentinels' addresses.
func (g *SentinelGroup) Addrs() []string { return addrs(g.Sentinels) }

func addrs(servers []*Server) []string {
	list := make([]string, len(servers))
	for i, s := range servers {
		list[i] = s.Addr()
	}
	return list
}

// Client returns a client that follows the master, with go-redis's own
// defaults changed by the given functions, and closed when the test ends.
func (g *SentinelGroup) Client(change ...func(*redis.FailoverOptions)) *redis.Client {
	g.tb.Helper()
	opts := &redis.FailoverOptions{MasterName: MasterName, SentinelAddrs: g.Addrs()}
	for _, f := range change {
		f(opts)
	}
	client := redis.NewFailoverClient(opts)
	g.tb.Cleanup(func() { client.Close() }) //nolint:errcheck // the test may have closed it
	return client
}

// Master returns the master that all Sentinels agree on, waiting until they do.
func (g *SentinelGroup) Master() *Server {
	g.tb.Helper()
	return g.master(nil)
}

// KillMaster kills the master and returns it.
func (g *SentinelGroup) KillMaster() *Server {
	g.tb.Helper()
	master := g.Master()
	master.Kill()
	return master
}

// FreezeMaster stops the master as SIGSTOP does, and returns it. After its
// Cont it takes itself for the master until a Sentinel tells it otherwise.
func (g *SentinelGroup) FreezeMaster() *Server {
	g.tb.Helper()
	master := g.Master()
	master.Stop()
	return master
}

// Promoted waits until another server than old is the master, in its own view
// and in that of all Sentinels, and returns it.
func (g *SentinelGroup) Promoted(old *Server) *Server {
	g.tb.Helper()
	return g.master(old)
}

func (g *SentinelGroup) master(other *Server) (found *Server) {
	g.tb.Helper()
	Eventually(g.tb, groupTimeout, func() error {
		agreed := ""
		for _, s := range g.Sentinels {
			addr := net.JoinHostPort(s.known("ip"), s.known("port"))
			if agreed != "" && addr != agreed {
				return fmt.Errorf("the Sentinels name different masters, %s and %s", agreed, addr)
			}
			agreed = addr
		}
		for _, s := range g.Nodes {
			if s.Addr() != agreed {
				continue
			}
			if s == other {
				return fmt.Errorf("%s is still the master", agreed)
			}
			if role := s.Info("replication", "role"); role != "master" {
				return fmt.Errorf("%s is said to be the master, and says %q", agreed, role)
			}
			found = s
			return nil
		}
		return fmt.Errorf("no server of ours is at %s", agreed)
	})
	return found
}
