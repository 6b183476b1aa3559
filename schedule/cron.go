package schedule

import (
	"iter"
	"math/bits"
	"time"
)

// Schedule says when something is due.
//
// Next returns the first due time after the given one, and the zero time where there is none.
// Implementations must be safe for concurrent use and give a later time than they were given;
// [Cron] and [Interval] do.
type Schedule interface {
	Next(after time.Time) time.Time
}

// Cron is a parsed cron expression. It is made by [Parse], never changes, and is safe for
// concurrent use. The zero Cron never runs.
type Cron struct {
	clock clock
	days  days
	loc   *time.Location // named by the expression or by the option In; nil: that of the question

	every   time.Duration // @every: the length of the interval; else 0
	kind    kind
	fixed   bool  // no * in second, minute and hour; see the package comment on clock changes
	gapSkip bool  // the option GapSkip
	zoned   bool  // loc comes from the expression
	stars   uint8 // bit f: the field f contains *; kept of second, minute and hour
}

type kind uint8

const (
	kindNever  kind = iota // no day of the calendar matches
	kindFields             // five to seven fields
	kindEvery              // @every
	kindReboot             // @reboot
	kindCustom             // in a Scheduler: neither a *Cron nor an Interval
)

// Next returns the first run strictly after the given time, on a whole second, or the zero time
// where none is left up to the end of 2199. The result is in the time zone that the expression
// names, or else in that of after. Next takes no memory.
//
// Next(t) is the same for every t between two runs. That cannot hold for @every, whose Next is t
// plus the interval, to the nanosecond; a [Scheduler] keeps its phase. The Next of @reboot is the
// zero time.
func (c *Cron) Next(after time.Time) time.Time {
	loc := c.loc
	if loc == nil {
		loc = after.Location()
	}
	switch c.kind {
	case kindFields:
		var run int64
		from := after.Unix() + 1
		if loc == time.UTC {
			run = c.civilFrom(from)
		} else {
			run = c.nextIn(loc, from)
		}
		if run == never {
			return time.Time{}
		}
		return time.Unix(run, 0).In(loc)
	case kindEvery:
		return after.In(loc).Add(c.every)
	default:
		return time.Time{}
	}
}

// Prev returns the last run strictly before the given time, or the zero time where there is none
// since the start of 1970. It mirrors Next: for a run r, Prev(Next(r)) and Next(Prev(r)) are r.
func (c *Cron) Prev(before time.Time) time.Time {
	loc := c.loc
	if loc == nil {
		loc = before.Location()
	}
	switch c.kind {
	case kindFields:
		to := before.Unix()
		if before.Nanosecond() == 0 {
			to--
		}
		var run int64
		if loc == time.UTC {
			run = c.civilUpTo(to)
		} else {
			run = c.prevIn(loc, to)
		}
		if run == -never {
			return time.Time{}
		}
		return time.Unix(run, 0).In(loc)
	case kindEvery:
		return before.In(loc).Add(-c.every)
	default:
		return time.Time{}
	}
}

// Matches reports whether a run falls on the second of t. It is false for @every, which has no runs
// of its own, and @reboot.
func (c *Cron) Matches(t time.Time) bool {
	if c.kind != kindFields {
		return false
	}
	second := time.Unix(t.Unix(), 0).In(t.Location())
	return c.Next(second.Add(-1)).Equal(second)
}

// All yields the runs strictly after the given time, in order, until none is left.
func (c *Cron) All(after time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for t := c.Next(after); !t.IsZero() && yield(t); {
			t = c.Next(t)
		}
	}
}

// Never reports whether no day from 1970 to 2199 matches, as in "0 0 31 2 *". Such an expression is
// no error, but no [Scheduler] takes it. It is known since Parse and costs nothing to ask. An
// expression whose years have merely passed, and @reboot, are not Never.
func (c *Cron) Never() bool { return c.kind == kindNever }

// Length returns the time between two runs of @every, and zero for every other expression.
func (c *Cron) Length() time.Duration { return c.every }

// Location returns the time zone that the expression or the option [In] names, or nil where that of
// the question counts.
func (c *Cron) Location() *time.Location { return c.loc }

// finish derives what the searches rely on from the parsed fields.
func (c *Cron) finish() {
	c.clock.first = int64(bits.TrailingZeros32(c.clock.hour))*3600 +
		int64(bits.TrailingZeros64(c.clock.minute))*60 + int64(bits.TrailingZeros64(c.clock.second))
	c.clock.last = int64(bits.Len32(c.clock.hour)-1)*3600 +
		int64(bits.Len64(c.clock.minute)-1)*60 + int64(bits.Len64(c.clock.second)-1)
	c.fixed = c.stars == 0

	d := &c.days
	if d.anyDom || d.anyDow {
		d.both = false // + changes nothing beside an unrestricted field
	}
	d.anyYear = d.year == allYears()
	d.daily = d.anyDom && d.anyDow && d.anyYear && d.month == uint16(upTo(12))
	c.kind = kindFields
	if !d.daily && !d.possible() {
		c.kind = kindNever
	}
}

// possible reports whether any day matches. There are only fourteen different years: by the weekday
// they begin with, and by leap day.
func (d *days) possible() bool {
	var seen uint16
	for year := firstYear; year <= lastYear; year++ {
		if !d.year.has(year) {
			continue
		}
		start := monthStart(year, 1)
		class := weekday(start)
		if monthLength(year, 2) == 29 {
			class += 7
		}
		switch {
		case seen == 1<<14-1:
			return false
		case seen>>class&1 != 0:
			continue
		}
		seen |= 1 << class
		for set := d.month; set != 0; set &= set - 1 {
			month := bits.TrailingZeros16(set)
			if d.inMonth(year, month, monthStart(year, month)) != 0 {
				return true
			}
		}
	}
	return false
}

func allYears() years {
	const rest = yearCount - 3*64
	return years{^uint64(0), ^uint64(0), ^uint64(0), 1<<rest - 1}
}
