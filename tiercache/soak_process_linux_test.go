package tiercache_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
)

// The test binary is also a node, in a process of its own that can be frozen: it is one where this
// is set, to the host:port of its Redis and that of its source.
const (
	processRedis  = "TIERCACHE_TEST_NODE"
	processSource = "TIERCACHE_TEST_SOURCE"
)

// A node in a process of its own is frozen past its leases' life and past its trust in what it
// hears, in the middle of reads, loads and warm runs, and thawed.
func processWeathers() []soakMode {
	return []soakMode{{
		name: "process", brief: 6 * time.Second,
		world:   worldConfig{keys: 120},
		node:    nodeConfig{lease: time.Second, slow: 60 * time.Millisecond},
		traffic: traffic{readers: 2, reads: 10, every: 30 * time.Millisecond, kinds: allKinds, clear: 200},
		open: func(s *scene) bout {
			server := redistest.Start(s)
			for range 2 {
				s.addNode(redis.NewClient(plain(server.Addr(), s.dialer(dialDirect))), s.node)
			}
			child := startProcess(s, server)
			readers := s.traffic
			readers.readers = 24 // of which many are waiting when it freezes
			readers.run(s.alive, s.w, len(s.subjects), child, &s.wg)
			s.subjects = append(s.subjects, child)
			return func(n int) {
				pause(s.alive, 500*time.Millisecond+rand.N(500*time.Millisecond))
				if n%2 == 1 {
					go func() { _ = child.call("Node.Warm", 0, new(int)) }() // ends with the child
					pause(s.alive, rand.N(300*time.Millisecond))
				}
				child.freeze(s.alive, 1200*time.Millisecond+rand.N(2300*time.Millisecond))
				pause(s.alive, 2*time.Second)
			}
		},
	}}
}

// process is a node as its parent sees it. It is the subject of the parent's world.
type process struct {
	s      *scene
	cmd    *exec.Cmd
	client *rpc.Client
}

// Read and End are what a node is asked over its pipes, Version what it asks its source.
type (
	Read    struct{ Key int }
	Version struct {
		Version int
		Stale   bool
	}
	End struct {
		Kind         string
		Key, Version int
	}
)

func startProcess(s *scene, server *redistest.Server) *process {
	s.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	source := rpc.NewServer()
	if err := source.RegisterName("Source", &Source{s.w}); err != nil {
		s.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if conn, err := listener.Accept(); err == nil {
			source.ServeConn(conn)
		}
	}()
	self, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestNodeProcess$", "-test.timeout=0") // it ends with its stdin
	cmd.Env = append(os.Environ(), processRedis+"="+server.Addr(), processSource+"="+listener.Addr().String())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		s.Fatal(err)
	}
	p := &process{s: s, cmd: cmd, client: rpc.NewClient(pipes{out, in})}
	s.Cleanup(func() {
		p.client.Close()   //nolint:errcheck // ends the child's stdin
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
		listener.Close()   //nolint:errcheck // nothing is left to lose
		<-served
	})
	return p
}

func (p *process) call(method string, args, reply any) error {
	return p.client.Call(method, args, reply)
}

func (p *process) read(_ context.Context, key int) (int, bool, error) {
	var v Version
	err := p.call("Node.Get", Read{key}, &v)
	return v.Version, v.Stale, err
}

// end waits for the child whatever its context says: while it is frozen nobody knows what it did.
func (p *process) end(_ context.Context, kind string, key, version int) error {
	return p.call("Node.End", End{kind, key, version}, new(int))
}

// freeze stops the child as a machine's suspension does. Reads that are asked meanwhile are
// answered after it, and must not be answered with what was ended meanwhile.
func (p *process) freeze(ctx context.Context, long time.Duration) {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		p.s.Errorf("SIGSTOP: %v", err)
	}
	node := len(p.s.subjects) - 1
	for began := time.Now(); time.Since(began) < long; pause(ctx, 20*time.Millisecond) {
		for range 4 {
			p.s.wg.Go(func() { p.s.w.readOne(p.s.alive, node, rand.N(len(p.s.w.records)), p) })
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		p.s.Errorf("SIGCONT: %v", err)
	}
}

// Source is what the child loads from.
type Source struct{ w *world }

// Current is the present version of a key.
func (s *Source) Current(key int, version *int) error {
	*version = s.w.current(key)
	return nil
}

// Node is the child's cache.
type Node struct{ tiered }

// Get reads a key.
func (n *Node) Get(r Read, v *Version) (err error) {
	v.Version, v.Stale, err = n.read(context.Background(), r.Key)
	return err
}

// End ends a version.
func (n *Node) End(e End, _ *int) error { return n.end(context.Background(), e.Kind, e.Key, e.Version) }

// Warm runs its loader.
func (n *Node) Warm(int, *int) error {
	_, _ = n.Cache.Warm(context.Background(), "all")
	return nil
}

// pipes are a child's stdin and stdout as one connection.
type pipes struct {
	io.ReadCloser
	in io.WriteCloser
}

func (p pipes) Write(b []byte) (int, error) { return p.in.Write(b) }

func (p pipes) Close() error { return errors.Join(p.in.Close(), p.ReadCloser.Close()) }

// TestNodeProcess is no test but the main function of the weather's child: it serves its parent
// until its stdin ends. Without a parent there is nothing to do.
func TestNodeProcess(t *testing.T) {
	address := os.Getenv(processRedis)
	if address == "" {
		return
	}
	source, err := rpc.Dial("tcp", os.Getenv(processSource))
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close() //nolint:errcheck // it ends with the process
	cfg := processWeathers()[0].node
	cfg.keys = processWeathers()[0].world.keys
	cfg.current = func(key int) int {
		version := 0
		if err := source.Call("Source.Current", key, &version); err != nil {
			return -1 // the parent is gone
		}
		return version
	}
	client := redis.NewClient(plain(address, dialDirect))
	t.Cleanup(func() { client.Close() }) //nolint:errcheck // it ends with the process
	server := rpc.NewServer()
	if err := server.RegisterName("Node", &Node{newSoakNode(t, client, cfg)}); err != nil {
		t.Fatal(err)
	}
	server.ServeConn(pipes{os.Stdin, os.Stdout})
}
