package main

import (
	"context"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/bench/internal/wire"
	"github.com/warmcache/warmcache/internal/redistest"
)

// meter is a Redis that nodes are clients of, and what is known of its work.
type meter interface {
	client() *redis.Client
	empty()
	reset() // commands are counted from here
	read() reading
}

// reading is what a meter shows.
type reading struct {
	commands map[string]float64
	in, out  float64 // bytes
	cpu      float64 // of Redis, in seconds
}

// server is a redistest.Server, of which this is all that the parts need.
type server interface {
	Addr() string
	Do(args ...any) any
	Info(section, name string) string
}

// realMeter is a redis-server. It counts by itself.
type realMeter struct{ server }

func (m realMeter) client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: m.Addr(), PoolSize: 4})
}

func (m realMeter) empty() { m.Do("FLUSHALL") }

func (m realMeter) reset() { m.Do("CONFIG", "RESETSTAT") }

func (m realMeter) read() reading {
	r := reading{commands: make(map[string]float64)}
	text, _ := m.Do("INFO", "commandstats").(string)
	for line := range strings.Lines(text) {
		name, fields, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if !ok || strings.HasPrefix(name, "config") || strings.HasPrefix(name, "subscribe") || name == "hello" || strings.HasPrefix(name, "client") {
			continue // the program's own, and those of new connections
		}
		count, _, _ := strings.Cut(fields, ",")
		r.commands[name], _ = strconv.ParseFloat(count, 64) // Redis says a number
	}
	r.in, r.out = number(m, "stats", "total_net_input_bytes"), number(m, "stats", "total_net_output_bytes")
	r.cpu = number(m, "cpu", "used_cpu_sys") + number(m, "cpu", "used_cpu_user")
	return r
}

func number(s server, section, name string) float64 {
	n, _ := strconv.ParseFloat(s.Info(section, name), 64) // Redis says a number
	return n
}

// cpu is what this process has used, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// memoryMeter is a Redis in memory. What its clients send is counted by them, so what a script
// calls is not; a real server counts that, too.
type memoryMeter struct {
	redis   *redistest.InMemory
	traffic wire.Traffic

	mu       sync.Mutex
	commands map[string]float64
}

func newMemoryMeter(tb redistest.TB) *memoryMeter {
	return &memoryMeter{redis: redistest.Memory(tb), commands: make(map[string]float64)}
}

func (m *memoryMeter) client() *redis.Client {
	client := wire.Client(m.redis, &m.traffic, func(o *redis.Options) { o.PoolSize = 100 })
	client.AddHook(m)
	return client
}

func (m *memoryMeter) empty() { m.redis.FlushAll() }

func (m *memoryMeter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commands = make(map[string]float64)
}

func (m *memoryMeter) read() reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := reading{commands: make(map[string]float64), in: float64(m.traffic.Sent.Load()), out: float64(m.traffic.Received.Load())}
	maps.Copy(r.commands, m.commands)
	return r
}

func (m *memoryMeter) count(cmds ...redis.Cmder) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, cmd := range cmds {
		if name := cmd.Name(); name != "hello" && name != "client" {
			m.commands[name]++
		}
	}
}

// DialHook changes nothing.
func (*memoryMeter) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook counts.
func (m *memoryMeter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		m.count(cmd)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook counts.
func (m *memoryMeter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		m.count(cmds...)
		return next(ctx, cmds)
	}
}
