package schedule_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/warmcache/warmcache/schedule"
)

// TestScheduler_stress calls every method from many goroutines while jobs run, and checks that the
// counts add up after Stop.
func TestScheduler_stress(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	done := map[string]int{}
	s := schedule.New(schedule.Config{
		Concurrency: 4, Logger: quiet(), Location: time.UTC,
		OnDone: func(r schedule.Run) {
			mu.Lock()
			defer mu.Unlock()
			if !r.Started.IsZero() {
				done[r.Job]++
			}
		},
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	const names = 8
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			d := rand.New(rand.NewPCG(uint64(g), 9))
			for range 400 {
				n := d.IntN(names)
				name := strconv.Itoa(n)
				var err error
				switch d.IntN(8) {
				case 0:
					err = s.Add(schedule.Job{
						Name: name, Schedule: every(t, time.Millisecond), Overlap: schedule.Overlap(n % 4), Jitter: time.Duration(n) * time.Microsecond,
						Run: func(context.Context) error {
							if n == 3 {
								panic("on purpose")
							}
							return nil
						},
					})
				case 1:
					err = s.Pause(name)
				case 2:
					err = s.Resume(name)
				case 3:
					s.Jobs()
					s.History(name)
				default:
					err = s.Trigger(name)
				}
				if err != nil && !errors.Is(err, schedule.ErrDuplicate) && !errors.Is(err, schedule.ErrUnknownJob) {
					t.Errorf("job %s: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	for n := range names { // every job still runs by itself
		if err := s.Resume(strconv.Itoa(n)); err != nil && !errors.Is(err, schedule.ErrUnknownJob) {
			t.Error(err)
		}
	}
	before := map[string]int{}
	for _, st := range s.Jobs() {
		before[st.Name] = st.Runs
	}
	for deadline := time.Now().Add(20 * time.Second); len(before) > 0; <-time.After(time.Millisecond) {
		for _, st := range s.Jobs() {
			if st.Runs > before[st.Name]+3 {
				delete(before, st.Name)
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("these jobs do not run any more: %v", before)
		}
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, st := range s.Jobs() {
		if st.Runs != done[st.Name] || st.Running != 0 || st.Queued != 0 {
			t.Errorf("after Stop: %d runs were told of, status %+v", done[st.Name], st)
		}
	}
}
