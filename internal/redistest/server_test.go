package redistest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
)

func TestStart(t *testing.T) {
	t.Parallel()
	a, b := redistest.Start(t), redistest.Start(t, "--maxmemory", "3mb")
	if a.Addr() == b.Addr() {
		t.Fatalf("two servers share the address %s", a.Addr())
	}
	if got := b.Info("memory", "maxmemory"); got != "3145728" {
		t.Errorf("maxmemory = %q, want what --maxmemory 3mb asked for", got)
	}
	if err := a.Client().Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatalf("Set: %v", err)
	}
	if got := a.Do("GET", "k"); got != "v" {
		t.Errorf("GET k on the first server = %v, want v", got)
	}
	if got := b.Do("GET", "k"); got != nil {
		t.Errorf("GET k on the second server = %v, want nothing", got)
	}
	if set, del := a.Calls("SET"), a.Calls("del"); set != 1 || del != 0 {
		t.Errorf("Calls: SET %d, DEL %d; want 1 and 0", set, del)
	}
}

func TestStart_password(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--requirepass", "open sesame")
	if err := s.Client().Ping(t.Context()).Err(); err != nil {
		t.Errorf("Ping with the server's own client: %v", err)
	}
	bare := s.Client(func(o *redis.Options) { o.Password = "" })
	if err := bare.Ping(t.Context()).Err(); !redis.HasErrorPrefix(err, "NOAUTH") {
		t.Errorf("Ping without the password: %v, want NOAUTH", err)
	}
}

func TestServer_Restart(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	client, addr := s.Client(), s.Addr()
	s.Do("SET", "k", "v")

	s.Kill()
	if s.Running() {
		t.Error("a killed server is said to run")
	}
	if err := client.Get(t.Context(), "k").Err(); err == nil {
		t.Error("a killed server answers")
	}
	s.Restart()
	if s.Addr() != addr {
		t.Errorf("address after Restart = %s, want %s", s.Addr(), addr)
	}
	if err := client.Get(t.Context(), "k").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("Get after kill and restart: %v, want redis.Nil", err)
	}

	s.Do("SET", "k", "v")
	s.Do("SAVE")
	s.Restart()
	if got := s.Do("GET", "k"); got != "v" {
		t.Errorf("GET after SAVE and restart = %v, want v", got)
	}
}

func TestServer_Stop(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	client := s.Client(func(o *redis.Options) {
		o.ContextTimeoutEnabled = true
		o.MaxRetries = -1
	})
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatalf("Ping: %v", err)
	}

	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Error("a frozen server answers")
	}
	if !s.Running() {
		t.Error("a frozen server is said to be dead")
	}
	s.Cont()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("Ping after the thaw: %v", err)
	}
	s.Stop() // the clean-up must end a frozen server too
}

func TestServer_Pause(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	client := s.Client()
	start := time.Now()
	s.Pause(200 * time.Millisecond)
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatalf("Ping: %v", err)
	}
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("a Ping during a pause of 200 ms took %v", took)
	}
}
