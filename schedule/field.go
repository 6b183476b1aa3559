package schedule

import "strings"

// field is a column of an expression.
type field uint8

const (
	second field = iota
	minute
	hour
	dom
	month
	dow
	year
)

func (f field) String() string {
	switch f {
	case second:
		return "second"
	case minute:
		return "minute"
	case hour:
		return "hour"
	case dom:
		return "day of month"
	case month:
		return "month"
	case dow:
		return "day of week"
	default:
		return "year"
	}
}

// bounds returns the lowest and the highest value.
func (f field) bounds() (low, high int) {
	switch f {
	case second, minute:
		return 0, 59
	case hour:
		return 0, 23
	case dom:
		return 1, 31
	case month:
		return 1, 12
	case dow:
		return 0, 7
	default:
		return firstYear, lastYear
	}
}

// values says what the field takes, for errors.
func (f field) values() string {
	switch f {
	case second, minute:
		return "0-59"
	case hour:
		return "0-23"
	case dom:
		return "1-31"
	case month:
		return "1-12 or JAN-DEC"
	case dow:
		return "0-7 or SUN-SAT (0 and 7 are Sunday)"
	default:
		return "1970-2199"
	}
}

// forms adds what the day fields take besides values.
func (f field) forms() string {
	switch f {
	case dom:
		return ", a range, L, L-n, LW, or one nW"
	case dow:
		return ", a range, D#1 to D#5, D#L or DL"
	default:
		return ", a range or *"
	}
}

// named returns the value of a three-letter name, in any case.
func (f field) named(s string) (int, bool) {
	var names string
	var base int
	switch f {
	case month:
		names, base = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", 1
	case dow:
		names = "SUNMONTUEWEDTHUFRISAT"
	default:
		return 0, false
	}
	for i := 0; i < len(names); i += 3 {
		if strings.EqualFold(names[i:i+3], s) {
			return i/3 + base, true
		}
	}
	return 0, false
}

// set holds the plain values of a field; bit 0 is 0, or 1970 in the field year.
type set [4]uint64

func (s *set) add(v int) { s[v/64] |= 1 << (v % 64) }

// field reads one column.
func (p *parser) field(f field, at span) *ParseError {
	c := &p.cron
	if f == dow && p.text[at.from] == '+' {
		c.days.both = true
		if at.from++; at.from == at.to {
			return p.fail(f.String(), at, f.values()+` after "+"`)
		}
	}
	text := p.text[at.from:at.to]
	whole := text == "*" || text == "?"
	switch {
	case whole && f == dom:
		c.days.anyDom = true
		return nil
	case whole && f == dow:
		c.days.anyDow = true
		return nil
	case f == dom && strings.HasSuffix(text, "W") && !strings.HasSuffix(text, "LW"):
		return p.nearest(at)
	}
	var s set
	for from := at.from; ; {
		to := from
		for to < at.to && p.text[to] != ',' {
			to++
		}
		if err := p.item(f, span{from, to}, &s); err != nil {
			return err
		}
		if to == at.to {
			break
		}
		from = to + 1
	}
	switch f {
	case second:
		c.clock.second = s[0]
	case minute:
		c.clock.minute = s[0]
	case hour:
		c.clock.hour = uint32(s[0])
	case dom:
		c.days.dom = uint32(s[0])
	case month:
		c.days.month = uint16(s[0])
	case dow:
		c.days.dow = uint8(s[0]&0x7f | s[0]>>7) // 7 is Sunday too
	case year:
		c.days.year = years(s)
	}
	return nil
}
