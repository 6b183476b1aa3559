package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	robfig "github.com/robfig/cron/v3"

	"github.com/warmcache/warmcache/schedule"
)

// The reasons why robfig/cron v3 and package schedule differ, as docs/schedule.md explains them.
// Any other difference fails.
const (
	steppedStar = "a stepped star in a day field is a star to robfig (both fields must match), a restriction here (either)"
	clockChange = "a change of the clock"
	midnight    = "robfig steps across a change at midnight by days and carries an hour on for months"
	fiveYears   = "robfig gives up after five years"
)

func field(d *rand.Rand, low, high int) string {
	v := low + d.IntN(high-low+1)
	switch d.IntN(6) {
	case 0:
		return strconv.Itoa(v)
	case 1:
		return fmt.Sprintf("%d-%d", v, v+d.IntN(high-v+1))
	case 2:
		return fmt.Sprintf("*/%d", 1+d.IntN(high-low+1))
	case 3:
		return fmt.Sprintf("%d,%d", v, low+d.IntN(high-low+1))
	default:
		return "*"
	}
}

// nearChange reports whether the offset changes within a day of either time, or between them where
// they are close.
func nearChange(a, b time.Time) bool {
	changes := func(at time.Time) bool {
		_, before := at.Add(-26 * time.Hour).Zone()
		_, after := at.Add(26 * time.Hour).Zone()
		return before != after
	}
	return changes(a) || changes(b)
}

// changesAtMidnight reports whether the clock changed around a midnight between two times.
func changesAtMidnight(from, to time.Time) bool {
	for day := from; day.Before(to); day = day.AddDate(0, 0, 1) {
		y, m, d := day.Date()
		_, evening := time.Date(y, m, d, 22, 30, 0, 0, day.Location()).Zone()
		_, morning := time.Date(y, m, d+1, 1, 30, 0, 0, day.Location()).Zone()
		if evening != morning {
			return true
		}
	}
	return false
}

func reason(fields []string, from, ours, theirs time.Time) string {
	stepped := func(f string) bool { return strings.HasPrefix(f, "*/") }
	switch dom, dow := fields[2], fields[4]; {
	case (stepped(dom) || stepped(dow)) && dom != "*" && dow != "*":
		return steppedStar
	case theirs.IsZero():
		return fiveYears
	case nearChange(ours, theirs):
		return clockChange
	case changesAtMidnight(from, ours):
		return midnight
	}
	return ""
}

func TestDifferential(t *testing.T) {
	d := rand.New(rand.NewPCG(1, 2))
	counts := map[string]int{}
	zones := []string{"UTC", "America/New_York", "Europe/Berlin", "Africa/Cairo", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata"}
	const questions = 60_000
	for i := range questions {
		loc, err := time.LoadLocation(zones[i%len(zones)])
		if err != nil {
			t.Fatal(err)
		}
		fields := []string{field(d, 0, 59), field(d, 0, 23), field(d, 1, 28), field(d, 1, 12), field(d, 0, 6)}
		expr := strings.Join(fields, " ")
		ours, err := schedule.Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := robfig.ParseStandard(expr)
		if err != nil {
			t.Fatalf("robfig: %q: %v", expr, err)
		}
		from := time.Unix(946684800+d.Int64N(40*365*86400), 0).In(loc)
		a, b := ours.Next(from), theirs.Next(from)
		if a.Equal(b) {
			counts["the same"]++
			continue
		}
		why := reason(fields, from, a, b)
		if why == "" {
			t.Errorf("%q in %s from %v: schedule %v, robfig %v", expr, loc, from, a, b)
		}
		counts[why]++
	}
	for why, n := range counts {
		t.Logf("%6d of %d: %s", n, questions, why)
	}
	if counts["the same"] < questions/2 {
		t.Errorf("only %d of %d agree", counts["the same"], questions)
	}
}
