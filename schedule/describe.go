package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// Describe returns the schedule in plain English, such as "at 09:00, on Monday to Friday". Equal
// schedules have equal descriptions.
func (c *Cron) Describe() string {
	var text string
	switch {
	case c.kind == kindEvery:
		text = "every " + c.every.String() + " of elapsed time"
	case c.kind == kindReboot:
		text = "once, when the scheduler starts"
	case c.days.month == 0:
		return "never"
	default:
		text = c.describeTime() + c.days.describe()
	}
	if c.zoned {
		text += ", in the time zone " + c.loc.String()
	}
	if c.kind == kindNever {
		text += " (no such day exists)"
	}
	return text
}

// describeTime says at which times of a day.
func (c *Cron) describeTime() string {
	hours := values(set{uint64(c.clock.hour)}, hour)
	minutes := values(set{c.clock.minute}, minute)
	seconds := values(set{c.clock.second}, second)
	if times := len(hours) * len(minutes) * len(seconds); times <= 6 {
		return "at " + join(clockTimes(hours, minutes, seconds))
	}
	secs, mins, hrs := describeUnit(second, seconds), describeUnit(minute, minutes), describeUnit(hour, hours)
	switch {
	case len(seconds) == 1 && seconds[0] == 0:
		secs = ""
	case secs == "every second" && mins == "every minute":
		mins = ""
	}
	switch {
	case hrs == "every hour" && (mins == "" || strings.HasPrefix(mins, "every")):
		hrs = ""
	case hrs != "" && hrs != "every hour" && !strings.HasPrefix(hrs, "every"):
		hrs = "in the " + strings.TrimPrefix(hrs, "at ")
	}
	var parts []string
	for _, part := range []string{secs, mins, hrs} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

func clockTimes(hours, minutes, seconds []int) []string {
	var times []string
	for _, h := range hours {
		for _, m := range minutes {
			for _, s := range seconds {
				text := fmt.Sprintf("%02d:%02d", h, m)
				if len(seconds) > 1 || s != 0 {
					text += fmt.Sprintf(":%02d", s)
				}
				times = append(times, text)
			}
		}
	}
	return times
}

// describeUnit says which seconds, minutes or hours.
func describeUnit(f field, values []int) string {
	low, high := f.bounds()
	size := high - low + 1
	if len(values) == size {
		return "every " + f.String()
	}
	if step := size / len(values); len(values) > 1 && size%step == 0 && len(values) == size/step && values[0] == 0 && isProgression(values, step) {
		return fmt.Sprintf("every %d %ss", step, f)
	}
	noun := f.String()
	if len(values) > 1 {
		noun += "s"
	}
	return "at " + noun + " " + ranges(values, strconv.Itoa)
}

// describe says on which days; "" means every day.
func (d *days) describe() string {
	var parts []string
	byDate, byWeekday := d.describeDates(), d.describeWeekdays()
	switch {
	case d.anyDom && d.anyDow:
	case d.anyDow:
		parts = append(parts, "on "+byDate)
	case d.anyDom:
		parts = append(parts, "on "+byWeekday)
	case d.both:
		parts = append(parts, "on "+byDate+" if it is "+byWeekday)
	default:
		parts = append(parts, "on "+byDate+" or on "+byWeekday)
	}
	if d.month != uint16(upTo(12)) {
		parts = append(parts, "in "+ranges(values(set{uint64(d.month)}, month), monthName))
	}
	if !d.anyYear {
		offset := func(i int) string { return strconv.Itoa(i + firstYear) }
		noun, all := "in the year ", values(set(d.year), year)
		if len(all) > 1 {
			noun = "in the years "
		}
		parts = append(parts, noun+ranges(all, offset))
	}
	if len(parts) == 0 {
		return ""
	}
	return ", " + strings.Join(parts, ", ")
}

func (d *days) describeDates() string {
	var parts []string
	if d.near != 0 {
		parts = append(parts, fmt.Sprintf("the weekday nearest to day %d of the month", d.near))
	}
	if dates := values(set{uint64(d.dom)}, dom); len(dates) == 31 {
		parts = append(parts, "any day of the month")
	} else if len(dates) > 0 {
		noun := "day "
		if len(dates) > 1 {
			noun = "days "
		}
		parts = append(parts, noun+ranges(dates, strconv.Itoa)+" of the month")
	}
	for n := range 31 {
		switch {
		case d.fromLast>>n&1 == 0:
		case n == 0:
			parts = append(parts, "the last day of the month")
		case n == 1:
			parts = append(parts, "the day before the last of the month")
		default:
			parts = append(parts, fmt.Sprintf("the day %d days before the last of the month", n))
		}
	}
	if d.lastWeekday {
		parts = append(parts, "the last Monday to Friday of the month")
	}
	return join(parts)
}

func (d *days) describeWeekdays() string {
	var parts []string
	if weekdays := values(set{uint64(d.dow)}, dow); len(weekdays) == 7 {
		parts = append(parts, "any day of the week")
	} else if len(weekdays) > 0 {
		parts = append(parts, ranges(weekdays, dayName))
	}
	for i := range 35 {
		if d.nth>>i&1 != 0 {
			order := [...]string{"first", "second", "third", "fourth", "fifth"}
			parts = append(parts, "the "+order[i/7]+" "+dayName(i%7)+" of the month")
		}
	}
	for day := range 7 {
		if d.dowLast>>day&1 != 0 {
			parts = append(parts, "the last "+dayName(day)+" of the month")
		}
	}
	return join(parts)
}

// values lists a set; years count from 0.
func values(s set, f field) []int {
	_, high := f.bounds()
	if f == year {
		high -= firstYear
	}
	var all []int
	for v := range high + 1 {
		if s.has(v) {
			all = append(all, v)
		}
	}
	return all
}

func isProgression(values []int, step int) bool {
	for i := 1; i < len(values); i++ {
		if values[i]-values[i-1] != step {
			return false
		}
	}
	return true
}

// ranges writes values with three or more in a row as "a to b".
func ranges(values []int, name func(int) string) string {
	var parts []string
	for i := 0; i < len(values); {
		j := i
		for j+1 < len(values) && values[j+1] == values[j]+1 {
			j++
		}
		if j-i < 2 {
			j = i
			parts = append(parts, name(values[i]))
		} else {
			parts = append(parts, name(values[i])+" to "+name(values[j]))
		}
		i = j + 1
	}
	return join(parts)
}

// join writes "a, b and c".
func join(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}

func monthName(m int) string {
	names := [...]string{
		"", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
	}
	return names[m]
}

func dayName(d int) string {
	names := [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
	return names[d]
}
