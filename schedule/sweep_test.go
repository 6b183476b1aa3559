package schedule_test

import (
	"slices"
	"testing"
	"time"

	"github.com/warmcache/warmcache/schedule"
)

// sweepZones are the zones whose every change of offset from 2000 to 2040 is tested: both
// hemispheres, changes at midnight (Cairo, Beirut, Havana, Santiago, Asunción, Tehran), across
// midnight (Azores, Godthab), of half an hour (Lord Howe), at UTC midnight and on demand
// (Casablanca, Gaza), of a whole day (Apia), of the standard offset (Caracas, Pyongyang, Moscow).
func sweepZones() []string {
	return []string{
		"America/New_York", "Europe/London", "Europe/Berlin", "Africa/Cairo", "Africa/Casablanca", "America/Santiago",
		"America/Havana", "America/Asuncion", "America/Sao_Paulo", "America/Godthab", "America/Caracas", "America/St_Johns",
		"Asia/Beirut", "Asia/Gaza", "Asia/Tehran", "Asia/Pyongyang", "Atlantic/Azores", "Australia/Lord_Howe",
		"Australia/Sydney", "Europe/Moscow", "Pacific/Apia", "Pacific/Chatham", "Antarctica/Troll", "America/Ciudad_Juarez",
	}
}

func location(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		tb.Fatalf("time zone %s: %v", name, err)
	}
	return loc
}

func parse(tb testing.TB, expr string, opts ...schedule.Option) *schedule.Cron {
	tb.Helper()
	c, err := schedule.Parse(expr, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// checkWindow compares Next and Prev with the runs that the oracle found in [from, to).
func checkWindow(t *testing.T, c *schedule.Cron, expr string, loc *time.Location, from, to int64, want []int64) {
	t.Helper()
	var forth, back []time.Time
	for at := c.Next(time.Unix(from, 0).In(loc).Add(-1)); !at.IsZero() && at.Unix() < to; at = c.Next(at) {
		if forth = append(forth, at); len(forth) > len(want) {
			break
		}
	}
	if !same(forth, want) {
		t.Fatalf("%q in %s from %v:\nNext %v\nwant %v", expr, loc, time.Unix(from, 0).In(loc), forth, times(want, loc))
	}
	for at := c.Prev(time.Unix(to, 0).In(loc)); !at.IsZero() && at.Unix() >= from; at = c.Prev(at) {
		if back = append(back, at); len(back) > len(want) {
			break
		}
	}
	slices.Reverse(back)
	if !same(back, want) {
		t.Fatalf("%q in %s before %v:\nPrev %v\nwant %v", expr, loc, time.Unix(to, 0).In(loc), back, times(want, loc))
	}
}

func times(at []int64, loc *time.Location) []time.Time {
	var all []time.Time
	for _, a := range at {
		all = append(all, time.Unix(a, 0).In(loc))
	}
	return all
}

// checkBetween asks from an instant between the runs, with nanoseconds.
func checkBetween(t *testing.T, c *schedule.Cron, d dice, expr string, loc *time.Location, from, to int64, want []int64) {
	t.Helper()
	at := from + d.Int64N(to-from)
	nanos := d.Int64N(2) * d.Int64N(1e9)
	i, exact := slices.BinarySearch(want, at)
	next, prev := i, i-1
	if exact {
		next++
		if nanos > 0 {
			prev++
		}
	}
	ask := time.Unix(at, nanos).In(loc)
	if next < len(want) {
		if got := c.Next(ask); got.Unix() != want[next] || got.Nanosecond() != 0 {
			t.Fatalf("%q in %s: Next(%v) = %v, want %v", expr, loc, ask, got, time.Unix(want[next], 0).In(loc))
		}
	}
	if prev >= 0 {
		if got := c.Prev(ask); got.Unix() != want[prev] || got.Nanosecond() != 0 {
			t.Fatalf("%q in %s: Prev(%v) = %v, want %v", expr, loc, ask, got, time.Unix(want[prev], 0).In(loc))
		}
	}
	if got := c.Matches(ask); got != exact {
		t.Fatalf("%q in %s: Matches(%v) = %v, want %v", expr, loc, ask, got, exact)
	}
}

// TestSweep compares Next and Prev with the oracle around every change of offset from 2000 to 2040
// in all sweep zones.
func TestSweep(t *testing.T) {
	t.Parallel()
	perChange := soak(8, 400)
	first := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	last := time.Date(2041, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, name := range sweepZones() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loc, d := location(t, name), newDice(uint64(i))
			changes := shifts(loc, first, last)
			if len(changes) == 0 {
				t.Fatal("no change of offset found")
			}
			for n, change := range changes {
				near := changes[max(0, n-1):min(len(changes), n+2)]
				from, to := change.at-5*3600, change.at+5*3600
				if span := int64(abs(change.after - change.before)); span > 3*3600 {
					from, to = from-span, to+span
				}
				for range perChange {
					expr := d.around(time.Unix(change.at-int64(d.IntN(2)), 0).In(loc))
					want := newOracle(expr).runs(loc, from, to, 60, near)
					c := parse(t, expr)
					checkWindow(t, c, expr, loc, from, to, want)
					checkBetween(t, c, d, expr, loc, from, to, want)
				}
			}
		})
	}
}

