package schedule_test

import (
	"testing"
	"time"

	"github.com/warmcache/warmcache/schedule"
)

func TestNextAllocatesNothing(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, expr := range []string{"*/5 * * * *", "0 3 * * *", "0 0 29 2 *", "0 0 13 * 5", "0 0 L * *", "0 0 31 2 *"} {
		c, err := schedule.Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, zone := range []*time.Location{time.UTC, newYork} {
			at := time.Date(2026, 3, 7, 12, 0, 0, 0, zone)
			if n := testing.AllocsPerRun(100, func() { c.Next(at) }); n != 0 {
				t.Errorf("%q in %v: %v allocations", expr, zone, n)
			}
		}
	}
}
