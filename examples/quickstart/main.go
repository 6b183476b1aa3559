// Command quickstart is a memory-only cache in 30 lines.
package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

func main() {
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
	for range 3 {       // the source is asked once
		fmt.Println(cache.Get(context.Background(), "gopher"))
	}
}
