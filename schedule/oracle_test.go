package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// oracle is the slow and obvious reading of schedule expressions: it shares no code and no method
// with the package. It looks at every second or minute there is, asks time.Time for its wall clock,
// and compares the fields one by one.
type oracle struct {
	sec, min, hour, month, year func(int) bool
	dom, dow                    string
	fixed                       bool
}

// newOracle takes a valid expression of five to seven fields.
func newOracle(expr string) *oracle {
	f := strings.Fields(expr)
	if len(f) == 5 {
		f = append([]string{"0"}, f...)
	}
	if len(f) == 6 {
		f = append(f, "*")
	}
	return &oracle{
		sec: numbers(f[0], 0, 59, ""), min: numbers(f[1], 0, 59, ""), hour: numbers(f[2], 0, 23, ""),
		dom: f[3], month: numbers(f[4], 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"), dow: f[5],
		year:  numbers(f[6], 1970, 2199, ""),
		fixed: !strings.Contains(f[0]+f[1]+f[2], "*"),
	}
}

// numbers reads the plain part of a field.
func numbers(text string, low, high int, names string) func(int) bool {
	value := func(s string) int {
		if i := strings.Index(names, strings.ToUpper(s)); i >= 0 && s != "" {
			return i/3 + low
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			panic("oracle: " + text)
		}
		return n
	}
	in := map[int]bool{}
	for item := range strings.SplitSeq(text, ",") {
		body, stepText, stepped := strings.Cut(item, "/")
		step := 1
		if stepped {
			step = value(stepText)
		}
		from, to := low, high
		if body != "*" {
			a, b, ranged := strings.Cut(body, "-")
			from = value(a)
			to = from
			if ranged {
				to = value(b)
				if strings.EqualFold(b, "SUN") && from != 0 {
					to = 7
				}
			}
		}
		for v := from; v <= to; v += step {
			in[v] = true
		}
	}
	return func(v int) bool { return in[v] }
}

// day reports whether the day fields match a date.
func (o *oracle) day(y int, m time.Month, d int) bool {
	if !o.year(y) || !o.month(int(m)) || y < 1970 || y > 2199 {
		return false
	}
	dow, both := strings.CutPrefix(o.dow, "+")
	byDate, byWeekday := o.matchDom(y, m, d), matchDow(dow, y, m, d)
	freeDom, freeDow := o.dom == "*" || o.dom == "?", dow == "*" || dow == "?"
	if both || freeDom || freeDow {
		return byDate && byWeekday
	}
	return byDate || byWeekday
}

func weekdayOf(y int, m time.Month, d int) time.Weekday {
	return time.Date(y, m, d, 12, 0, 0, 0, time.UTC).Weekday()
}

func lastOf(y int, m time.Month) int { return time.Date(y, m+1, 0, 12, 0, 0, 0, time.UTC).Day() }

func (o *oracle) matchDom(y int, m time.Month, d int) bool {
	last := lastOf(y, m)
	for item := range strings.SplitSeq(o.dom, ",") {
		switch {
		case item == "?":
			return true
		case item == "L":
			if d == last {
				return true
			}
		case item == "LW":
			n := last
			for weekdayOf(y, m, n) == time.Saturday || weekdayOf(y, m, n) == time.Sunday {
				n--
			}
			if d == n {
				return true
			}
		case strings.HasPrefix(item, "L-"):
			n, _ := strconv.Atoi(item[2:])
			if d == last-n {
				return true
			}
		case strings.HasSuffix(item, "W"):
			n, _ := strconv.Atoi(strings.TrimSuffix(item, "W"))
			best := 0
			for c := 1; n <= last && c <= last; c++ { // the nearest Monday to Friday of the month; there is never a tie
				w := weekdayOf(y, m, c)
				if w != time.Saturday && w != time.Sunday && (best == 0 || abs(c-n) < abs(best-n)) {
					best = c
				}
			}
			if d == best {
				return true
			}
		default:
			if numbers(item, 1, 31, "")(d) {
				return true
			}
		}
	}
	return false
}

func abs(n int) int { return max(n, -n) }

func matchDow(field string, y int, m time.Month, d int) bool {
	const names = "SUNMONTUEWEDTHUFRISAT"
	w := int(weekdayOf(y, m, d))
	for item := range strings.SplitSeq(field, ",") {
		day, nth, found := strings.Cut(item, "#")
		if item != "L" && strings.HasSuffix(item, "L") && !found {
			day, nth, found = strings.TrimSuffix(item, "L"), "L", true
		}
		if item == "?" {
			return true
		}
		in := numbers(day, 0, 7, names)
		if !in(w) && (w != 0 || !in(7)) {
			continue
		}
		switch {
		case !found:
			return true
		case nth == "L":
			if d+7 > lastOf(y, m) {
				return true
			}
		default:
			if n, _ := strconv.Atoi(nth); (d-1)/7+1 == n {
				return true
			}
		}
	}
	return false
}

// wall reports whether a wall time matches.
func (o *oracle) wall(t time.Time) bool {
	return o.sec(t.Second()) && o.min(t.Minute()) && o.hour(t.Hour()) && o.day(t.Date())
}

// shift is a change of a zone's offset.
type shift struct {
	at            int64 // the first second of the new offset
	before, after int   // offsets in seconds
}

// shifts finds every change of offset in a span by asking for the offset itself, never for bounds.
func shifts(loc *time.Location, from, to time.Time) []shift {
	offset := func(at int64) int {
		_, o := time.Unix(at, 0).In(loc).Zone()
		return o
	}
	const step = 6 * 3600
	var all []shift
	for at := from.Unix(); at < to.Unix(); at += step {
		if offset(at) == offset(at+step) {
			continue
		}
		low, high := at, at+step // offset(low) is the old one
		for high-low > 1 {
			if mid := (low + high) / 2; offset(mid) == offset(at) {
				low = mid
			} else {
				high = mid
			}
		}
		all = append(all, shift{high, offset(low), offset(high)})
	}
	return all
}

// runs lists the runs in [from, to) by looking at each instant that is a multiple of grain seconds.
func (o *oracle) runs(loc *time.Location, from, to, grain int64, changes []shift) []int64 {
	var runs []int64
	for at := from; at < to; at += grain {
		hit := o.wall(time.Unix(at, 0).In(loc))
		for _, s := range changes {
			skipped := int64(s.after - s.before)
			switch {
			case !o.fixed:
			case skipped < 0 && at >= s.at && at < s.at-skipped:
				hit = false // the second pass
			case skipped > 0 && skipped <= 3*3600 && at == s.at:
				for missing := int64(0); missing < skipped && !hit; missing += grain {
					hit = o.wall(time.Unix(at+missing+int64(s.before), 0).UTC())
				}
			}
		}
		if hit {
			runs = append(runs, at)
		}
	}
	return runs
}

// dice makes random expressions over the whole grammar, mostly such as run often.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 1))} }

func (d dice) one(in ...string) string { return in[d.IntN(len(in))] }

func (d dice) list(low, high, most int, item func() string) string {
	parts := []string{item()}
	for len(parts) < most && d.IntN(3) == 0 {
		parts = append(parts, item())
	}
	_, _ = low, high
	return strings.Join(parts, ",")
}

func (d dice) plain(low, high int) string {
	v := low + d.IntN(high-low+1)
	w := v + d.IntN(high-v+1)
	switch d.IntN(8) {
	case 0, 1:
		return fmt.Sprintf("%d-%d", v, w)
	case 2:
		return fmt.Sprintf("%d-%d/%d", v, w, 1+d.IntN(high-low+3))
	case 3:
		return fmt.Sprintf("*/%d", 1+d.IntN(high-low+3))
	default:
		return strconv.Itoa(v)
	}
}

func (d dice) field(low, high int) string {
	if d.IntN(4) == 0 {
		return "*"
	}
	return d.list(low, high, 4, func() string { return d.plain(low, high) })
}

func (d dice) domField() string {
	switch d.IntN(8) {
	case 0, 1, 2:
		return d.one("*", "*", "?")
	case 3:
		return strconv.Itoa(1+d.IntN(31)) + "W"
	}
	return d.list(1, 31, 4, func() string {
		switch d.IntN(7) {
		case 0:
			return d.one("L", "LW")
		case 1:
			return "L-" + strconv.Itoa(d.IntN(31))
		default:
			return d.plain(1, 31)
		}
	})
}

func (d dice) dowField() string {
	plus := ""
	if d.IntN(4) == 0 {
		plus = "+"
	}
	if d.IntN(3) == 0 {
		return plus + d.one("*", "*", "?")
	}
	day := func() string { return d.one("0", "1", "2", "3", "4", "5", "6", "7", "SUN", "mon", "Fri", "SAT") }
	return plus + d.list(0, 7, 3, func() string {
		switch d.IntN(6) {
		case 0:
			return day() + "#" + strconv.Itoa(1+d.IntN(5))
		case 1:
			return day() + d.one("L", "#L")
		case 2:
			return d.one("MON-FRI", "FRI-SUN", "SUN-TUE", "sat-sun", "5-7", "0-7/7", "1-7/2")
		default:
			return d.plain(0, 7)
		}
	})
}

func (d dice) monthField() string {
	if d.IntN(2) == 0 {
		return "*"
	}
	return d.one(d.field(1, 12), "JAN-mar", "Feb", "APR,oct-NOV/2")
}

// any returns an expression of five to seven fields over the whole grammar.
func (d dice) any() string {
	fields := []string{d.field(0, 59), d.field(0, 23), d.domField(), d.monthField(), d.dowField()}
	if d.IntN(2) == 0 {
		fields = append([]string{d.field(0, 59)}, fields...)
		if d.IntN(2) == 0 {
			fields = append(fields, d.one("*", "*/2", d.field(1970, 2199), "2026-2199"))
		}
	}
	return strings.Join(fields, " ")
}

// around returns five fields that often run near a wall time, on most days.
func (d dice) around(wall time.Time) string {
	near := func(v, spread, size int) string {
		return strconv.Itoa(((v+d.IntN(2*spread+1)-spread)%size + size) % size)
	}
	minuteField := d.one("*", "*/15", near(wall.Minute(), 2, 60), near(wall.Minute(), 30, 60), near(wall.Minute(), 30, 60), d.field(0, 59))
	hourField := d.one("*", near(wall.Hour(), 2, 24), near(wall.Hour(), 1, 24), near(wall.Hour(), 2, 24)+","+near(wall.Hour(), 2, 24), d.field(0, 23))
	dayField := d.one("*", "*", "*", near(wall.Day(), 1, 28)+",L,1", d.domField())
	if strings.HasPrefix(dayField, "0") {
		dayField = "*"
	}
	return strings.Join([]string{minuteField, hourField, dayField, "*", d.one("*", "*", "*", d.dowField())}, " ")
}

// same compares due times with instants.
func same(got []time.Time, want []int64) bool {
	return slices.EqualFunc(got, want, func(g time.Time, w int64) bool { return g.Unix() == w && g.Nanosecond() == 0 })
}
