package schedule

import "fmt"

// item reads one part of a list: "*", a value, a range or one of the special days.
func (p *parser) item(f field, at span, s *set) *ParseError {
	if at.from == at.to {
		return p.fail(f.String(), at, "a value on both sides of each comma")
	}
	low, high := f.bounds()
	pos, ranged := at.from, true
	switch first := p.text[pos]; {
	case first == '*':
		p.star(f)
		pos++
	case first == '/':
		p.star(f)
		ranged = false
	case first == 'L' && f == dom:
		return p.last(at)
	default:
		var err *ParseError
		if low, pos, err = p.value(f, at, pos); err != nil {
			return err
		}
		ranged = pos < at.to && p.text[pos] == '-'
		switch {
		case ranged:
			high, pos, err = p.rangeEnd(f, at, pos+1, low)
			if err != nil {
				return err
			}
		case f == dow && pos < at.to && (p.text[pos] == '#' || p.text[pos] == 'L'):
			return p.nthWeekday(at, low%7, pos)
		case pos == at.to || p.text[pos] != '/':
			high = low
		case f == dow:
			high = 6 // a lenient step after a weekday ends on Saturday
		}
	}
	step := 1
	if pos < at.to && p.text[pos] == '/' {
		n, next := p.number(pos+1, at.to)
		if next != at.to || next == pos+1 || n == 0 {
			return p.fail(f.String(), at, `a step of 1 or more after "/"`)
		}
		if !ranged && !p.lenient {
			return p.fail(f.String(), at, fmt.Sprintf("a range before the step, such as %d-%d/%d", low, high, n))
		}
		step, pos = n, at.to
	}
	if pos != at.to {
		return p.fail(f.String(), at, f.values()+f.forms())
	}
	f.fill(s, low, high, step)
	return nil
}

// fill adds every step-th value from low to high, beginning again at the lowest where a lenient
// range wraps. It takes time in proportion to the field, not to the numbers.
func (f field) fill(s *set, low, high, step int) {
	first, last := f.bounds()
	if f == year {
		low, high = low-firstYear, high-firstYear
	}
	if low <= high {
		for v := low; v <= high; v += step {
			s.add(v)
		}
		return
	}
	if f == dow {
		last = 6
	}
	size := last - first + 1
	for v := low; v <= high+size; v += step {
		s.add((v-first)%size + first)
	}
}

// star notes that a field contains "*", which decides what its schedule does when clocks change.
func (p *parser) star(f field) {
	if f <= hour {
		p.cron.stars |= 1 << f
	}
}

// value reads a number or a name at pos and returns it with where it ends.
func (p *parser) value(f field, at span, pos int) (v, next int, err *ParseError) {
	v, next = p.number(pos, at.to)
	if next > pos {
		if low, high := f.bounds(); v < low || v > high {
			return 0, 0, p.fail(f.String(), span{pos, next}, f.values())
		}
		return v, next, nil
	}
	if next = pos + 3; next <= at.to {
		if v, ok := f.named(p.text[pos:next]); ok {
			return v, next, nil
		}
	}
	return 0, 0, p.fail(f.String(), at, f.values()+f.forms())
}

// rangeEnd reads the upper end of a range that begins with low.
func (p *parser) rangeEnd(f field, at span, pos, low int) (high, next int, err *ParseError) {
	if pos == at.to {
		return 0, 0, p.fail(f.String(), at, `a value after "-"`)
	}
	high, next, err = p.value(f, at, pos)
	if err != nil {
		return 0, 0, err
	}
	if f == dow && high == 0 && low > 0 && !isDigit(p.text[pos]) {
		high = 7 // FRI-SUN
	}
	if low > high {
		if !p.lenient || f == year {
			return 0, 0, p.fail(f.String(), at, "the lower value first: ranges do not wrap")
		}
	}
	return high, next, nil
}

// number reads the digits at pos, and stops counting where no field could take the value.
func (p *parser) number(pos, to int) (n, next int) {
	const enough = 1 << 20
	for pos < to && isDigit(p.text[pos]) {
		n = min(n*10+int(p.text[pos]-'0'), enough)
		pos++
	}
	return n, pos
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// last reads L, L-n and LW.
func (p *parser) last(at span) *ParseError {
	d := &p.cron.days
	switch text := p.text[at.from:at.to]; {
	case text == "L":
		d.fromLast |= 1
	case text == "LW":
		d.lastWeekday = true
	case len(text) > 2 && text[1] == '-':
		n, next := p.number(at.from+2, at.to)
		if next != at.to || n > 30 {
			return p.fail(dom.String(), at, "L-0 to L-30")
		}
		d.fromLast |= 1 << n
	default:
		return p.fail(dom.String(), at, "L, L-0 to L-30 or LW")
	}
	return nil
}

// nearest reads nW, which stands alone in its field.
func (p *parser) nearest(at span) *ParseError {
	n, next := p.number(at.from, at.to)
	if next != at.to-1 || n < 1 || n > 31 {
		return p.fail(dom.String(), at, "1W to 31W, alone in its field")
	}
	p.cron.days.near = uint8(n)
	return nil
}

// nthWeekday reads D#n, D#L and DL, whose weekday ended at pos.
func (p *parser) nthWeekday(at span, weekday, pos int) *ParseError {
	d := &p.cron.days
	switch rest := p.text[pos:at.to]; {
	case rest == "L" || rest == "#L":
		d.dowLast |= 1 << weekday
	case len(rest) > 1 && rest[0] == '#':
		n, next := p.number(pos+1, at.to)
		if next != at.to || n < 1 || n > 5 {
			return p.fail(dow.String(), at, `1 to 5 or L after "#"`)
		}
		d.nth |= 1 << (7*(n-1) + weekday)
	default:
		return p.fail(dow.String(), at, "a weekday with #1 to #5, #L or L behind it")
	}
	return nil
}
