package warm_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// A service warms in the background and is ready once the required loaders are done.
func Example() {
	ctx := context.Background()
	brands, err := tiercache.New(tiercache.Config[string, string]{Name: "brands", TTL: time.Hour})
	if err != nil {
		panic(err)
	}
	defer brands.Close() //nolint:errcheck // it only closes memory
	err = brands.RegisterLoader(tiercache.Loader[string, string]{
		Name:      "popular_brands",
		Required:  true,
		RefreshAt: 0.8, // again after 48 minutes, as long as somebody reads them
		Load: func(_ context.Context, emit func(key, value string) error) error {
			for _, name := range []string{"Acme", "Globex"} { // a query, in a service
				if err := emit(name, "statistics of "+name); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		panic(err)
	}

	engine, err := warm.New(warm.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	if err := engine.Add(brands); err != nil {
		panic(err)
	}
	if err := engine.Start(ctx); err != nil { // returns at once
		panic(err)
	}
	<-engine.Ready()

	entry, _ := brands.Peek("Acme")
	fmt.Println(entry.Value)
	if err := engine.Stop(ctx); err != nil {
		panic(err)
	}
	// Output: statistics of Acme
}

// Exactly the named tasks run, and what happened stands in the result.
func ExampleEngine_Run() {
	ctx := context.Background()
	engine, err := warm.New(warm.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	count := func(n int) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { return n, nil }
	}
	for name, n := range map[string]int{"prices": 20, "images": 30, "texts": 40} {
		if err := engine.AddFunc(name, count(n), warm.TaskOptions{}); err != nil {
			panic(err)
		}
	}
	run, err := engine.Run(ctx, warm.Request{Tasks: []string{"prices", "texts"}})
	fmt.Println(run.Items(), run.SuccessRate(), run.Err(), err)

	_, err = engine.Run(ctx, warm.Request{Tasks: []string{"price"}})
	fmt.Println(err != nil)
	// Output:
	// 60 100 <nil> <nil>
	// true
}

// Lint finds schedules that cannot keep their entries warm.
func ExampleEngine_Lint() {
	reports, err := tiercache.New(tiercache.Config[string, string]{Name: "reports", TTL: 15 * time.Minute})
	if err != nil {
		panic(err)
	}
	defer reports.Close() //nolint:errcheck // it only closes memory
	err = reports.RegisterLoader(tiercache.Loader[string, string]{
		Name: "recent_reports",
		Load: func(context.Context, func(key, value string) error) error { return nil },
	})
	if err != nil {
		panic(err)
	}
	engine, err := warm.New(warm.Config{Schedule: "0 3 * * *", Interval: -1, Location: time.UTC})
	if err != nil {
		panic(err)
	}
	if err := engine.Add(reports); err != nil {
		panic(err)
	}
	for _, finding := range engine.Lint() {
		fmt.Println(finding)
	}
	// Output: recent_reports: TTL 15m, next run in 24h: cold 99 % of the time
}
