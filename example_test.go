package warmcache_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// A memory-only cache: the source is asked once.
func Example() {
	cache, err := tiercache.New(tiercache.Config[string, string]{
		Name: "greetings",
		TTL:  time.Minute,
		Load: func(_ context.Context, name string) (string, error) {
			fmt.Println("asking the source for", name)
			return "Hello, " + strings.ToUpper(name) + "!", nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	for range 3 {
		fmt.Println(cache.Get(context.Background(), "gopher"))
	}
	// Output:
	// asking the source for gopher
	// Hello, GOPHER! <nil>
	// Hello, GOPHER! <nil>
	// Hello, GOPHER! <nil>
}

// A cache that is warm before anyone asks: an engine runs its loader at start, and then on a
// schedule.
func Example_warm() {
	type Brand struct{ Name string }
	ctx := context.Background()
	cache, err := tiercache.New(tiercache.Config[string, Brand]{Name: "brands", TTL: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	err = cache.RegisterLoader(tiercache.Loader[string, Brand]{
		Name: "popular_brands", Required: true,
		Load: func(_ context.Context, emit func(string, Brand) error) error {
			for _, name := range []string{"Nike", "Asics"} { // the rows of a query
				if err := emit(name, Brand{name}); err != nil {
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
	engine, err := warm.New(warm.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := engine.Add(cache); err != nil {
		fmt.Println(err)
		return
	}
	if err := engine.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Stop(ctx) //nolint:errcheck // nothing is running any more
	<-engine.Ready()
	entry, err := cache.GetEntry(ctx, "Nike")
	fmt.Println(entry.Value.Name, entry.Source, err)
	// Output: Nike memory <nil>
}
