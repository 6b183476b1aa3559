package tiercache

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
)

// masters is the masters of a Redis: of a Cluster, several, found by their addresses; else one,
// with the address "". Each has a breaker of its own, and room of its own for operations under way,
// so that one dead shard is one shard's trouble.
type masters struct {
	client  redis.UniversalClient
	cluster *redis.ClusterClient // nil: not one

	mu       sync.RWMutex
	all      map[string]*master
	surveyed map[string]redis.UniversalClient // the masters as they were last known; nil until they are
	survey   uint64                           // which is the last one that was begun
	latest   uint64                           // which has brought surveyed
}

// master is one of them.
type master struct {
	addr    string // anyMaster where it is the only one
	breaker breaker
	slots   chan struct{} // bounds the operations under way, those that were given up included
}

// maxOperations is how many operations may be under way at once on one master. What a frozen server
// holds on to counts too, so that it cannot collect goroutines.
const maxOperations = 1024

// anyMaster stands for what is not about a key: in a Cluster whichever master is asked.
const anyMaster = ""

func newMasters(client redis.UniversalClient) *masters {
	s := &masters{client: client, all: make(map[string]*master)}
	if cluster, ok := client.(*redis.ClusterClient); ok {
		s.cluster = cluster
	} else {
		s.surveyed = map[string]redis.UniversalClient{anyMaster: client}
	}
	return s
}

// of is the master with that address.
func (s *masters) of(addr string) *master {
	s.mu.RLock()
	m := s.all[addr]
	s.mu.RUnlock()
	if m != nil {
		return m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m = s.all[addr]; m == nil {
		m = &master{addr: addr, slots: make(chan struct{}, maxOperations)}
		s.all[addr] = m
	}
	return m
}

// ofKey is the master that has the key, as far as that is known without asking.
func (s *masters) ofKey(ctx context.Context, key string) *master {
	if s.cluster == nil {
		return s.of(anyMaster)
	}
	node, err := s.cluster.MasterForKey(ctx, key)
	if err != nil {
		return s.of(anyMaster)
	}
	return s.of(node.Options().Addr)
}

// masters are those that were last known; in a Cluster none until the first survey. The map is not
// to be changed.
func (s *masters) known() map[string]redis.UniversalClient {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.surveyed
}

// look asks the Cluster for its masters, by which go-redis also loads its slots anew: by itself it
// believes in a dead master for most of a minute. Of two looks under way at once the later one
// counts: the earlier may have asked a node that was frozen.
func (s *masters) look(ctx context.Context) error {
	if s.cluster == nil {
		return nil
	}
	s.mu.Lock()
	s.survey++
	number := s.survey
	s.mu.Unlock()
	var mu sync.Mutex
	seen := make(map[string]redis.UniversalClient)
	err := eachMaster(ctx, s.cluster, func(_ context.Context, master string, client redis.UniversalClient) error {
		mu.Lock()
		defer mu.Unlock()
		seen[master] = client
		return nil
	})
	if err != nil || len(seen) == 0 {
		return cmp.Or(err, errNoMasters)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < s.latest {
		return nil
	}
	s.latest, s.surveyed = number, seen
	for master := range s.all {
		if seen[master] == nil && master != anyMaster {
			delete(s.all, master)
		}
	}
	return nil
}

// state is the worst one.
func (s *masters) state() BreakerState {
	s.mu.RLock()
	defer s.mu.RUnlock()
	worst := BreakerClosed
	for _, m := range s.all {
		if state := m.breaker.current(); state.worse(worst) {
			worst = state
		}
	}
	return worst
}

// part is the keys, by their positions, that are on one shard.
type part struct {
	master *master
	at     []int
}

// split sorts n keys by shard. It asks nobody: once the slots are known go-redis answers from
// memory.
func (s *masters) split(ctx context.Context, n int, key func(i int) string) ([]part, error) {
	if s.cluster == nil {
		return []part{{s.of(anyMaster), firstInts(n)}}, nil
	}
	var parts []part
	for i := range n {
		node, err := s.cluster.MasterForKey(ctx, key(i))
		if err != nil {
			return nil, err
		}
		m := s.of(node.Options().Addr)
		p := slices.IndexFunc(parts, func(p part) bool { return p.master == m })
		if p < 0 {
			p = len(parts)
			parts = append(parts, part{master: m})
		}
		parts[p].at = append(parts[p].at, i)
	}
	return parts, nil
}

// firstInts is 0 … n-1, not to be changed.
func firstInts(n int) []int {
	if n <= len(someInts) {
		return someInts[:n:n]
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

var someInts = func() (all [2 * batchKeys]int) { //nolint:gochecknoglobals // a constant
	for i := range all {
		all[i] = i
	}
	return all
}()

// eachMaster calls fn for each master of a Cluster, or for the one server.
func eachMaster(ctx context.Context, client redis.UniversalClient, fn func(context.Context, string, redis.UniversalClient) error) error {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return fn(ctx, anyMaster, client)
	}
	return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		return fn(ctx, master.Options().Addr, master)
	})
}
