package warm_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// The test binary is also a node: it is one where these are set.
const (
	nodeAddress = "WARM_TEST_NODE"   // host:port of its Redis
	nodePrefix  = "WARM_TEST_PREFIX" // of its keys there
	nodeHangs   = "WARM_TEST_HANGS"  // its loader stands still half way, until it is told to go on
)

const (
	fleetKeys     = 600
	fleetLockLife = 2 * time.Second
	passCounter   = "source-passes" // the source counts who asks it, in the same Redis, so that it survives whoever asked
)

// fleetOf is what in-process and child nodes have in common.
func fleetOf(client redis.UniversalClient, prefix string) fleetConfig {
	l := rows("popular", keysOf(fleetKeys)...)
	l.Required = true
	load := l.Load
	l.Load = func(ctx context.Context, emit func(string, string) error) error {
		if err := client.Incr(ctx, prefix+passCounter).Err(); err != nil {
			return err
		}
		return load(ctx, emit)
	}
	return fleetConfig{
		loader: l, redis: tiercache.RedisConfig{Prefix: prefix, Timeout: 10 * time.Second},
		engine: warm.Config{LockLife: fleetLockLife, Timeout: 2 * time.Minute, ReadyTimeout: 2 * time.Minute},
	}
}

// nodeProcess is the main function of a child. It says on stdout how far it has come, and ends when
// its stdin does.
func nodeProcess(address string) int {
	client := redis.NewClient(&redis.Options{Addr: address})
	cfg := fleetOf(client, os.Getenv(nodePrefix))
	input := bufio.NewReader(os.Stdin)
	if os.Getenv(nodeHangs) != "" {
		load := cfg.loader.Load
		cfg.loader.Load = func(ctx context.Context, emit func(string, string) error) error {
			n := 0
			err := load(ctx, func(key, value string) error {
				if n++; n == fleetKeys/2 {
					fmt.Println("half way")
					_, _ = input.ReadString('\n')
					for i := range 300 { // what it still had to say, whatever emit says
						_ = emit(fmt.Sprintf("late-%d", i), "late")
					}
				}
				return emit(key, value)
			})
			return err
		}
	}
	cfg.redis.Logger, cfg.cache.Logger, cfg.engine.Logger = quiet(), quiet(), quiet()
	r, err := tiercache.NewRedis(client, cfg.redis)
	if err != nil {
		return fail(err)
	}
	cfg.cache.Name, cfg.cache.TTL, cfg.cache.Redis = "brands", time.Hour, r
	c, err := tiercache.New(cfg.cache)
	if err != nil {
		return fail(err)
	}
	if err := c.RegisterLoader(cfg.loader); err != nil {
		return fail(err)
	}
	cfg.engine.Redis, cfg.engine.SkipSchedule = r, true
	e, err := warm.New(cfg.engine)
	if err != nil {
		return fail(err)
	}
	ctx := context.Background()
	if err := e.Add(c); err != nil {
		return fail(err)
	}
	events := e.Watch(ctx)
	if err := e.Start(ctx); err != nil {
		return fail(err)
	}
	for ev := range events {
		if ev.Kind == warm.EventRunEnded {
			break
		}
	}
	held := 0
	for range 1000 { // what it holds may be in doubt for a moment
		held = 0
		for _, key := range keysOf(fleetKeys) {
			if _, ok := c.Peek(key); ok {
				held++
			}
		}
		if held == fleetKeys {
			break
		}
		wait(ctx, 20*time.Millisecond)
	}
	tr := e.History()[0].Tasks[0]
	fmt.Println("done", tr.Role, tr.Status, held)
	_, _ = input.ReadString('\n')
	return 0
}

func fail(err error) int {
	fmt.Println("failed:", err)
	return 1
}

// child is a node that is a process of its own.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	input interface{ Close() error }
}

func newChild(t *testing.T, server *redistest.Server, prefix, hangs string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), nodeAddress+"="+server.Addr(), nodePrefix+"="+prefix, nodeHangs+"="+hangs, "GOMAXPROCS=1")
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.lines, c.input = bufio.NewScanner(out), in
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait() // its error is our kill
	})
	return c
}

