package tiercache_test

import (
	"context"
	"fmt"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// A cache with LearnHot knows which keys are read most. An engine of package warm replays them as
// the task "hot:brands"; Warm does it by hand.
func ExampleCache_Hot() {
	cache, err := tiercache.New(tiercache.Config[string, string]{
		Name: "brands", TTL: time.Hour, LearnHot: 100,
		Load: func(_ context.Context, brand string) (string, error) { return "all about " + brand, nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell

	ctx := context.Background()
	for range 30 {
		_, _ = cache.Get(ctx, "Nike") // its loader has no errors
	}
	for range 10 {
		_, _ = cache.Get(ctx, "Asics")
	}
	hot, err := cache.Hot(ctx, 2)
	for _, k := range hot {
		fmt.Println(k.Key, k.Reads)
	}
	fmt.Println(err)

	results, err := cache.Warm(ctx) // nothing has expired: both stay as they are
	fmt.Println(results[0].Loader, results[0].Memory, err)
	// Output:
	// Nike 30
	// Asics 10
	// <nil>
	// hot:brands 2 <nil>
}
