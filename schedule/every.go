package schedule

import (
	"fmt"
	"time"
)

// shortestInterval keeps a mistaken unit from becoming a busy loop.
const shortestInterval = time.Millisecond

// Interval is a [Schedule] of equal lengths of elapsed time. In a [Scheduler] it keeps its phase:
// the n-th run is due n lengths after the start, however long runs take. It is made by [Every]; the
// zero Interval is never due.
type Interval struct{ length time.Duration }

// Every returns the schedule that is due each d. A d under a millisecond is an error.
func Every(d time.Duration) (Interval, error) {
	if d < shortestInterval {
		return Interval{}, fmt.Errorf("schedule: interval %v: want %v or longer", d, shortestInterval)
	}
	return Interval{length: d}, nil
}

// Next returns after plus the length of the interval.
func (i Interval) Next(after time.Time) time.Time {
	if i.length <= 0 {
		return time.Time{}
	}
	return after.Add(i.length)
}

// Length returns the time between two runs.
func (i Interval) Length() time.Duration { return i.length }

// String returns the interval as an expression, such as "@every 1h30m0s".
func (i Interval) String() string { return "@every " + i.length.String() }
