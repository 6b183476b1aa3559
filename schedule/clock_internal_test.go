package schedule

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// skewed is a scheduler whose wall clock can be set, while elapsed time goes on: what suspend and a
// changed clock look like.
type skewed struct {
	*Scheduler
	skew atomic.Int64
	due  []string // due times of the runs, relative to the start, with how many they make up for
}

func (s *skewed) set(d time.Duration) { s.skew.Add(int64(d)) }

func startSkewed(t *testing.T, expr string, missed Missed) *skewed {
	t.Helper()
	s := &skewed{Scheduler: New(Config{Location: time.UTC})}
	s.now = func() time.Time { return time.Now().Round(0).UTC().Add(time.Duration(s.skew.Load())) }
	c, err := Parse(expr)
	if err != nil {
		t.Fatal(err)
	}
	start := s.now()
	err = s.Add(Job{Name: "a", Schedule: c, Missed: missed, Run: func(ctx context.Context) error {
		r, _ := RunFromContext(ctx)
		s.due = append(s.due, fmt.Sprintf("%v+%d", r.Due.Sub(start), r.Missed))
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestClock(t *testing.T) {
	tests := map[string]struct {
		expr   string
		missed Missed
		set    time.Duration // by how much the clock jumps after 90 minutes
		want   []string      // what ran in 3 hours
		missN  int
	}{
		"undisturbed":                        {"0 * * * *", 0, 0, []string{"1h0m0s+0", "2h0m0s+0", "3h0m0s+0"}, 0},
		"forward, one run for all":           {"0 * * * *", MissedOnce, 5 * time.Hour, []string{"1h0m0s+0", "6h0m0s+4", "7h0m0s+0", "8h0m0s+0"}, 4},
		"forward, all up to two":             {"0 * * * *", 2, 5 * time.Hour, []string{"1h0m0s+0", "5h0m0s+0", "6h0m0s+0", "7h0m0s+0", "8h0m0s+0"}, 3},
		"forward, skip":                      {"0 * * * *", MissedSkip, 5 * time.Hour, []string{"1h0m0s+0", "7h0m0s+0", "8h0m0s+0"}, 5},
		"forward, one missed":                {"0 * * * *", MissedOnce, 50 * time.Minute, []string{"1h0m0s+0", "2h0m0s+0", "3h0m0s+0"}, 0},
		"back an hour, none runs twice":      {"0 * * * *", 0, -time.Hour, []string{"1h0m0s+0", "2h0m0s+0"}, 0},
		"back four hours, the new time":      {"0 * * * *", 0, -4 * time.Hour, []string{"1h0m0s+0", "-2h0m0s+0", "-1h0m0s+0"}, 0},
		"interval, back an hour":             {"@every 1h", 0, -time.Hour, []string{"1h0m0s+0", "1h0m0s+0", "2h0m0s+0"}, 0},
		"interval, back four hours":          {"@every 1h", 0, -4 * time.Hour, []string{"1h0m0s+0", "-2h0m0s+0", "-1h0m0s+0"}, 0},
		"interval, forward, keeps its phase": {"@every 1h", 0, 5 * time.Hour, []string{"1h0m0s+0", "6h0m0s+4", "7h0m0s+0", "8h0m0s+0"}, 4},
		"a month of seconds":                 {"*/1 * * * * *", MissedSkip, 30 * 24 * time.Hour, nil, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startSkewed(t, tt.expr, tt.missed)
				pass(90 * time.Minute)
				before := len(s.due)
				s.set(tt.set)
				pass(90 * time.Minute)
				if tt.want == nil {
					if runs := len(s.due) - before; runs < 5300 || runs > 5401 {
						t.Errorf("%d runs after a jump of %v, want about 5,400", runs, tt.set)
					}
					return
				}
				if !slices.Equal(s.due, tt.want) {
					t.Errorf("clock set by %v: ran %v, want %v", tt.set, s.due, tt.want)
				}
				if st := s.Jobs()[0]; st.Missed != tt.missN {
					t.Errorf("missed %d, want %d", st.Missed, tt.missN)
				}
			})
		})
	}
}
