package tiercache_test

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// The checker finds faults that are planted in the nodes, each within two minutes, and nothing
// where nothing is planted. They are planted around the client, not in the cache.
func TestSoakFindsPlantedFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		in    soakMode
		plant plant
	}{
		"a node ignores 1 notice in 50":           {fairWeather(), ignoringNotices()},
		"a commit does not look at its lease":     {fairWeather(), ignoringLeases()},
		"tokens are trusted while a node is deaf": {deafWeather(), trustingTokens()},
	} {
		t.Run(name, func(t *testing.T) {
			s := tc.in.try(t, tc.plant, 2*time.Minute, true)
			t.Logf("the fault was committed %d times\n%s", tc.plant.used(), s.w.report(tc.in.name))
			if s.w.broken.Load() == 0 || tc.plant.used() == 0 {
				t.Errorf("in %v no violation was found", s.w.now())
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		s := fairWeather().try(t, plant{}, 4*time.Second, true)
		if t.Log("\n" + s.w.report("fair")); s.w.broken.Load() > 0 {
			t.Error("promises are broken")
		}
	})
}

// fairWeather is fair, so that what is found is what was planted. Values are changed while they
// are loaded, and some are then left alone.
func fairWeather() soakMode {
	return soakMode{
		name:    "fair",
		world:   worldConfig{keys: 240},
		node:    nodeConfig{slow: 60 * time.Millisecond},
		traffic: traffic{readers: 3, reads: 10, every: 30 * time.Millisecond, kinds: []string{"Set", "Delete", "Delete", "Expire"}},
		open: func(s *scene) bout {
			openThree(s)
			return func(_ int) { pause(s.alive, 200*time.Millisecond) }
		},
	}
}

// ignoringNotices makes the first node ignore one notice in fifty, as if it were another cache's:
// its number has been heard, so nothing is missing.
func ignoringNotices() plant {
	var n atomic.Int64
	return plant{used: n.Load, conn: func(_ *scene, node int) wrap {
		return func(conn net.Conn) net.Conn {
			return &lossy{Conn: conn, pass: func(raw []byte, text string) []byte {
				if node != 0 || !isNotice(text) || rand.N(50) != 0 {
					return raw
				}
				n.Add(1)
				return bytes.Replace(raw, []byte(" soak "), []byte(" none "), 1)
			}}
		}
	}}
}

// storeAnyway is the script that commits, without its guard.
const storeAnyway = `
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
if ARGV[3] ~= '0' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`

// ignoringLeases makes the commits of all nodes store whatever became of the lease. A commit is the
// script whose second argument is a record: a Set's is a notice.
func ignoringLeases() plant {
	const keys, record = 2, 6 // where they stand in the command
	var n atomic.Int64
	return plant{used: n.Load, hook: func(*scene, int) redis.Hook {
		return before(func(_ context.Context, cmds []redis.Cmder) error {
			for _, cmd := range cmds {
				args := cmd.Args()
				if len(args) <= record || !strings.HasPrefix(cmd.Name(), "eval") || args[keys] != 2 {
					continue
				}
				if b, ok := args[record].([]byte); ok && bytes.HasPrefix(b, []byte("WC01")) {
					args[0], args[1] = "eval", storeAnyway
					n.Add(1)
				}
			}
			return nil
		})
	}}
}

// trustingTokens makes nodes answer from what they knew when they ask for tokens while they are
// deaf.
func trustingTokens() plant {
	var n atomic.Int64
	return plant{used: n.Load, hook: func(s *scene, node int) redis.Hook {
		m := &memorized{ears: s.ears[node], known: make(map[string]string), used: &n}
		return around(m.send)
	}}
}

// memorized answers a deaf node's questions for tokens.
type memorized struct {
	ears *ears
	used *atomic.Int64

	mu    sync.Mutex
	known map[string]string
}

// token is the one that a command asks for.
func (*memorized) token(cmd redis.Cmder) (name string, reply *redis.StringCmd) {
	reply, ok := cmd.(*redis.StringCmd)
	if !ok || len(cmd.Args()) < 2 || !strings.HasPrefix(cmd.Name(), "get") {
		return "", nil
	}
	name, _ = cmd.Args()[1].(string)
	if !strings.HasPrefix(name, "{soak}:clear") && !strings.HasPrefix(name, "{soak}:tag") {
		return "", nil
	}
	return name, reply
}

func (m *memorized) send(_ context.Context, cmds []redis.Cmder, send func(...redis.Cmder) error) error {
	deaf := m.ears.stopped()
	m.mu.Lock()
	known := maps.Clone(m.known)
	m.mu.Unlock()
	err := send(cmds...)
	for _, cmd := range cmds {
		name, reply := m.token(cmd)
		switch {
		case reply == nil || reply.Err() != nil:
		case deaf && known[name] != "":
			if reply.Val() != known[name] {
				m.used.Add(1)
			}
			reply.SetVal(known[name])
		default:
			m.mu.Lock()
			m.known[name] = reply.Val()
			m.mu.Unlock()
		}
	}
	return err
}
