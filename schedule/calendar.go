package schedule

import "math/bits"

// The civil line counts the seconds of a wall clock without any time zone since 1970-01-01
// 00:00:00. Every search of this package happens on it, with integers alone; zone.go maps the line
// onto instants.
const (
	secondsPerDay = 24 * 60 * 60

	firstYear = 1970
	lastYear  = 2199
	yearCount = lastYear - firstYear + 1

	// endDay and endOfTime are the first day and the first second after lastYear.
	endDay    = 84006
	endOfTime = endDay * secondsPerDay
)

// days is the part of an expression that decides on days: day of month, month, day of week and
// year.
type days struct {
	month uint16 // bits 1 to 12
	year  years

	dom         uint32 // bits 1 to 31
	fromLast    uint32 // bit n: n days before the last day (L is bit 0)
	lastWeekday bool   // LW
	near        uint8  // n of nW, else 0

	dow     uint8  // bits 0 (Sunday) to 6
	nth     uint64 // five groups of 7 bits: group n-1 holds the weekdays of D#n
	dowLast uint8  // weekdays of D#L

	anyDom, anyDow bool // the field is exactly * or ?
	both           bool // + : both day fields must match
	anyYear        bool // all years from 1970 to 2199
	daily          bool // every day of every year matches
}

// years is a bit set: bit 0 is 1970.
type years [4]uint64

func (y *years) has(year int) bool {
	i := uint(year - firstYear)
	return y[i/64]>>(i%64)&1 != 0
}

// clock is the part of an expression that decides on the time of day.
type clock struct {
	second, minute uint64 // bits 0 to 59
	hour           uint32 // bits 0 to 23
	first, last    int64  // the earliest and the latest match in a day, as seconds since midnight
}

// civilDate returns the date of a day number (0 is 1970-01-01) by the Euclidean affine functions of
// Neri and Schneider (2022), which need no loop, table or branch per month. It is exact for day
// numbers from 0 to endDay.
func civilDate(day int64) (year, month, dom int) {
	const fromMarch0 = 719468 // days from 0000-03-01 to 1970-01-01
	n1 := 4*uint64(day+fromMarch0) + 3
	century := n1 / 146097
	n2 := n1%146097/4*4 + 3
	p2 := 2939745 * n2
	yearOfCentury := p2 >> 32
	dayOfYear := (p2 & (1<<32 - 1)) / 2939745 / 4
	n3 := 2141*dayOfYear + 197913
	year, month, dom = int(100*century+yearOfCentury), int(n3>>16), int(n3&0xffff/2141)+1
	if dayOfYear >= 306 { // January and February end the year that began in March
		return year + 1, month - 12, dom
	}
	return year, month, dom
}

// monthStart returns the day number of the first of a month.
func monthStart(year, month int) int64 {
	y, m := int64(year), int64(month)-3
	if m < 0 {
		y, m = y-1, m+12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*m+2)/5 - 719468
}

func monthLength(year, month int) int {
	if month != 2 {
		return 30 | (month ^ month>>3)
	}
	if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 29
	}
	return 28
}

// weekday returns 0 (Sunday) to 6 for a day number; 1970-01-01 was a Thursday.
func weekday(day int64) uint { return uint(day+4) % 7 }

// upTo has the bits 1 to n.
func upTo(n int) uint32 { return uint32(uint64(2)<<n - 2) }

// align turns a set of weekdays so that its bit 0 is the weekday of the first of a month.
func align(set uint8, first uint) uint64 {
	return uint64(set>>first|set<<(7-first)) & 0x7f
}

// inMonth returns the matching days of one month as bits 1 to 31: a handful of operations, whatever
// the expression.
func (d *days) inMonth(year, month int, start int64) uint32 {
	length := monthLength(year, month)
	whole := upTo(length)
	if d.anyDow {
		if d.anyDom {
			return whole
		}
		return d.byDate(start, length) & whole
	}
	byWeekday := d.byWeekday(weekday(start), length) & whole
	switch {
	case d.anyDom:
		return byWeekday
	case d.both:
		return byWeekday & d.byDate(start, length)
	default:
		return byWeekday | d.byDate(start, length)&whole
	}
}

