package warm_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

func TestLint_coverage(t *testing.T) {
	withTTL := func(ttl time.Duration, refreshAt float64) loader {
		l := rows("recent_reports", "1")
		l.TTL, l.RefreshAt = ttl, refreshAt
		return l
	}
	tests := []struct {
		name   string
		cfg    warm.Config
		loader loader
		want   []string
	}{
		{"nightly", warm.Config{Interval: -1}, withTTL(15*time.Minute, 0), []string{"recent_reports: TTL 15m, next run in 24h: cold 99 % of the time"}},
		{"hourly", warm.Config{}, withTTL(15*time.Minute, 0), []string{"recent_reports: TTL 15m, next run in 1h: cold 75 % of the time"}},
		{"long enough", warm.Config{}, withTTL(time.Hour, 0), nil},
		{"just enough", warm.Config{}, withTTL(57*time.Minute, 0), nil},
		{"refreshed", warm.Config{Interval: -1}, withTTL(15*time.Minute, 0.8), nil},
		{"no schedule", warm.Config{SkipSchedule: true}, withTTL(15*time.Minute, 0), []string{"recent_reports: TTL 15m, and nothing runs it again: cold from then on"}},
		{"disabled", warm.Config{Disabled: true}, withTTL(15*time.Minute, 0), nil},
		{"by turns", warm.Config{Interval: -1, Schedule: "0 0,6 * * *"}, withTTL(12*time.Hour, 0), []string{"recent_reports: TTL 12h, next run in 18h: cold 25 % of the time"}},
		{"timeout", warm.Config{Interval: 20 * time.Second}, withTTL(time.Hour, 0), []string{"recent_reports: timeout 30s, next run in 20s: a slow run is still going when the next is due"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Location = time.UTC
			e := newEngine(t, tt.cfg, newCache(t, "c", tt.loader))
			if diff := cmp.Diff(tt.want, lines(e)); diff != "" {
				t.Errorf("Lint (-want +got):\n%s", diff)
			}
		})
	}
}

func lines(e *warm.Engine) []string {
	var all []string
	for _, f := range e.Lint() {
		all = append(all, f.String())
	}
	return all
}

func TestLint_whatRunsHaveShown(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c, err := tiercache.New(tiercache.Config[string, string]{Name: "small", TTL: 24 * time.Hour, Capacity: 100, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}()
		many := func(name string, n int) loader {
			keys := make([]string, n)
			for i := range keys {
				keys[i] = fmt.Sprintf("%s:%d", name, i)
			}
			return rows(name, keys...)
		}
		big, cut := many("big", 200), many("cut", 5)
		cut.MaxItems = 3
		for _, l := range []loader{big, cut} {
			if err := c.RegisterLoader(l); err != nil {
				t.Fatal(err)
			}
		}
		e := newEngine(t, off(), c)
		if got := e.Lint(); len(got) != 2 { // both: nothing runs them again
			t.Errorf("before a run: %v", got)
		}
		run(t, e, warm.Request{})
		var checks []string
		for _, f := range e.Lint() {
			checks = append(checks, f.Task+" "+string(f.Check))
		}
		want := []string{"big coverage", "big room", "cut coverage", "cut max_items"}
		if diff := cmp.Diff(want, checks); diff != "" {
			t.Errorf("Lint (-want +got):\n%s", diff)
		}
	})
}

func TestLint_aQueryBoundedByMaxItemsIsNotCut(t *testing.T) {
	exact := rows("exact", "a", "b")
	exact.MaxItems, exact.RefreshAt = 2, 0.5
	e := newEngine(t, off(), newCache(t, "c", exact))
	run(t, e, warm.Request{})
	if got := e.Lint(); len(got) != 0 {
		t.Errorf("Lint: %v, want nothing: all that the query returned was taken", got)
	}
}

func TestLint_aRunThatOutlivesItsEntries(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCache(t, "c", loader{Name: "slow", TTL: 2 * time.Second, Load: func(ctx context.Context, emit func(string, string) error) error {
			wait(ctx, 3*time.Second)
			return emit("k", "v")
		}})
		e := newEngine(t, warm.Config{SkipStartup: true, Interval: 2 * time.Second, TaskTimeout: 4 * time.Second}, c)
		run(t, e, warm.Request{})
		want := []string{
			"slow: timeout 4s, next run in 2s: a slow run is still going when the next is due",
			"slow: TTL 2s, but a run takes 3s (p95): entries expire before it is over",
		}
		if diff := cmp.Diff(want, lines(e)); diff != "" {
			t.Errorf("Lint (-want +got):\n%s", diff)
		}
	})
}
