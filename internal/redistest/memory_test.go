package redistest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := redistest.Memory(t).Client()
		if err := client.Set(t.Context(), "k", "v", time.Hour).Err(); err != nil {
			t.Fatalf("Set: %v", err)
		}
		<-time.After(time.Hour - time.Second)
		if got, err := client.Get(t.Context(), "k").Result(); got != "v" || err != nil {
			t.Errorf("Get a second before the end = %q, %v; want v", got, err)
		}
		<-time.After(2 * time.Second)
		if err := client.Get(t.Context(), "k").Err(); !errors.Is(err, redis.Nil) {
			t.Errorf("Get a second after the end: %v, want redis.Nil", err)
		}
	})
}

func TestMemory_publish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := redistest.Memory(t)
		sub := server.Client().Subscribe(t.Context(), "news")
		t.Cleanup(func() { sub.Close() }) //nolint:errcheck // nothing is left to lose
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatalf("Receive of the confirmation: %v", err)
		}
		if err := server.Client().Publish(t.Context(), "news", "hello").Err(); err != nil {
			t.Fatalf("Publish: %v", err)
		}
		msg, err := sub.ReceiveMessage(t.Context())
		if err != nil || msg.Payload != "hello" {
			t.Errorf("ReceiveMessage = %v, %v; want hello", msg, err)
		}
	})
}
