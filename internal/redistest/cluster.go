package redistest

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// A ClusterGroup is a Redis Cluster of three masters with a replica each. A
// node that is silent for two seconds is taken for dead.
type ClusterGroup struct {
	Nodes []*Server

	tb TB
}

// Cluster starts a Cluster and returns once all nodes agree on its slots and
// every replica is in step.
func Cluster(tb TB) *ClusterGroup {
	tb.Helper()
	cli := executable(tb, "redis-cli")
	g := &ClusterGroup{tb: tb}
	for range 6 {
		g.Nodes = append(g.Nodes, Start(tb,
			"--cluster-enabled", "yes", "--cluster-node-timeout", "2000",
			"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"))
	}
	args := append([]string{"--cluster", "create"}, g.Addrs()...)
	args = append(args, "--cluster-replicas", "1", "--cluster-yes")
	if out, err := exec.CommandContext(tb.Context(), cli, args...).CombinedOutput(); err != nil {
		tb.Fatalf("redistest: redis-cli %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	for _, node := range g.Nodes {
		Eventually(tb, groupTimeout, node.joined)
	}
	return g
}

// joined tells whether a node sees the whole Cluster in order.
func (s *Server) joined() error {
	text, ok := s.Do("CLUSTER", "INFO").(string)
	if state, n := field(text, "cluster_state"), field(text, "cluster_known_nodes"); !ok || state != "ok" || n != "6" {
		return fmt.Errorf("node %s sees the Cluster in state %q with %s nodes, want ok and 6", s.Addr(), state, n)
	}
	if s.Info("replication", "role") == "master" {
		if n := s.Info("replication", "connected_slaves"); n != "1" {
			return fmt.Errorf("master %s has %s replicas, want 1", s.Addr(), n)
		}
		return nil
	}
	return s.linked()
}

// Addrs are the addresses of all nodes.
func (g *ClusterGroup) Addrs() []string { return addrs(g.Nodes) }

// Client returns a Cluster client with go-redis's own defaults, changed by the
// given functions, and closed when the test ends.
func (g *ClusterGroup) Client(change ...func(*redis.ClusterOptions)) *redis.ClusterClient {
	g.tb.Helper()
	opts := &redis.ClusterOptions{Addrs: g.Addrs()}
	for _, f := range change {
		f(opts)
	}
	client := redis.NewClusterClient(opts)
	g.tb.Cleanup(func() { client.Close() }) //nolint:errcheck // the test may have closed it
	return client
}

// Masters returns the running nodes that are masters at the moment.
func (g *ClusterGroup) Masters() []*Server {
	g.tb.Helper()
	var masters []*Server
	for _, node := range g.Nodes {
		if node.Running() && node.Info("replication", "role") == "master" {
			masters = append(masters, node)
		}
	}
	return masters
}

// Owner returns the master that serves key's slot, waiting until some running
// node knows one that runs: after the old one's death, its promoted replica.
func (g *ClusterGroup) Owner(key string) (owner *Server) {
	g.tb.Helper()
	Eventually(g.tb, groupTimeout, func() error {
		for _, node := range g.Masters() {
			slot, ok := node.Do("CLUSTER", "KEYSLOT", key).(int64)
			if !ok {
				return fmt.Errorf("node %s: no slot for %q", node.Addr(), key)
			}
			if node.owns(slot) {
				owner = node
				return nil
			}
		}
		return fmt.Errorf("no running master serves the slot of %q", key)
	})
	return owner
}

// owns looks the slot up in the node's own line of CLUSTER NODES:
// id addr flags master ping pong epoch state first-last first-last [slot-<-id].
func (s *Server) owns(slot int64) bool {
	text, ok := s.Do("CLUSTER", "NODES").(string)
	if !ok {
		return false
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 8 || !strings.Contains(fields[2], "myself") {
			continue
		}
		return slices.ContainsFunc(fields[8:], func(slots string) bool {
			first, last, isRange := strings.Cut(slots, "-")
			if !isRange {
				last = first
			}
			a, errA := strconv.ParseInt(first, 10, 64)
			b, errB := strconv.ParseInt(last, 10, 64)
			return errA == nil && errB == nil && a <= slot && slot <= b
		})
	}
	return false
}

// OpenSlot leaves the slot of key between its master and another one, as a reshard does that was
// interrupted: a key that is there already stays, one that is not goes to the other master, and a
// command on keys of both kinds is answered with TRYAGAIN.
func (g *ClusterGroup) OpenSlot(key string, to *Server) (slot, target any) {
	g.tb.Helper()
	from := g.Owner(key)
	slot = from.Do("CLUSTER", "KEYSLOT", key)
	source, target := from.Do("CLUSTER", "MYID"), to.Do("CLUSTER", "MYID")
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", source)
	from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", target)
	return slot, target
}

// MoveSlot moves the slot of key, with all its keys, to another master, as
// redis-cli --cluster reshard does; clients see MOVED and ASK meanwhile.
func (g *ClusterGroup) MoveSlot(key string, to *Server) {
	g.tb.Helper()
	from := g.Owner(key)
	if from == to {
		return
	}
	slot, target := g.OpenSlot(key, to)
	for {
		keys, ok := from.Do("CLUSTER", "GETKEYSINSLOT", slot, 100).([]any)
		if !ok || len(keys) == 0 {
			break
		}
		from.Do(append([]any{"MIGRATE", host, to.port, "", 0, 5000, "KEYS"}, keys...)...)
	}
	// A slot goes to whoever claims it with the greatest epoch. After quick moves two masters may
	// have the same one, and what the old owner has said before can undo the move for good.
	Eventually(g.tb, groupTimeout, func() error {
		to.Do("CLUSTER", "BUMPEPOCH")
		// The new owner first: a slot without one would make the others refuse.
		for _, master := range append([]*Server{to, from}, g.Masters()...) {
			master.Do("CLUSTER", "SETSLOT", slot, "NODE", target)
		}
		return g.agree(slot, to)
	})
}

// agree returns an error unless all masters say that the slot is owner's alone, and that nobody
// else has an epoch as great as owner's.
func (g *ClusterGroup) agree(slot any, owner *Server) error {
	epoch := owner.clusterInfo("cluster_my_epoch")
	for _, master := range g.Masters() {
		if n, ok := slot.(int64); !ok || master.owns(n) != (master == owner) {
			return fmt.Errorf("node %s does not have slot %v alone", owner.Addr(), slot)
		}
		current := master.clusterInfo("cluster_current_epoch")
		mine := master.clusterInfo("cluster_my_epoch")
		if current != epoch || mine == epoch && master != owner {
			return fmt.Errorf("node %s has epoch %s of %s, the owner of slot %v %s", master.Addr(), mine, current, slot, epoch)
		}
	}
	return nil
}

// clusterInfo is a field of CLUSTER INFO.
func (s *Server) clusterInfo(name string) string {
	text, _ := s.Do("CLUSTER", "INFO").(string)
	return field(text, name)
}