// byDate returns the days that the day of month field asks for.
func (d *days) byDate(start int64, length int) uint32 {
	set := d.dom
	if d.fromLast != 0 { // mirror: bit n becomes bit length-n
		set |= uint32(bits.Reverse64(uint64(d.fromLast))>>(63-length)) &^ 1
	}
	if d.lastWeekday {
		n := length
		switch weekday(start + int64(length) - 1) {
		case 6:
			n--
		case 0:
			n -= 2
		}
		set |= 1 << n
	}
	if n := int(d.near); n != 0 && n <= length {
		switch weekday(start + int64(n) - 1) {
		case 6:
			if n--; n == 0 {
				n = 3
			}
		case 0:
			if n++; n > length {
				n = length - 2
			}
		}
		set |= 1 << n
	}
	return set
}

// byWeekday returns the days that the day of week field asks for, in a month whose first day is the
// weekday first.
func (d *days) byWeekday(first uint, length int) uint32 {
	const everyWeek = 1 | 1<<7 | 1<<14 | 1<<21 | 1<<28
	set := align(d.dow, first) * everyWeek << 1
	if d.nth != 0 {
		for week := range 5 {
			group := uint8(d.nth >> (7 * week) & 0x7f)
			set |= align(group, first) << (7*week + 1)
		}
	}
	if d.dowLast != 0 {
		set |= align(d.dowLast, first) * everyWeek << 1 &^ uint64(upTo(length-7))
	}
	return uint32(set)
}

// from returns the first matching day from day on, or endDay.
func (d *days) from(day int64) int64 {
	if d.daily || day >= endDay {
		return min(day, endDay)
	}
	year, month, dom := civilDate(day)
	for year <= lastYear {
		if !d.anyYear && !d.year.has(year) {
			year, month, dom = year+1, 1, 1
			continue
		}
		rest := uint(d.month) >> month << month
		if rest == 0 {
			year, month, dom = year+1, 1, 1
			continue
		}
		if m := bits.TrailingZeros(rest); m != month {
			month, dom = m, 1
		}
		start := monthStart(year, month)
		if match := d.inMonth(year, month, start) >> dom << dom; match != 0 {
			return start + int64(bits.TrailingZeros32(match)) - 1
		}
		month, dom = month+1, 1
	}
	return endDay
}

// upTo returns the last matching day up to day, or -1.
func (d *days) upTo(day int64) int64 {
	if d.daily || day < 0 {
		return max(day, -1)
	}
	year, month, dom := civilDate(day)
	for year >= firstYear {
		if !d.anyYear && !d.year.has(year) {
			year, month, dom = year-1, 12, 31
			continue
		}
		rest := uint(d.month) & uint(upTo(month))
		if rest == 0 {
			year, month, dom = year-1, 12, 31
			continue
		}
		if m := bits.Len(rest) - 1; m != month {
			month, dom = m, 31
		}
		start := monthStart(year, month)
		if match := d.inMonth(year, month, start) & upTo(dom); match != 0 {
			return start + int64(bits.Len32(match)) - 2
		}
		month, dom = month-1, 31
	}
	return -1
}

// from returns the first matching second of a day from tod on, or -1.
func (c *clock) from(tod int64) int64 {
	if tod > c.last {
		return -1
	}
	h, m, s := uint(tod)/3600, uint(tod)/60%60, uint(tod)%60
	if c.hour>>h&1 != 0 {
		if c.minute>>m&1 != 0 {
			if set := c.second >> s << s; set != 0 {
				return tod - int64(s) + int64(bits.TrailingZeros64(set))
			}
		}
		if set := c.minute >> (m + 1) << (m + 1); set != 0 {
			return int64(h)*3600 + int64(bits.TrailingZeros64(set))*60 + c.first%60
		}
	}
	set := c.hour >> (h + 1) << (h + 1)
	return int64(bits.TrailingZeros32(set))*3600 + c.first%3600
}

// upTo returns the last matching second of a day up to tod, or -1.
func (c *clock) upTo(tod int64) int64 {
	if tod < c.first {
		return -1
	}
	h, m, s := uint(tod)/3600, uint(tod)/60%60, uint(tod)%60
	if c.hour>>h&1 != 0 {
		if c.minute>>m&1 != 0 {
			if set := c.second & (2<<s - 1); set != 0 {
				return tod - int64(s) + int64(bits.Len64(set)) - 1
			}
		}
		if set := c.minute & (1<<m - 1); set != 0 {
			return int64(h)*3600 + int64(bits.Len64(set)-1)*60 + c.last%60
		}
	}
	set := c.hour & (1<<h - 1)
	return int64(bits.Len32(set)-1)*3600 + c.last%3600
}
