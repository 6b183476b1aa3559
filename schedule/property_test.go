package schedule_test

import (
	"reflect"
	"testing"
	"time"
)

// TestProperties holds for random expressions of the whole grammar, random zones and random times
// what must hold for all.
func TestProperties(t *testing.T) {
	t.Parallel()
	d := newDice(3)
	zones := append(sweepZones(), "UTC", "Asia/Kathmandu", "Africa/Monrovia")
	for range soak(4000, 400000) {
		expr, loc := d.any(), location(t, zones[d.IntN(len(zones))])
		c := parse(t, expr)
		from := time.Unix(d.Int64N(229*365*86400), d.Int64N(2)*d.Int64N(1e9)).In(loc)
		next := c.Next(from)
		if c.Never() != c.Next(time.Time{}).IsZero() {
			t.Fatalf("%q: Never %v, but first ever %v", expr, c.Never(), c.Next(time.Time{}))
		}
		if next.IsZero() {
			continue
		}
		if !next.After(from) || next.Nanosecond() != 0 || next.Location() != loc || next.Year() > 2199 {
			t.Fatalf("%q: Next(%v) = %v", expr, from, next)
		}
		if between := from.Add(time.Duration(d.Int64N(int64(next.Sub(from))))); !c.Next(between).Equal(next) {
			t.Fatalf("%q: Next(%v) = %v, but Next(%v) = %v", expr, from, next, between, c.Next(between))
		}
		if prev := c.Prev(next.Add(1)); !prev.Equal(next) || !c.Matches(next) {
			t.Fatalf("%q: Prev just after the run %v = %v; Matches %v", expr, next, prev, c.Matches(next))
		}
		if prev := c.Prev(next); prev.After(from) || !prev.IsZero() && !c.Next(prev).Equal(next) {
			t.Fatalf("%q: Next(%v) = %v, but Prev of that = %v", expr, from, next, prev)
		}
		if after := c.Next(next); !after.IsZero() && !c.Prev(after).Equal(next) {
			t.Fatalf("%q: Prev(Next(%v)) = %v", expr, next, c.Prev(after))
		}
		again := parse(t, c.String())
		if !reflect.DeepEqual(c, again) {
			t.Fatalf("%q is written %q, which is another schedule:\n%+v\n%+v", expr, c, c, again)
		}
	}
}