// next is the child's next line that begins with the word.
func (c *child) next(t *testing.T, word string) string {
	t.Helper()
	for c.lines.Scan() {
		if line := c.lines.Text(); strings.HasPrefix(line, word) {
			return line
		}
	}
	t.Fatalf("the child ended before it said %q", word)
	return ""
}

func (c *child) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Nodes start at random within a second: some of them in this process, each with a client and a
// cache of its own, the others processes of their own. The first leader is killed half way, the
// second one stopped for longer than its lock lives, and goes on when everything is over.
//
// Without SOAK it is one round of twenty nodes. SOAK is how long rounds of fifty are repeated.
func TestSoakFleet_twoCrashesThreePasses(t *testing.T) {
	until, inProcess, processes := time.Now(), 16, 4
	if text := os.Getenv("SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SOAK: %v", err)
		}
		until, inProcess, processes = until.Add(d), 44, 6
	}
	server := redistest.Start(t)
	for round := 1; round == 1 || time.Now().Before(until); round++ {
		t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) {
			crashes(t, server, fmt.Sprintf("round-%d:", round), inProcess, processes)
		})
	}
}

func crashes(t *testing.T, server *redistest.Server, prefix string, inProcess, processes int) {
	t.Helper()
	const crashed = 2
	killed := newChild(t, server, prefix, "yes")
	killed.next(t, "half way")
	frozen := newChild(t, server, prefix, "yes")
	killed.signal(t, syscall.SIGKILL)
	frozen.next(t, "half way") // it has followed the dead leader after its lock's life
	frozen.signal(t, syscall.SIGSTOP)

	var children []*child
	for range processes - 2 {
		children = append(children, newChild(t, server, prefix, ""))
	}
	client := server.Client()
	nodes := make([]*node, inProcess)
	var skew sync.WaitGroup
	for i := range nodes {
		cfg := fleetOf(client, prefix)
		nodes[i] = newNode(t, server.Client(func(o *redis.Options) { o.PoolSize = 4 }), cfg)
		skew.Go(func() {
			wait(t.Context(), rand.N(time.Second))
			start(t, nodes[i].engine)
		})
	}
	skew.Wait()
	roles := map[warm.Role]int{}
	for i, n := range nodes {
		<-n.engine.Ready()
		tr := task(t, firstRun(t, n), "popular")
		roles[tr.Role]++
		if tr.Status != warm.TaskOK || n.engine.Status().Warmup.Ready.TimedOut {
			t.Errorf("node %d: %+v, want ok", i, tr)
		}
		holds(t, n, fmt.Sprintf("node %d", i), fleetKeys)
	}
	for i, c := range children {
		var role warm.Role
		var status warm.TaskStatus
		var held int
		line := c.next(t, "done")
		if n, err := fmt.Sscanf(line, "done %s %s %d", &role, &status, &held); n != 3 || err != nil || status != warm.TaskOK || held != fleetKeys {
			t.Errorf("process %d said %q, want ok with %d", i, line, fleetKeys)
		}
		roles[role]++
	}
	frozen.signal(t, syscall.SIGCONT)
	_ = frozen.input.Close() // its loader goes on as well
	if line := frozen.next(t, "done"); line != fmt.Sprintf("done follower ok %d", fleetKeys) {
		t.Errorf("the process that stood still said %q, want a follower with %d", line, fleetKeys)
	}
	passes, err := client.Get(t.Context(), prefix+passCounter).Int()
	if err != nil || passes > 1+crashed {
		t.Errorf("the source was asked %d times by %d nodes with %d crashes (%v), want %d at most", passes, inProcess+processes, crashed, err, 1+crashed)
	}
	if late, ok := server.Do("KEYS", prefix+"brands:late-*").([]any); !ok || len(standing(server, late)) > 0 {
		t.Errorf("late writes stand in Redis: %v", standing(server, late))
	}
	if roles[warm.RoleLocal] != 0 || roles[warm.RoleLeader] != 1 {
		t.Errorf("roles %v, want one leader among the nodes that lived", roles)
	}
	t.Logf("%d nodes, %d crashes: %d passes", inProcess+processes, crashed, passes)
}
