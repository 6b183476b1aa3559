// Command fleet shows a fleet that warms once: three processes on one Redis, of which one asks the
// database and the others fill their memory from Redis with what that one has left there. Then one
// of them is killed and started again.
//
//	go run ./examples/fleet
//
// It starts itself three times. Redis is an embedded one (miniredis) unless REDIS_URL names a real
// one. On a terminal it draws a table that changes; elsewhere it prints a line for each change.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/dsn"
)

// The program is a node of the fleet where these are set.
const (
	nodeVariable  = "FLEET_NODE"  // its number
	redisVariable = "FLEET_REDIS" // its Redis, as a URL
)

const nodes = 3

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "fleet: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	redis.SetLogger(quiet{}) // it prints each failed dial; the cache's breaker says what matters
	if number := os.Getenv(nodeVariable); number != "" {
		return serve(ctx, number, os.Getenv(redisVariable))
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	address := os.Getenv("REDIS_URL")
	if address == "" {
		server := miniredis.NewMiniRedis()
		server.ClockTTL(true)
		if err := server.StartAddr("127.0.0.1:0"); err != nil {
			return fmt.Errorf("start the embedded Redis: %w", err)
		}
		defer server.Close()
		address = "redis://" + server.Addr()
		log.InfoContext(ctx, "running an embedded Redis (miniredis) for the demo; it is gone with the process, set REDIS_URL for a real one", slog.String("addr", server.Addr()))
	} else if _, err := dsn.ParseRedis(address); err != nil {
		return err
	}
	return show(ctx, address, newView(os.Stdout))
}

// show is the demonstration.
func show(ctx context.Context, address string, v *view) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	f := &fleet{program: self, redis: address, view: v}
	defer f.stop()

	v.say("Three processes start. Each of them has a loader that needs %d queries for %d brands.", pages, pages*pageRows)
	for number := 1; number <= nodes; number++ {
		if err := f.start(ctx, number); err != nil {
			return err
		}
	}
	if err := v.await(ctx, nodes); err != nil {
		return err
	}
	once := v.queries()
	v.say("All are warm after %d queries: as many as one process needs.", once)

	const victim = 2
	v.say("Process %d is killed, and started again.", victim)
	if err := f.kill(victim); err != nil {
		return err
	}
	began := time.Now()
	if err := f.start(ctx, victim); err != nil {
		return err
	}
	if err := v.await(ctx, nodes); err != nil {
		return err
	}
	v.say("It is warm again %v after its exec, and nobody has asked the database: %d queries as before.", time.Since(began).Round(10*time.Millisecond), v.queries())
	if v.queries() != once {
		return fmt.Errorf("the restart cost %d queries", v.queries()-once)
	}
	return nil
}

// quiet is a go-redis logger that says nothing.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}
