package tiercache_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/racetest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// A batch of large values takes longer than an operation may: it is read in parts, from Redis, and
// no breaker opens.
func TestGetMany_largeValues(t *testing.T) {
	const n, size = 256, 256 << 10 // on a busy machine, not beside others
	patience := 150 * time.Millisecond
	if racetest.Enabled {
		patience *= 8
	}
	for name, change := range map[string]func(*redis.Options){
		"go-redis's defaults": func(*redis.Options) {}, "with the contexts' deadlines": punctual,
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			open := func() *tiercache.Redis {
				r, err := tiercache.NewRedis(server.Client(change), tiercache.RedisConfig{Timeout: patience})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { closing(t, r) })
				coherent(t, r)
				return r
			}
			fresh := func(r *tiercache.Redis) *tiercache.Cache[string, []byte] {
				return newCache(t, tiercache.Config[string, []byte]{
					Name: "large", Redis: r, Capacity: 1, Compression: tiercache.Uncompressed,
					Load: func(_ context.Context, key string) ([]byte, error) {
						t.Errorf("%s was loaded", key)
						return nil, tiercache.ErrNotFound
					},
				})
			}
			writer := fresh(open())
			var keys, small []string
			for i := range n {
				keys, small = append(keys, fmt.Sprint("large", i)), append(small, fmt.Sprint("small", i))
				value := bytes.Repeat([]byte{byte(i)}, size)
				if err := writer.Set(t.Context(), keys[i], value); err != nil {
					t.Fatal(err)
				}
				if err := writer.Set(t.Context(), small[i], value[:10]); err != nil {
					t.Fatal(err)
				}
			}
			r := open()
			reader := fresh(r)
			rounds := [][]string{keys, keys, small, small, keys[:4], keys}
			if name != "go-redis's defaults" { // what has come is known when the time is over
				rounds = append(rounds, small, keys)
			}
			for round, some := range rounds {
				got, err := reader.GetMany(t.Context(), some)
				if err != nil || len(got) != len(some) {
					t.Errorf("round %d: %d values, %v", round, len(got), err)
				}
				if h := r.Health(); h.Breaker != tiercache.BreakerClosed {
					t.Errorf("round %d: %+v", round, h)
				}
			}
		})
	}
}
