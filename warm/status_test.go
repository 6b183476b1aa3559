package warm_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/warm"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// stable replaces what differs from run to run.
func stable(t *testing.T, s warm.Status) []byte {
	t.Helper()
	for i := range s.Warmup.RecentRuns {
		s.Warmup.RecentRuns[i].ID = "id"
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func TestStatus_golden(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) { // begins at midnight UTC, 2000-01-01
		berlin := time.FixedZone("Europe/Berlin", 3600)
		l := rows("recent_reports", "1", "2")
		l.RefreshAt, l.Required = 0.8, true
		load := rows("popular_brands", "1", "2", "3")
		slow := load.Load
		load.Load = func(ctx context.Context, emit func(string, string) error) error {
			wait(ctx, 12500*time.Millisecond)
			return slow(ctx, emit)
		}
		e := newEngine(t, warm.Config{Location: berlin, Priority: []string{"popular_brands"}}, newCache(t, "reports", l), newCache(t, "brands", load))
		golden(t, "status_before.json", stable(t, e.Status()))
		start(t, e)
		wait(t.Context(), time.Minute)
		golden(t, "status_after.json", stable(t, e.Status()))
	})
}

func TestStatus_namesAndFormsOfTheFirstSystem(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		e := newEngine(t, warm.Config{Location: time.UTC, Interval: -1, SkipStartup: true})
		for _, name := range []string{"popular_brands", "recent_reports"} {
			err := e.AddFunc(name, func(ctx context.Context) (int, error) { wait(ctx, 12500*time.Millisecond); return 96, nil }, warm.TaskOptions{})
			if err != nil {
				t.Fatal(err)
			}
		}
		start(t, e)
		run(t, e, warm.Request{})
		text, err := json.Marshal(e.Status())
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`{"warmup":{"running":false,"registered_tasks":["popular_brands","recent_reports"],` +
				`"last_metrics":{"duration_seconds":12.5,"total_tasks":2,"completed_tasks":2,"cached_items":192,"success_rate":100.0}`,
			`"scheduler":{"running":true,"tasks":[{"name":"daily_cache_warmup","type":"cron","next_run":"2000-01-01T03:00:00"`,
		} {
			if !strings.Contains(string(text), want) {
				t.Errorf("status %s\nlacks %s", text, want)
			}
		}
	})
}

func TestMetrics_numbersHaveAPoint(t *testing.T) {
	for _, tt := range []struct {
		m    warm.Metrics
		want string
	}{
		{warm.Metrics{}, `{"duration_seconds":0.0,"total_tasks":0,"completed_tasks":0,"cached_items":0,"success_rate":0.0}`},
		{
			warm.Metrics{DurationSeconds: 1.23456789, TotalTasks: 3, CompletedTasks: 2, CachedItems: 7, SuccessRate: 200.0 / 3},
			`{"duration_seconds":1.234568,"total_tasks":3,"completed_tasks":2,"cached_items":7,"success_rate":66.666667}`,
		},
	} {
		got, err := json.Marshal(tt.m)
		if err != nil || string(got) != tt.want {
			t.Errorf("Marshal(%+v) = %s, %v; want %s", tt.m, got, err, tt.want)
		}
		var back warm.Metrics
		if err := json.Unmarshal(got, &back); err != nil || back.TotalTasks != tt.m.TotalTasks {
			t.Errorf("Unmarshal(%s) = %+v, %v", got, back, err)
		}
	}
}

func TestStatus_showsNoTextOfALoader(t *testing.T) {
	secret := permanent{errors.New("dial postgres://app:hunter2@db: refused")}
	c := newCache(
		t, "c",
		loader{Name: "fails", Load: func(context.Context, func(string, string) error) error { return secret }},
		loader{Name: "panics", Load: func(context.Context, func(string, string) error) error { panic(secret) }},
		loader{Name: "half", Load: func(_ context.Context, emit func(string, string) error) error {
			return errors.Join(emit("hunter2", "hunter2"), secret)
		}},
	)
	e := newEngine(t, warm.Config{}, c)
	if err := e.AddFunc("func", func(context.Context) (int, error) { return 0, secret }, warm.TaskOptions{}); err != nil {
		t.Fatal(err)
	}
	run(t, e, warm.Request{})
	text, err := json.Marshal(e.Status())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") {
		t.Errorf("status shows what a loader said:\n%s", text)
	}
	if n := strings.Count(string(text), "the log has it"); n < 3 {
		t.Errorf("status gives %d reasons:\n%s", n, text)
	}
}

func TestStatus_whileARunGoesOn(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCache(t, "c", loader{Name: "big", Load: func(ctx context.Context, emit func(string, string) error) error {
			for i := range 5000 {
				if err := emit(time.Duration(i).String(), "v"); err != nil {
					return err
				}
			}
			wait(ctx, time.Second)
			return nil
		}})
		e := newEngine(t, warm.Config{Concurrency: 1}, c)
		slowTasks(t, e, "next")
		res := async(t.Context(), e, warm.Request{})
		wait(t.Context(), 500*time.Millisecond)
		r := e.Status().Warmup.CurrentRun
		if r == nil || r.Ended != nil || r.Tasks[0].Status != warm.TaskRunning || r.Tasks[0].Items == 0 || r.Tasks[1].Status != warm.TaskPending {
			t.Errorf("current run %+v, want big running with some items and next pending", r)
		}
		<-res
	})
}
