package schedule

import "strconv"

// String returns the canonical form: parsed again, it is the same schedule. Names become numbers,
// lists are sorted and joined, nicknames are written out, seconds that are 0 and years that are all
// are left away. A time zone of the option [In] and the option [GapSkip] are not part of the text.
func (c *Cron) String() string {
	b := make([]byte, 0, 64)
	if c.zoned {
		b = append(b, "CRON_TZ="...)
		b = append(b, c.loc.String()...)
		b = append(b, ' ')
	}
	switch {
	case c.kind == kindEvery:
		return string(append(b, "@every "+c.every.String()...))
	case c.kind == kindReboot:
		return string(append(b, "@reboot"...))
	case c.days.month == 0:
		return "" // the zero Cron
	}
	if c.clock.second != 1 || c.starred(second) || !c.days.anyYear {
		b = append(c.appendField(b, second, set{c.clock.second}), ' ')
	}
	b = append(c.appendField(b, minute, set{c.clock.minute}), ' ')
	b = append(c.appendField(b, hour, set{uint64(c.clock.hour)}), ' ')
	b = append(c.days.appendDom(b), ' ')
	b = append(c.appendField(b, month, set{uint64(c.days.month)}), ' ')
	b = c.days.appendDow(b)
	if !c.days.anyYear {
		b = c.appendField(append(b, ' '), year, set(c.days.year))
	}
	return string(b)
}

// starred reports whether a field contained "*". In the month that makes no difference but in the
// form.
func (c *Cron) starred(f field) bool {
	return c.stars>>f&1 != 0 || f == month && c.days.month == uint16(upTo(12))
}

func (d *days) appendDom(b []byte) []byte {
	if d.anyDom {
		return append(b, '*')
	}
	if d.near != 0 {
		return append(strconv.AppendInt(b, int64(d.near), 10), 'W')
	}
	start := len(b)
	b = appendList(b, set{uint64(d.dom)}, dom)
	for n := range 31 {
		if d.fromLast>>n&1 == 0 {
			continue
		}
		b = append(comma(b, start), 'L')
		if n > 0 {
			b = strconv.AppendInt(append(b, '-'), int64(n), 10)
		}
	}
	if d.lastWeekday {
		b = append(comma(b, start), "LW"...)
	}
	return b
}

func (d *days) appendDow(b []byte) []byte {
	if d.both {
		b = append(b, '+')
	}
	if d.anyDow {
		return append(b, '*')
	}
	start := len(b)
	b = appendList(b, set{uint64(d.dow)}, dow)
	for i := range 35 {
		if d.nth>>i&1 != 0 {
			b = append(comma(b, start), byte('0'+i%7), '#', byte('1'+i/7))
		}
	}
	for day := range 7 {
		if d.dowLast>>day&1 != 0 {
			b = append(comma(b, start), byte('0'+day), '#', 'L')
		}
	}
	return b
}

// comma separates from what has been written since start.
func comma(b []byte, start int) []byte {
	if len(b) > start {
		return append(b, ',')
	}
	return b
}

// appendField writes a field. Where it contained "*", so does the result: "*" if all values are in,
// else "*/n" with the smallest n whose values all are, then the rest.
func (c *Cron) appendField(b []byte, f field, s set) []byte {
	if !c.starred(f) {
		return appendList(b, s, f)
	}
	low, high := f.bounds()
	step := s.starStep(low, high)
	b = append(b, '*')
	if step == 1 {
		return b
	}
	b = strconv.AppendInt(append(b, '/'), int64(step), 10)
	for v := low; v <= high; v += step {
		s.drop(v)
	}
	if s == (set{}) {
		return b
	}
	return appendList(append(b, ','), s, f)
}

// appendList writes a set as values and ranges.
func appendList(b []byte, s set, f field) []byte {
	low, high := f.bounds()
	shift := int64(0)
	if f == year {
		low, high, shift = 0, high-low, firstYear
	}
	start := len(b)
	for first := low; first <= high; first++ {
		if !s.has(first) {
			continue
		}
		last, step := s.progression(first, high)
		b = strconv.AppendInt(comma(b, start), int64(first)+shift, 10)
		if last > first {
			b = strconv.AppendInt(append(b, '-'), int64(last)+shift, 10)
		}
		if step > 1 {
			b = strconv.AppendInt(append(b, '/'), int64(step), 10)
		}
		for v := first; v <= last; v += step {
			s.drop(v)
		}
	}
	return b
}

func (s *set) has(v int) bool { return s[v/64]>>(v%64)&1 != 0 }

func (s *set) drop(v int) { s[v/64] &^= 1 << (v % 64) }

// starStep returns the smallest step for which every value of */step is in the set.
func (s *set) starStep(low, high int) int {
	step := 1
	for v := low; v <= high; v += step {
		if !s.has(v) {
			step++
			v = low - step // begin again
		}
	}
	return step
}

// progression returns where the values that begin with first end when written as a range with a
// step, which takes three.
func (s *set) progression(first, high int) (last, step int) {
	next := first + 1
	for next <= high && !s.has(next) {
		next++
	}
	step = next - first
	last = first
	for last+step <= high && s.has(last+step) {
		last += step
	}
	if last-first < 2*step {
		return first, 1
	}
	return last, step
}
