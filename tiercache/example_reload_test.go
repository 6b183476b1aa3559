package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// A file that is read again only if it has changed: the loader is given what is known already.
func ExampleCache_GetOrReload() {
	type file struct {
		text    string
		version int
	}
	cache, err := tiercache.New(tiercache.Config[string, file]{Name: "files", TTL: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell

	version := 1
	read := func(_ context.Context, old *tiercache.Entry[file]) (file, error) {
		if old != nil && old.Value.version == version {
			fmt.Println("not modified")
			return file{}, tiercache.ErrNotModified
		}
		fmt.Println("reading version", version)
		return file{fmt.Sprint("text ", version), version}, nil
	}
	ctx := context.Background()
	for range 2 {
		e, err := cache.GetOrReload(ctx, "a.txt", read)
		fmt.Println(e.Value.text, e.Source, err)
	}
	e, err := cache.Reload(ctx, "a.txt", read) // whatever is cached
	fmt.Println(e.Value.text, err)
	version = 2
	e, err = cache.Reload(ctx, "a.txt", read)
	fmt.Println(e.Value.text, err)
	// Output:
	// reading version 1
	// text 1 source <nil>
	// text 1 memory <nil>
	// not modified
	// text 1 <nil>
	// reading version 2
	// text 2 <nil>
}

// With a nil loader only the tiers are asked.
func ExampleCache_GetOrReload_nobody() {
	cache, err := tiercache.New(tiercache.Config[string, int]{
		Name: "counts", TTL: time.Hour,
		Load: func(context.Context, string) (int, error) { return 7, nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	ctx := context.Background()
	_, err = cache.GetOrReload(ctx, "k", nil)
	fmt.Println(err)
	_, _ = cache.Get(ctx, "k")
	e, err := cache.GetOrReload(ctx, "k", nil)
	fmt.Println(e.Value, err)
	// Output:
	// tiercache: not found
	// 7 <nil>
}

// Prices may be a minute out of date where their source is down, but no price of an auction.
func ExampleConfig_staleness() {
	type price struct {
		cents   int
		auction bool
	}
	down := false
	cache, err := tiercache.New(tiercache.Config[string, price]{
		Name: "prices", TTL: time.Millisecond, StaleFor: time.Minute,
		Staleness: func(_ string, p price) time.Duration {
			if p.auction {
				return -1
			}
			return 0 // StaleFor
		},
		Load: func(_ context.Context, key string) (price, error) {
			if down {
				return price{}, errors.New("the source is down")
			}
			return price{cents: 100, auction: key == "vase"}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	ctx := context.Background()
	_, _ = cache.Get(ctx, "shoe")
	_, _ = cache.Get(ctx, "vase")
	<-time.After(20 * time.Millisecond)
	down = true
	shoe, err := cache.GetEntry(ctx, "shoe")
	fmt.Println(shoe.Value.cents, shoe.Stale, err)
	_, err = cache.Get(ctx, "vase")
	fmt.Println(err != nil)
	// Output:
	// 100 true <nil>
	// true
}

// Lookup reads memory alone, and leaves it to the caller what to do about a stale value.
func ExampleCache_Lookup() {
	cache, err := tiercache.New(tiercache.Config[string, int]{Name: "counts", TTL: time.Hour, StaleFor: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	ctx := context.Background()
	_, ok := cache.Lookup(ctx, "k")
	fmt.Println(ok)
	_ = cache.Set(ctx, "k", 7)
	e, ok := cache.Lookup(ctx, "k")
	fmt.Println(e.Value, e.Stale, ok)
	_ = cache.Expire(ctx, "k")
	e, ok = cache.Lookup(ctx, "k")
	fmt.Println(e.Value, e.Stale, ok)
	// Output:
	// false
	// 7 false true
	// 7 true true
}
