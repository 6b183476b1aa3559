package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// soakMode is one kind of bad weather: the servers and nodes it is for, what it does to them, and
// which promises hold meanwhile.
type soakMode struct {
	name  string
	world worldConfig
	traffic
	node  nodeConfig
	brief time.Duration // how long where SOAK is not set; each is through at least one bout
	// open starts servers and nodes, and returns what is done to them: one bout of trouble after
	// the other, each of which ends with all being well, in the test's goroutine.
	open func(s *scene) bout
	// enough reports whether enough has happened for the outcome to mean something; nil: it has.
	enough func(s *scene) error
}

type bout func(n int)

// weathers are all modes of the soak. A new one goes here.
func weathers() []soakMode {
	return append([]soakMode{
		fleetWeather(), deafWeather(), pairWeather(), sentinelWeather(), clusterWeather(),
		slotsWeather(), clockWeather(), pendingWeather(), tagWeather(),
	}, processWeathers()...)
}

// scene is a weather that is being tried.
type scene struct {
	*testing.T
	soakMode
	w        *world
	bad      *world // of the naive cache, where one runs beside
	nodes    []tiered
	ears     []*ears
	subjects []subject
	plant    plant
	alive    context.Context // ends with the traffic
	wg       sync.WaitGroup
	long     bool // SOAK is set
}

// plant is a fault put into the nodes to see whether it is found. The zero value is none.
type plant struct {
	conn func(s *scene, node int) wrap
	hook func(s *scene, node int) redis.Hook
	used func() int64 // how often the fault was committed
}

// dialer is that of a node: its ears can be stopped, and faults planted. Call it once a node,
// before addNode.
func (s *scene) dialer(dial dialer) dialer {
	e := new(ears)
	s.ears = append(s.ears, e)
	wraps := []wrap{e.wrap}
	if s.plant.conn != nil {
		wraps = append(wraps, s.plant.conn(s, len(s.ears)-1))
	}
	return wrapped(dial, wraps...)
}

// addNode makes a node on a client, with the weather's traffic on it.
func (s *scene) addNode(client redis.UniversalClient, cfg nodeConfig) tiered {
	s.Helper()
	s.Cleanup(func() { closing(s.T, client) })
	node := len(s.nodes)
	if s.plant.hook != nil {
		client.AddHook(s.plant.hook(s, node))
	}
	cfg.keys, cfg.current = len(s.w.records), s.w.current
	ours := newSoakNode(s.T, client, cfg)
	s.nodes = append(s.nodes, ours)
	s.addSubject(ours)
	return ours
}

func (s *scene) addSubject(sub subject) {
	s.subjects = append(s.subjects, sub)
	s.run(s.alive, s.w, len(s.subjects)-1, sub, &s.wg)
}

// coherent waits until all nodes hear each other again after another server has taken Redis's
// place: within 2 s, or 3 where a group has to agree.
func (s *scene) coherent(within time.Duration) {
	s.Helper()
	began := time.Now()
	var errs []error
	redistest.Eventually(s.T, 30*time.Second, func() error {
		errs = errs[:0]
		for i, n := range s.nodes {
			if h := n.redis.Health(); !h.Coherent || h.Breaker != tiercache.BreakerClosed {
				errs = append(errs, fmt.Errorf("node %d: health %+v", i, h))
			}
		}
		return errors.Join(errs...)
	})
	if took := time.Since(began); took > within && took > within+s.w.late.Since(began) {
		s.w.fault("regain", "the nodes heard each other again %v after the trouble, want %v", took, within)
	}
}

// try runs a weather for long, or until a promise is broken where first is set, and returns what
// was seen.
func (m soakMode) try(t *testing.T, p plant, long time.Duration, first bool) *scene {
	t.Helper()
	s := &scene{T: t, soakMode: m, w: newWorld(t, m.world), plant: p, long: os.Getenv("SOAK") != ""}
	ctx, cancel := context.WithCancel(t.Context())
	defer s.wg.Wait()
	defer cancel()
	s.alive = ctx
	do := m.open(s)
	s.coherent(10 * time.Second)
	began := time.Now()
	for n := 0; n == 0 || time.Since(began) < long; n++ {
		if do(n); first && s.w.broken.Load() > 0 {
			break
		}
	}
	for m.enough != nil && !first && m.enough(s) != nil && time.Since(began) < 5*long {
		pause(ctx, 100*time.Millisecond)
	}
	cancel()
	s.wg.Wait()
	return s
}

// agree waits for the calm, and checks that every node has come to read the truth.
func (s *scene) agree() {
	s.Helper()
	redistest.Eventually(s.T, 20*time.Second, func() error {
		for i, c := range s.nodes {
			if n := c.Stats().Pending; n > 0 {
				return fmt.Errorf("node %d: %d invalidations are pending", i, n)
			}
		}
		return nil
	})
	redistest.Eventually(s.T, max(s.w.ttl, 10*time.Second), func() error {
		var errs []error
		for i, c := range s.subjects {
			for key := range s.w.records {
				if v, _, err := c.read(s.Context(), key); v != s.w.current(key) || err != nil {
					errs = append(errs, fmt.Errorf("node %d: %s is %d, %w; want %d", i, keyName(key), v, err, s.w.current(key)))
				}
			}
		}
		return errors.Join(errs...)
	})
}

// All promises hold in each weather. SOAK is how long each takes, such as 30m; without it they are
// brief, and a few run beside each other, as they mostly wait.
func TestSoakWeather(t *testing.T) {
	beside := 3
	text := os.Getenv("SOAK")
	if text != "" {
		beside = 1
	}
	turn := make(chan struct{}, beside)
	var all sync.WaitGroup
	for _, m := range weathers() {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			t.Run(m.name, func(t *testing.T) {
				long := m.brief
				if text != "" {
					var err error
					if long, err = time.ParseDuration(text); err != nil {
						t.Fatalf("SOAK: %v", err)
					}
				}
				s := m.try(t, plant{}, long, false)
				t.Log("\n" + s.w.report(m.name))
				if s.w.broken.Load() > 0 {
					t.Error("promises are broken")
				}
				if m.enough != nil {
					if err := m.enough(s); err != nil {
						t.Error(err)
					}
				}
				if !t.Failed() {
					s.agree()
				}
				for i, c := range s.nodes {
					st := c.Stats()
					t.Logf("node %d: %d notices sent, %d received, %d lost, %d epochs, %d loads, %d refused", i, st.NoticesSent, st.NoticesReceived, st.NoticesLost, st.Epoch, st.Loads, st.Refused)
				}
			})
		})
	}
	all.Wait()
}

// portOf is the port of an address, for commands that want it apart.
func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
