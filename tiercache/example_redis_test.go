package tiercache_test

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache"
)

// A client whose options keep an outage of Redis as short and as cheap as it can be. Here nobody
// listens: NewRedis succeeds all the same.
func ExampleNewRedis() {
	client := redis.NewClient(&redis.Options{
		Addr:                  "127.0.0.1:1",
		ContextTimeoutEnabled: true,
		DialTimeout:           time.Second,
		DialerRetries:         1,
	})
	defer client.Close() //nolint:errcheck // an example
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Prefix: "app:"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close() //nolint:errcheck // it never fails
	fmt.Println("coherent:", r.Health().Coherent)
	// Output: coherent: false
}
