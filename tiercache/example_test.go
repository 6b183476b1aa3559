package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache"
)

func Example() {
	source := map[string]int{"Nike": 1200, "Asics": 310}
	cache, err := tiercache.New(tiercache.Config[string, int]{
		Name: "report_counts",
		TTL:  time.Hour,
		Load: func(_ context.Context, brand string) (int, error) {
			n, ok := source[brand]
			if !ok {
				return 0, tiercache.ErrNotFound
			}
			fmt.Println("loading", brand)
			return n, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell

	ctx := context.Background()
	for range 2 {
		n, err := cache.Get(ctx, "Nike")
		fmt.Println(n, err)
	}
	_, err = cache.Get(ctx, "Nuke")
	fmt.Println(errors.Is(err, tiercache.ErrNotFound))
	// Output:
	// loading Nike
	// 1200 <nil>
	// 1200 <nil>
	// true
}

// Two tiers: what one process has loaded, all others on the same Redis find there.
func Example_redis() {
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
	defer client.Close() //nolint:errcheck // the program ends
	shared, err := tiercache.NewRedis(client, tiercache.RedisConfig{Prefix: "shop:"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer shared.Close() //nolint:errcheck // it has no error to tell
	cache, err := tiercache.New(tiercache.Config[int, string]{
		Name: "titles", TTL: time.Hour, StaleFor: 10 * time.Minute, Redis: shared,
		Load: func(_ context.Context, id int) (string, error) { return fmt.Sprint("title ", id), nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	title, err := cache.Get(context.Background(), 7)
	fmt.Println(title, err) // also while Redis is down
}

func ExampleCache_Warm() {
	cache, err := tiercache.New(tiercache.Config[string, int]{Name: "report_counts", TTL: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	err = cache.RegisterLoader(tiercache.Loader[string, int]{
		Name: "popular_brands",
		Load: func(_ context.Context, emit func(string, int) error) error {
			for i, brand := range []string{"Nike", "Asics", "Puma"} {
				if err := emit(brand, 1000-i); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	results, err := cache.Warm(context.Background())
	fmt.Println(results[0].Loader, results[0].Memory, err)
	e, ok := cache.Peek("Nike")
	fmt.Println(e.Value, e.Source, ok)
	// Output:
	// popular_brands 3 <nil>
	// 1000 memory true
}