// TestCalendar compares the days of random expressions with the oracle's, over spans of eight
// years.
func TestCalendar(t *testing.T) {
	t.Parallel()
	d := newDice(7)
	for range soak(150, 20000) {
		expr := "0 0 " + d.domField() + " " + d.monthField() + " " + d.dowField()
		c, o := parse(t, expr), newOracle(expr)
		from := time.Date(1970+d.IntN(222), time.Month(1+d.IntN(12)), 1+d.IntN(28), 0, 0, 0, 0, time.UTC)
		to := from.AddDate(8, 0, 0)
		var want []int64
		for day := from; day.Before(to); day = day.AddDate(0, 0, 1) {
			if o.day(day.Date()) {
				want = append(want, day.Unix())
			}
		}
		checkWindow(t, c, expr, time.UTC, from.Unix(), to.Unix(), want)
		checkBetween(t, c, d, expr, time.UTC, from.Unix(), to.Unix(), want)
	}
}

// TestSeconds compares expressions with seconds and years with the oracle, second by second, across
// year ends and changes of offset.
func TestSeconds(t *testing.T) {
	t.Parallel()
	d := newDice(11)
	for _, name := range []string{"UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Monrovia"} {
		loc := location(t, name)
		changes := shifts(loc, time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC))
		for n := range soak(12, 600) {
			at := time.Date(2023+d.IntN(8), 12, 31, 23, 30, 0, 0, loc).Unix()
			if len(changes) > 0 && n%2 == 0 {
				at = changes[d.IntN(len(changes))].at - 2*3600
			}
			from, to := at, at+4*3600
			expr := d.field(0, 59) + " " + d.one("*", d.field(0, 59)) + " " + d.one("*", d.field(0, 23)) + " * * *"
			if n%3 == 0 {
				expr += " " + d.one("*", "2023-2199/2", "1972,2024-2026,2030", "*/3")
			}
			near := slices.DeleteFunc(slices.Clone(changes), func(s shift) bool { return s.at < from-86400 || s.at > to+86400 })
			want := newOracle(expr).runs(loc, from, to, 1, near)
			checkWindow(t, parse(t, expr), expr, loc, from, to, want)
		}
	}
}

// TestYearEnds walks hour by hour over the ends of leap years that a zone describes by a rule,
// where ZoneBounds gives an end in the past, and over the day that Samoa left out.
func TestYearEnds(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"America/New_York", "Australia/Sydney", "Europe/London", "Pacific/Apia"} {
		loc := location(t, name)
		hourly := parse(t, "0 * * * *")
		daily := parse(t, "30 12 * * *")
		for _, year := range []int{2011, 2040, 2096, 2100, 2196} {
			from := time.Date(year, 12, 29, 0, 0, 0, 0, loc)
			to := time.Date(year+1, 1, 3, 0, 0, 0, 0, loc)
			hours, days := 0, 0
			for at := range hourly.All(from) {
				if at.After(to) {
					break
				}
				if hours++; at.Sub(from) != time.Duration(hours)*time.Hour {
					t.Fatalf("%s: run %d at %v", name, hours, at)
				}
			}
			for at := range daily.All(from) {
				if at.After(to) {
					break
				}
				days++
			}
			wantHours, wantDays := int(to.Sub(from)/time.Hour), 5
			if name == "Pacific/Apia" && year == 2011 {
				wantDays = 4
			}
			if hours != wantHours || days != wantDays {
				t.Errorf("%s at the end of %d: %d hours and %d days, want %d and %d", name, year, hours, days, wantHours, wantDays)
			}
		}
	}
}
