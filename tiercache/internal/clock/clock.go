package clock

import "time"

// Clock is a monotonic clock, in nanoseconds since a moment of its own.
type Clock struct{ start time.Time }

// Since returns the clock that began at start.
func Since(start time.Time) Clock { return Clock{start} }

// Now returns the time since the clock's beginning.
func (c Clock) Now() int64 { return int64(time.Since(c.start)) }
