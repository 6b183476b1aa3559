package redistest_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

// In virtual time every timer is punctual.
func TestLate_nothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := redistest.Late(t)
		began := time.Now()
		<-time.After(time.Second)
		if got := late.Since(began); got != 0 {
			t.Errorf("late by %v where all is punctual", got)
		}
	})
}

func TestLate_busy(t *testing.T) {
	late := redistest.Late(t)
	began := time.Now()
	var wg sync.WaitGroup
	for range 8 * runtime.GOMAXPROCS(0) { // nobody else's turn comes before some 80 ms
		wg.Go(func() {
			for time.Since(began) < 300*time.Millisecond {
			}
		})
	}
	wg.Wait()
	if got, all := late.Since(began), time.Since(began); got < 50*time.Millisecond || got > all {
		t.Errorf("late by %v of %v with eight goroutines for each processor", got, all)
	}
	if got := late.Since(time.Now()); got > 50*time.Millisecond {
		t.Errorf("late by %v since now", got)
	}
}
