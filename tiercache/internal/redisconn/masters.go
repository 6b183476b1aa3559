package redisconn

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
	Cluster *redis.ClusterClient // nil: not one

	mu  sync.RWMutex
	all map[string]*master
	// the masters as they were last known; nil until they are
	surveyed map[string]redis.UniversalClient
	survey   uint64 // which is the last one that was begun
	latest   uint64 // which has brought surveyed
}

// master is one of them.
type master struct {
	Addr    string // AnyMaster where it is the only one
	breaker breaker
	slots   chan struct{} // bounds the operations under way, those that were given up included
}

// maxOperations is how many operations may be under way at once on one master. What a frozen server
// holds on to counts too, so that it cannot collect goroutines.
const maxOperations = 1024

// AnyMaster stands for what is not about a key: in a Cluster whichever master is asked.
const AnyMaster = ""

func newMasters(client redis.UniversalClient) *masters {
	s := &masters{client: client, all: make(map[string]*master)}
	if cluster, ok := client.(*redis.ClusterClient); ok {
		s.Cluster = cluster
	} else {
		s.surveyed = map[string]redis.UniversalClient{AnyMaster: client}
	}
	return s
}

// Of is the master with that address.
func (s *masters) Of(addr string) *master {
	s.mu.RLock()
	m := s.all[addr]
	s.mu.RUnlock()
	if m != nil {
		return m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m = s.all[addr]; m == nil {
		m = &master{Addr: addr, slots: make(chan struct{}, maxOperations)}
		s.all[addr] = m
	}
	return m
}

// OfKey is the master that has the key, as far as that is known without asking.
func (s *masters) OfKey(ctx context.Context, key string) *master {
	if s.Cluster == nil {
		return s.Of(AnyMaster)
	}
	node, err := s.Cluster.MasterForKey(ctx, key)
	if err != nil {
		return s.Of(AnyMaster)
	}
	return s.Of(node.Options().Addr)
}

// Known is the masters that were last known; in a Cluster none until the first survey. The map is
// not to be changed.
func (s *masters) Known() map[string]redis.UniversalClient {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.surveyed
}

// Survey asks the Cluster for its masters, by which go-redis also loads its slots anew: by itself
// it believes in a dead master for most of a minute. Of two looks under way at once the later one
// counts: the earlier may have asked a node that was frozen.
func (s *masters) Survey(ctx context.Context) error {
	if s.Cluster == nil {
		return nil
	}
	s.mu.Lock()
	s.survey++
	number := s.survey
	s.mu.Unlock()
	var mu sync.Mutex
	seen := make(map[string]redis.UniversalClient)
	err := eachMaster(ctx, s.Cluster, func(_ context.Context, master string, client redis.UniversalClient) error {
		mu.Lock()
		defer mu.Unlock()
		seen[master] = client
		return nil
	})
	if err != nil || len(seen) == 0 {
		return cmp.Or(err, ErrNoMasters)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < s.latest {
		return nil
	}
	s.latest, s.surveyed = number, seen
	for master := range s.all {
		if seen[master] == nil && master != AnyMaster {
			delete(s.all, master)
		}
	}
	return nil
}

// State is the worst one.
func (s *masters) State() State {
	s.mu.RLock()
	defer s.mu.RUnlock()
	worst := Closed
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
	if s.Cluster == nil {
		return []part{{s.Of(AnyMaster), FirstInts(n)}}, nil
	}
	var parts []part
	for i := range n {
		node, err := s.Cluster.MasterForKey(ctx, key(i))
		if err != nil {
			return nil, err
		}
		m := s.Of(node.Options().Addr)
		p := slices.IndexFunc(parts, func(p part) bool { return p.master == m })
		if p < 0 {
			p = len(parts)
			parts = append(parts, part{master: m})
		}
		parts[p].at = append(parts[p].at, i)
	}
	return parts, nil
}

// FirstInts is 0 … n-1, not to be changed.
func FirstInts(n int) []int {
	if n <= len(someInts) {
		return someInts[:n:n]
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// mostShared bounds the numbers that FirstInts has at hand.
const mostShared = 512

var someInts = func() (all [mostShared]int) { //nolint:gochecknoglobals // a constant
	for i := range all {
		all[i] = i
	}
	return all
}()

// eachMaster calls fn for each master of a Cluster, or for the one server.
func eachMaster(ctx context.Context, client redis.UniversalClient, fn func(context.Context, string, redis.UniversalClient) error) error {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return fn(ctx, AnyMaster, client)
	}
	return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		return fn(ctx, master.Options().Addr, master)
	})
}
