package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// What Clear or a tag has ended gives its room to what comes next, at once, and its memory within a
// second.
func TestEnded_givesItsRoomBack(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(context.Context, *tiercache.Cache[int, string]) error{
		"Clear":          func(ctx context.Context, c *tiercache.Cache[int, string]) error { return c.Clear(ctx) },
		"InvalidateTags": func(ctx context.Context, c *tiercache.Cache[int, string]) error { return c.InvalidateTags(ctx, "all") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := tiercache.New(tiercache.Config[int, string]{
				Name: "ended", TTL: time.Hour, Capacity: 5000, Tags: func(int, string) []string { return []string{"all"} },
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			fill := func(from, n int) {
				for i := range n {
					if err := c.Set(t.Context(), from+i, "v"); err != nil {
						t.Fatal(err)
					}
				}
			}
			fill(0, 6000)
			for range 10 { // the policy knows them well
				for i := range 6000 {
					_, _ = c.Get(t.Context(), i)
				}
			}
			if err := end(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			const some = 4500
			fill(10_000, some)
			for i := range some {
				if _, ok := c.Peek(10_000 + i); !ok {
					t.Fatalf("%d of %d new entries found no room", i, some)
				}
			}
			fill(0, 6000)
			if err := end(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			warmed(t, c, 1000)
			late := redistest.Late(t)
			if err := end(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			ended := time.Now()
			redistest.Eventually(t, 10*time.Second, func() error {
				if n := c.Stats().Entries; n > 0 {
					return fmt.Errorf("%d ended entries are still held", n)
				}
				return nil
			})
			if took, lateBy := time.Since(ended), late.Since(ended); took > time.Second+slack+lateBy {
				t.Errorf("their memory was given back after %v; timers were late by %v", took, lateBy)
			}
		})
	}
}

// warmed runs a loader of n entries, all of which memory must have room for.
func warmed(t *testing.T, c *tiercache.Cache[int, string], n int) {
	t.Helper()
	err := c.RegisterLoader(tiercache.Loader[int, string]{
		Name: "some", Load: func(_ context.Context, emit func(int, string) error) (err error) {
			for i := range n {
				err = errors.Join(err, emit(20_000+i, "w"))
			}
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Warm(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if all[0].SkippedRoom > 0 || all[0].Memory != n {
		t.Errorf("a warm run right after it: %d in memory, %d found no room", all[0].Memory, all[0].SkippedRoom)
	}
}

// An invalidation of a tag takes out what has the tag alone.
func TestEnded_takesOutNothingElse(t *testing.T) {
	t.Parallel()
	c, err := tiercache.New(tiercache.Config[int, string]{
		Name: "ended", TTL: time.Hour, Tags: func(key int, _ string) []string { return []string{strconv.Itoa(key % 10)} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	for i := range 1000 {
		if err := c.Set(t.Context(), i, "v"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.InvalidateTags(t.Context(), "3"); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, 10*time.Second, func() error {
		if n := c.Stats().Entries; n != 900 {
			return fmt.Errorf("%d entries are held, not the 900 without the tag", n)
		}
		return nil
	})
	if n := c.Stats().Expirations + c.Stats().Evictions; n > 0 {
		t.Errorf("%d of what was invalidated are counted as evicted or expired", n)
	}
}
