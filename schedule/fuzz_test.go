package schedule_test

import (
	"testing"
	"time"

	"github.com/warmcache/warmcache/schedule"
)

// FuzzParse feeds any text: no panic, an error whose position is in the text, or a schedule whose
// canonical form is the same schedule.
func FuzzParse(f *testing.F) {
	for _, expr := range []string{
		"*/5 * * * *", "0 9 * * MON-FRI", "TZ=Africa/Cairo 0 9 * * 5", "0 0 L-3,LW,15 * +FRI#2,1L", "1,2-9/3 0 0 15W JAN-mar ? 1970-2199/2",
		"@every 90s", "@reboot", "CRON_TZ=UTC @daily", "0 0 31 2 *", "*/60 */24 * * * *",
	} {
		f.Add(expr)
	}
	from := time.Date(2026, 4, 23, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, expr string) {
		start := time.Now()
		defer func() {
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%q took %v", expr, took)
			}
		}()
		_, lenientErr := schedule.Parse(expr, schedule.Lenient())
		c, err := schedule.Parse(expr)
		if err != nil {
			fault, ok := err.(*schedule.ParseError) //nolint:errorlint // Parse returns it as it is
			if !ok || fault.Pos < 0 || fault.Pos+len(fault.Text) > len(expr) || fault.Want == "" {
				t.Fatalf("%q: error %#v", expr, err)
			}
			_ = fault.Caret()
			return
		}
		if lenientErr != nil {
			t.Fatalf("%q is strict but not lenient: %v", expr, lenientErr)
		}
		text := c.String()
		again, err := schedule.Parse(text)
		if err != nil {
			t.Fatalf("%q is written %q: %v", expr, text, err)
		}
		if again.String() != text || again.Never() != c.Never() || again.Describe() != c.Describe() {
			t.Fatalf("%q is written %q, and that %q", expr, text, again)
		}
		at, same := from, from
		for range 5 {
			at, same = c.Next(at), again.Next(same)
			if !at.Equal(same) {
				t.Fatalf("%q and its canonical form %q run at %v and %v", expr, text, at, same)
			}
		}
	})
}

// FuzzNext compares Next and Prev with the oracle around an instant in a zone, for an expression
// drawn from a seed.
func FuzzNext(f *testing.F) {
	f.Add(uint64(1), uint8(0), int64(1777000000))
	f.Add(uint64(2), uint8(3), int64(1776981600))
	f.Add(uint64(3), uint8(20), int64(1325239200))
	f.Fuzz(func(t *testing.T, seed uint64, zone uint8, at int64) {
		names := sweepZones()
		loc := location(t, names[int(zone)%len(names)])
		first := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		last := time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		at = first + int64(uint64(at)%uint64(last-first))
		at -= at % 60
		from, to := at-12*3600, at+12*3600
		near := shifts(loc, time.Unix(from-86400, 0), time.Unix(to+86400, 0))
		d := newDice(seed)
		expr := d.around(time.Unix(at, 0).In(loc))
		want := newOracle(expr).runs(loc, from, to, 60, near)
		c := parse(t, expr)
		checkWindow(t, c, expr, loc, from, to, want)
		checkBetween(t, c, d, expr, loc, from, to, want)
	})
}
