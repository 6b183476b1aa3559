package schedule

import (
	"math"
	"time"
)

const (
	// reach is more than any two offsets of one zone differ: the date line moved Apia and Kwajalein
	// by 24 hours.
	reach = 26 * 60 * 60

	// longestGap bounds the gaps whose missed runs are made up for; a longer one is a change of the
	// calendar.
	longestGap = 3 * 60 * 60

	// never stands for a time that does not come, on the civil line and on that of instants.
	never = math.MaxInt64
)

// civilFrom returns the first match from local on, on the civil line, or never.
func (c *Cron) civilFrom(local int64) int64 {
	local = max(local, 0)
	day, tod := local/secondsPerDay, local%secondsPerDay
	match := c.clock.from(tod)
	if match < 0 {
		day++
	}
	found := c.days.from(day)
	if found >= endDay {
		return never
	}
	if match < 0 || found != day {
		match = c.clock.first
	}
	return found*secondsPerDay + match
}

// civilUpTo returns the last match up to local, on the civil line, or -never.
func (c *Cron) civilUpTo(local int64) int64 {
	local = min(local, endOfTime-1)
	if local < 0 {
		return -never
	}
	day, tod := local/secondsPerDay, local%secondsPerDay
	match := c.clock.upTo(tod)
	if match < 0 {
		day--
	}
	found := c.days.upTo(day)
	if found < 0 {
		return -never
	}
	if match < 0 || found != day {
		match = c.clock.last
	}
	return found*secondsPerDay + match
}

// zoneAt returns the offset from UTC at an instant and the instant up to which it holds, or never.
//
// [time.Time.ZoneBounds] cuts the years that a zone describes by a rule at their ends, and one day
// early in leap years, so that the bound it gives on 31 December may lie in the past. The next
// midnight in UTC is right then: the same offset goes on.
func zoneAt(loc *time.Location, at int64) (offset, end int64) {
	t := time.Unix(at, 0).In(loc)
	_, seconds := t.Zone()
	_, bound := t.ZoneBounds()
	if bound.IsZero() {
		return int64(seconds), never
	}
	end = bound.Unix()
	if end <= at {
		end = at - at%secondsPerDay + secondsPerDay
	}
	return int64(seconds), end
}

// zoneStart returns the instant from which the offset at an instant has held, or -never. The start
// that ZoneBounds gives may be too early where a zone's rule begins in the middle of a year (Ciudad
// Juárez, 30 November 2022); walking forward from it is exact.
func zoneStart(loc *time.Location, at int64) int64 {
	bound, _ := time.Unix(at, 0).In(loc).ZoneBounds()
	if bound.IsZero() {
		return -never
	}
	start := bound.Unix()
	for {
		_, end := zoneAt(loc, start)
		if end > at {
			return start
		}
		start = end
	}
}

// stretch is a span of instants with one offset from UTC.
type stretch struct {
	start, end int64 // the end is not in it, and may be never
	offset     int64
	prev       int64 // the offset before start
}

// stretchFrom begins a stretch at an instant, as if the offset had been the same before.
func stretchFrom(loc *time.Location, start int64) stretch {
	offset, end := zoneAt(loc, start)
	return stretch{start: start, end: end, offset: offset, prev: offset}
}

// following returns the stretch that begins where s ends.
func (s *stretch) following(loc *time.Location) stretch {
	next := stretchFrom(loc, s.end)
	next.prev = s.offset
	return next
}

// makesUp reports whether a change of the offset from prev to offset skipped wall times whose runs
// are made up for.
func (c *Cron) makesUp(prev, offset int64) bool {
	return c.fixed && !c.gapSkip && offset > prev && offset-prev <= longestGap
}

// nextIn returns the first run at or after the instant from, or never. It walks the stretches of
// constant offset. Starting a reach early shows the stretch before the one of from, which decides
// on gaps and repeated wall times.
func (c *Cron) nextIn(loc *time.Location, from int64) int64 {
	from = max(from, -2*reach)
	s := stretchFrom(loc, from-reach)
	for {
		if s.end > from {
			run, ahead := c.firstIn(&s, from)
			if run != never || ahead == never {
				return run
			}
			if ahead > s.end {
				s = stretchFrom(loc, ahead)
				continue
			}
		}
		s = s.following(loc)
	}
}

// firstIn returns the first run at or after from in a stretch. Without one, it returns where to
// look on, or never.
//
// An instant runs when its wall time matches. A fixed schedule also runs at the start of a stretch
// for a match in the gap before it, and does not run for wall times that the stretch before it had.
func (c *Cron) firstIn(s *stretch, from int64) (run, ahead int64) {
	low := max(s.start, from) + s.offset
	if c.fixed && s.prev != s.offset {
		if s.start >= from && c.makesUp(s.prev, s.offset) && c.civilFrom(s.start+s.prev) < s.start+s.offset {
			return s.start, 0
		}
		low = max(low, s.start+s.prev)
	}
	match := c.civilFrom(low)
	switch {
	case match != never && match-s.offset < s.end:
		return match - s.offset, 0
	case s.end > endOfTime+reach:
		return never, never
	case s.end+s.offset-reach < low: // wall times from low on may come again after so short a stretch
		return never, s.end
	case match == never:
		return never, never
	}
	return never, max(s.end, match-s.offset-2*reach) // up to match there is nothing
}

// prevIn returns the last run at or before the instant to, or -never. It mirrors nextIn.
func (c *Cron) prevIn(loc *time.Location, to int64) int64 {
	for at := min(to, endOfTime+2*reach); at > -2*reach; {
		offset, _ := zoneAt(loc, at)
		start, prev := zoneStart(loc, at), offset
		if start != -never {
			prev, _ = zoneAt(loc, start-1)
		}
		high := at + offset
		match := c.civilUpTo(high)
		switch low := start + offset; {
		case match == -never && start == -never:
			return -never
		case start == -never:
			return match - offset
		case match >= low && (!c.fixed || match >= start+prev):
			return match - offset
		case match < low && match >= start+prev && c.makesUp(prev, offset):
			return start
		}
		at = start - 1
		if start+offset+reach <= high { // no earlier wall time comes after high
			if match == -never {
				return -never
			}
			at = min(at, match-offset+reach)
		}
	}
	return -never
}
