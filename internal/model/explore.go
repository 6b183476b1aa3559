package model

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// Budget bounds how often something may happen in a scenario.
type Budget struct {
	Writes, Loads, Runs [2]uint8 // on each of the nodes

	Fail     uint8 // a reply, or a request, is lost
	Lose     uint8 // a notice is lost on its way
	Cut      uint8 // a subscription ends
	Die      uint8 // a node dies
	Detach   uint8 // the replica loses its master
	Failover uint8
	Evict    uint8 // Redis is full, and something in it goes
	Step     uint8 // the server's clock is set
	Tick     uint8 // half a TTL passes
}

// Scenario bounds an exploration.
type Scenario struct {
	Name string
	Budget

	Deeds   []deed // the invalidations there are
	InOrder bool   // each of them once, in this order
	Depth   int    // at most so many steps; 0: no bound but the budget
	Cold    bool   // neither Redis nor memory has the key at first
	Replica bool
	Cluster bool // the key and the tokens are in shards of their own
	Restart bool // the failover is a restart from a snapshot
}

// Bounds is the scenario's bounds in words.
func (sc Scenario) Bounds() string {
	var words []string
	nodes := func(n [2]uint8, what string) {
		for i, n := range n {
			if n > 0 {
				words = append(words, fmt.Sprintf("%c %s %d", 'A'+i, what, n))
			}
		}
	}
	names := make([]string, len(sc.Deeds))
	for i, d := range sc.Deeds {
		names[i] = d.String()
	}
	nodes(sc.Writes, strings.Join(names, "/"))
	nodes(sc.Loads, "looks up")
	nodes(sc.Runs, "warms")
	failover := "failover"
	if sc.Restart {
		failover = "restart"
	}
	for _, fault := range []struct {
		n    uint8
		what string
	}{
		{sc.Fail, "lost request or reply"},
		{sc.Lose, "lost notice"},
		{sc.Cut, "cut subscription"},
		{sc.Die, "death of a node"},
		{sc.Detach, "cut replica"},
		{sc.Failover, failover},
		{sc.Evict, "eviction"},
		{sc.Step, "clock step"},
		{sc.Tick, "half TTL"},
	} {
		if fault.n > 0 {
			words = append(words, fmt.Sprintf("%s %d", fault.what, fault.n))
		}
	}
	return strings.Join(words, ", ")
}

func (m *machine) deeds(d deed) bool { return slices.Contains(m.Deeds, d) }

// Result is what an exploration found.
type Result struct {
	States int
	Depth  int      // of the longest history
	Broken string   // the guarantee that is broken, "" for none
	Trace  []string // how, in as few steps as possible

	Complete bool // all was visited that the scenario bounds
}

// machine is a running exploration.
type machine struct {
	Scenario
	rules Rules

	from   int // the state whose successors are being listed
	states []state
	parent []int
	via    []act
	depth  []int
	seen   map[uint64]bool // hashes of the states; of a million, two are equal once in 40 million runs
	seed   maphash.Seed
}

// most bounds an exploration that is out of hand.
const most = 2_000_000

// Explore visits, breadth first, all that can happen in the scenario under some of the rules, and
// stops at the first state that breaks a guarantee.
func (sc Scenario) Explore(rules Rules) Result {
	m := &machine{Scenario: sc, rules: rules, seen: make(map[uint64]bool), seed: maphash.MakeSeed()}
	m.add(sc.start(), -1, act{})
	for ; m.from < len(m.states) && len(m.states) < most; m.from++ {
		s := m.states[m.from]
		if b := m.check(&s); b != fine {
			return Result{States: len(m.states), Depth: m.depth[m.from], Broken: b.String(), Trace: m.trace(m.from)}
		}
		if m.Depth > 0 && m.depth[m.from] >= m.Depth {
			continue
		}
		m.server(s)
		for n := range s.node {
			if s.node[n].gone {
				continue
			}
			m.loads(s, n)
			m.writes(s, n)
			m.replays(s, n)
			m.warms(s, n)
			m.channel(s, n)
		}
	}
	return Result{States: len(m.states), Depth: m.depth[len(m.depth)-1], Complete: m.from == len(m.states)}
}

// to adds a successor of the present state. The first act of a node is node A's: the nodes are
// alike.
func (m *machine) to(s state, a act) {
	if a.verb.ofNode() && !s.moved {
		if a.node == 1 && !m.unlike() {
			return
		}
		s.moved = true
	}
	m.add(s, m.from, a)
}

// unlike reports whether the scenario's bounds tell the nodes apart.
func (m *machine) unlike() bool {
	return m.Writes[0] != m.Writes[1] || m.Loads[0] != m.Loads[1] || m.Runs[0] != m.Runs[1]
}

func (m *machine) add(s state, from int, a act) {
	s.rename()
	hash := maphash.Comparable(m.seed, s)
	if m.seen[hash] {
		return
	}
	m.seen[hash] = true
	m.states, m.parent, m.via = append(m.states, s), append(m.parent, from), append(m.via, a)
	if from < 0 {
		m.depth = append(m.depth, 0)
	} else {
		m.depth = append(m.depth, m.depth[from]+1)
	}
}

// trace is how a state was reached.
func (m *machine) trace(at int) []string {
	var lines []string
	for ; m.parent[at] >= 0; at = m.parent[at] {
		lines = append(lines, m.via[at].String())
	}
	slices.Reverse(lines)
	return lines
}

// start is the state in which a scenario begins: version 0 is everywhere, unless it is cold.
func (sc Scenario) start() state {
	s := state{left: sc.Budget, attached: sc.Replica, fresh: 3}
	s.hist = [shards]history{{id: 1}, {id: 1}}
	s.master = data{clear: 1, tag: token{2, 3, 0}, mark: 3}
	if !sc.Cold {
		s.master.record = record{kind: value, clear: 1, tag: 2, dead: life}
	}
	if sc.Replica || sc.Restart {
		s.replica = s.master
	}
	for n := range s.node {
		s.node[n] = node{
			has: !sc.Cold, valid: !sc.Cold, young: !sc.Cold, clear: 1, tag: 2,
			linked: true, heard: true, beat: true, hist: [shards]uint8{1, 1},
		}
		if !sc.Cold {
			s.node[n].till = life
		}
	}
	return s
}
