package loaders_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite"

	"github.com/warmcache/warmcache/loaders"
)

func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "brands")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an example's own directory

	dsn := "file:" + filepath.Join(dir, "brands.db") +
		"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_txlock=immediate&_time_format=sqlite"
	db, err := sqlx.Open("sqlite", dsn)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // nothing is left to write
	if err := loaders.SeedDemo(ctx, db, 2000, 1); err != nil {
		log.Fatal(err)
	}

	caches, err := loaders.Open(ctx, db, nil, loaders.Config{Brands: 10})
	if err != nil {
		log.Fatal(err)
	}
	defer caches.Close() //nolint:errcheck // memory only

	results, err := caches.Brands.Warm(ctx)
	if err != nil {
		log.Fatal(err)
	}
	nike, err := caches.Brands.GetEntry(ctx, "Nike")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(results[0].Loader, "warmed", results[0].Memory)
	fmt.Println(nike.Value.BrandName, "from", nike.Source)
	// Output:
	// popular_brands warmed 10
	// Nike from memory
}
