package schedule_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/schedule"
)

// TestParse_canonical holds what an expression is written as, with the source that allows it.
func TestParse_canonical(t *testing.T) {
	tests := []struct{ source, expr, want string }{
		{"POSIX", "* * * * *", "* * * * *"},
		{"POSIX", " \t0  3 * *\t1-5 ", "0 3 * * 1-5"},
		{"POSIX", "5,3,4 0 1,15 * *", "3-5 0 1,15 * *"},
		{"POSIX", "007 0023 * * *", "7 23 * * *"},
		{"cronie", "*/5 * * * *", "*/5 * * * *"},
		{"cronie", "0-59/15 0 * * *", "0-45/15 0 * * *"},
		{"cronie", "*/60 0 * * *", "*/60 0 * * *"},
		{"cronie", "*/7,3 * * * *", "*/7,3 * * * *"},
		{"cronie", "*,5 */1 * * *", "* * * * *"},
		{"cronie", "0 0 */1 * *", "0 0 1-31 * *"},
		{"cronie", "0 0 1-31 * *", "0 0 1-31 * *"},
		{"cronie", "0 0 *,5 * */1", "0 0 1-31 * 0-6"},
		{"cronie", "0 0 * jan-Dec *", "0 0 * * *"},
		{"cronie", "0 0 * jan,DEC,Feb Sun,mon", "0 0 * 1,2,12 0,1"},
		{"cronie", "0 0 * * 7", "0 0 * * 0"},
		{"cronie", "0 0 * * 0-7", "0 0 * * 0-6"},
		{"cronie", "0 0 * * 5-7", "0 0 * * 0,5,6"},
		{"package manual", "0 0 * * FRI-SUN", "0 0 * * 0,5,6"},
		{"package manual", "0 0 * * SUN-TUE", "0 0 * * 0-2"},
		{"package manual", "0 0 * * SUN-SUN", "0 0 * * 0"},
		{"package manual", "0 0 * * 7-7", "0 0 * * 0"},
		{"package manual", "0 0 */40 * *", "0 0 1 * *"},
		{"package manual", "5-10/99999999999999999999 * * * *", "5 * * * *"},
		{"package manual", "0 0 ? * ?", "0 0 * * *"},
		{"package manual", "0 0 * * *,1", "0 0 * * 0-6"},
		{"package manual", "@every 90m", "@every 1h30m0s"},
		{"package manual", "@every 1s", "@every 1s"},
		{"package manual", "TZ=Europe/Paris @every 1h", "CRON_TZ=Europe/Paris @every 1h0m0s"},
		{"OCPS 1.1", "@yearly", "0 0 1 1 *"},
		{"OCPS 1.1", "@annually", "0 0 1 1 *"},
		{"OCPS 1.1", "@monthly", "0 0 1 * *"},
		{"OCPS 1.1", "@weekly", "0 0 * * 0"},
		{"OCPS 1.1", "@daily", "0 0 * * *"},
		{"OCPS 1.1", "@midnight", "0 0 * * *"},
		{"OCPS 1.1", "@hourly", "0 * * * *"},
		{"OCPS 1.1", "@reboot", "@reboot"},
		{"OCPS 1.2", "0 0 3 * * *", "0 3 * * *"},
		{"OCPS 1.2", "30 0 3 * * *", "30 0 3 * * *"},
		{"OCPS 1.2", "*/60 0 3 * * *", "*/60 0 3 * * *"},
		{"OCPS 1.2", "0 0 3 * * * *", "0 3 * * *"},
		{"OCPS 1.2", "0 0 3 * * * 1970-2199", "0 3 * * *"},
		{"OCPS 1.2", "0 0 3 * * * 2025-2030", "0 0 3 * * * 2025-2030"},
		{"OCPS 1.2", "0 0 3 * * * */2", "0 0 3 * * * 1970-2198/2"},
		{"OCPS 1.3", "0 0 L * *", "0 0 L * *"},
		{"OCPS 1.3", "0 0 L-0,L-3,15,LW,1 * *", "0 0 1,15,L,L-3,LW * *"},
		{"OCPS 1.3", "0 0 LW * *", "0 0 LW * *"},
		{"OCPS 1.3", "0 0 015W * *", "0 0 15W * *"},
		{"OCPS 1.3", "0 0 * * FRI#2,5#1,7#1", "0 0 * * 0#1,5#1,5#2"},
		{"OCPS 1.3", "0 0 * * 5L,friL,1#L,3", "0 0 * * 3,1#L,5#L"},
		{"OCPS 1.4", "0 0 1 * +MON", "0 0 1 * +1"},
		{"OCPS 1.4", "0 0 * * +MON", "0 0 * * 1"},
		{"OCPS 1.4", "0 0 1 * +*", "0 0 1 * *"},
		{"OCPS 1.4", "0 0 1 * +?", "0 0 1 * *"},
		{"cronie", "CRON_TZ=America/New_York 0 3 * * *", "CRON_TZ=America/New_York 0 3 * * *"},
		{"robfig", " TZ=UTC  @daily", "CRON_TZ=UTC 0 0 * * *"},
		{"package manual", "0 0 31 2 *", "0 0 31 2 *"},
	}
	for _, tt := range tests {
		c, err := schedule.Parse(tt.expr)
		if err != nil {
			t.Errorf("%s: %v", tt.source, err)
			continue
		}
		if got := c.String(); got != tt.want {
			t.Errorf("%s: %q is written %q, want %q", tt.source, tt.expr, got, tt.want)
		}
	}
}

func TestParse_refuses(t *testing.T) {
	tests := []struct{ source, expr, field, text, want string }{
		{"POSIX", "", "expression", "", "five fields"},
		{"POSIX", "  ", "expression", "", "five fields"},
		{"POSIX", "* * * *", "expression", "* * * *", "five fields"},
		{"OCPS 1.2", "* * * * * * * *", "expression", "*", "seven"},
		{"POSIX", "60 * * * *", "minute", "60", "0-59"},
		{"POSIX", "* 24 * * *", "hour", "24", "0-23"},
		{"POSIX", "* * 0 * *", "day of month", "0", "1-31"},
		{"POSIX", "* * 32 * *", "day of month", "32", "1-31"},
		{"POSIX", "* * * 13 *", "month", "13", "JAN-DEC"},
		{"POSIX", "* * * 0 *", "month", "0", "1-12"},
		{"POSIX", "* * * * 8", "day of week", "8", "SUN-SAT"},
		{"OCPS 1.2", "60 * * * * *", "second", "60", "0-59"},
		{"OCPS 1.2", "0 * * * * * 1969", "year", "1969", "1970-2199"},
		{"OCPS 1.2", "0 * * * * * 2200", "year", "2200", "1970-2199"},
		{"POSIX", "-1 * * * *", "minute", "-1", "0-59"},
		{"POSIX", "+1 * * * *", "minute", "+1", "0-59"},
		{"POSIX", "1, * * * *", "minute", "", "comma"},
		{"POSIX", ",1 * * * *", "minute", "", "comma"},
		{"POSIX", "1,,2 * * * *", "minute", "", "comma"},
		{"POSIX", "1- * * * *", "minute", "1-", `after "-"`},
		{"POSIX", "1-2-3 * * * *", "minute", "1-2-3", "a range"},
		{"POSIX", "a * * * *", "minute", "a", "0-59"},
		{"POSIX", "1.5 * * * *", "minute", "1.5", "0-59"},
		{"POSIX", "** * * * *", "minute", "**", "0-59"},
		{"POSIX", "*5 * * * *", "minute", "*5", "0-59"},
		{"POSIX", "١ * * * *", "minute", "١", "0-59"},
		{"POSIX", "99999999999999999999 * * * *", "minute", "99999999999999999999", "0-59"},
		{"package manual", "* * * * *\n", "day of week", "*\n", "0-7"},
		{"package manual", "0 22-2 * * *", "hour", "22-2", "do not wrap"},
		{"package manual", "0 0 * * FRI-MON", "day of week", "FRI-MON", "do not wrap"},
		{"package manual", "0 0 * * 5-0", "day of week", "5-0", "do not wrap"},
		{"package manual", "0/15 * * * *", "minute", "0/15", "0-59/15"},
		{"package manual", "5/15 * * * *", "minute", "5/15", "5-59/15"},
		{"package manual", "/5 * * * *", "minute", "/5", "0-59/5"},
		{"package manual", "*/0 * * * *", "minute", "*/0", "1 or more"},
		{"package manual", "*/ * * * *", "minute", "*/", "1 or more"},
		{"package manual", "*/-1 * * * *", "minute", "*/-1", "1 or more"},
		{"package manual", "*/5/5 * * * *", "minute", "*/5/5", "1 or more"},
		{"package manual", "0 0 l * *", "day of month", "l", "L"},
		{"package manual", "0 0 15w * *", "day of month", "15w", "nW"},
		{"package manual", "0 0 * * 5l", "day of week", "5l", "D#L"},
		{"package manual", "@DAILY", "nickname", "@DAILY", "@daily"},
		{"package manual", "@fortnightly", "nickname", "@fortnightly", "@weekly"},
		{"package manual", "@", "nickname", "@", "@daily"},
		{"package manual", "@daily *", "expression", "*", "nothing after"},
		{"package manual", "@every", "interval", "", "duration"},
		{"package manual", "@every 5", "interval", "5", "1h30m"},
		{"package manual", "@every 999ms", "interval", "999ms", "1s or longer"},
		{"package manual", "@every -1h", "interval", "-1h", "1s or longer"},
		{"package manual", "@every 1h 30m", "interval", "30m", "nothing after"},
		{"package manual", "? * * * *", "minute", "?", "0-59"},
		{"OCPS 1.4", "0 0 * ? *", "month", "?", "JAN-DEC"},
		{"package manual", "0 0 ?,5 * *", "day of month", "?", "1-31"},
		{"package manual", "0 0 ?/2 * *", "day of month", "?/2", "1-31"},
		{"OCPS 1.4", "0 +12 * * *", "hour", "+12", "0-23"},
		{"OCPS 1.4", "0 12 1 * +", "day of week", "", `0-7 or SUN-SAT (0 and 7 are Sunday) after "+"`},
		{"OCPS 1.4", "0 12 1 * MON,+TUE", "day of week", "+TUE", "0-7"},
		{"OCPS 1.4", "0 12 1 * ++1", "day of week", "+1", "0-7"},
		{"OCPS 1.3", "0 0 1-15W * *", "day of month", "1-15W", "alone"},
		{"OCPS 1.3", "0 0 1,15W * *", "day of month", "1,15W", "alone"},
		{"OCPS 1.3", "0 0 15W,1 * *", "day of month", "15W", "nW"},
		{"OCPS 1.3", "0 0 15W,LW * *", "day of month", "15W", "nW"},
		{"OCPS 1.3", "0 0 W * *", "day of month", "W", "1W"},
		{"OCPS 1.3", "0 0 0W * *", "day of month", "0W", "31W"},
		{"OCPS 1.3", "0 0 32W * *", "day of month", "32W", "31W"},
		{"OCPS 1.3", "0 0 L-31 * *", "day of month", "L-31", "L-30"},
		{"OCPS 1.3", "0 0 L- * *", "day of month", "L-", "L"},
		{"OCPS 1.3", "0 0 L3 * *", "day of month", "L3", "L"},
		{"OCPS 1.3", "0 0 L/2 * *", "day of month", "L/2", "L"},
		{"OCPS 1.3", "0 0 1-L * *", "day of month", "1-L", "1-31"},
		{"OCPS 1.3", "0 0 * * L", "day of week", "L", "D#L"},
		{"OCPS 1.3", "0 0 * * 1#0", "day of week", "1#0", "1 to 5"},
		{"OCPS 1.3", "0 0 * * 1#6", "day of week", "1#6", "1 to 5"},
		{"OCPS 1.3", "0 0 * * 1#", "day of week", "1#", "#1 to #5"},
		{"OCPS 1.3", "0 0 * * #1", "day of week", "#1", ""},
		{"OCPS 1.3", "0 0 * * 1-5#1", "day of week", "1-5#1", "D#1"},
		{"OCPS 1.3", "0 0 * * 1#1-5", "day of week", "1#1-5", "1 to 5"},
		{"OCPS 1.3", "0 0 * * 8#1", "day of week", "8", "0-7"},
		{"package manual", "0 0 * * Friday", "day of week", "Friday", "SUN-SAT"},
		{"package manual", "0 0 * MON *", "month", "MON", "JAN-DEC"},
		{"package manual", "0 0 * * JAN", "day of week", "JAN", "SUN-SAT"},
		{"package manual", "0 3 * * * # nightly", "expression", "# nightly", "no comment"},
		{"robfig", "TZ=UTC", "expression", "", "after the time zone"},
		{"robfig", "TZ= * * * * *", "time zone", "", "Europe/Paris"},
		{"robfig", "TZ=Atlantis/Capital * * * * *", "time zone", "Atlantis/Capital", "IANA"},
		{"robfig", "TZ=../../etc/passwd * * * * *", "time zone", "../../etc/passwd", "IANA"},
		{"robfig", "TZ=UTC TZ=UTC * * * * *", "second", "TZ=UTC", "0-59"},
	}
	for _, tt := range tests {
		_, err := schedule.Parse(tt.expr)
		var fault *schedule.ParseError
		if !errors.As(err, &fault) {
			t.Errorf("%s: %q: error %v, want a ParseError", tt.source, tt.expr, err)
			continue
		}
		if fault.Field != tt.field || fault.Text != tt.text || !strings.Contains(fault.Want, tt.want) {
			t.Errorf("%s: %q: %v\nwant %s %q, and %q as what is right", tt.source, tt.expr, err, tt.field, tt.text, tt.want)
		}
		if at := tt.expr[fault.Pos:]; !strings.HasPrefix(at, fault.Text) {
			t.Errorf("%q: position %d is at %q, want %q", tt.expr, fault.Pos, at, fault.Text)
		}
	}
}

func TestParseError(t *testing.T) {
	_, err := schedule.Parse("0 25 * * *")
	want := `schedule: parse "0 25 * * *": hour "25" at column 3: want 0-23`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	var fault *schedule.ParseError
	if !errors.As(err, &fault) {
		t.Fatal(err)
	}
	if diff := cmp.Diff("0 25 * * *\n  ^^", fault.Caret()); diff != "" {
		t.Errorf("caret (-want +got):\n%s", diff)
	}
	for expr, want := range map[string]string{
		"0 3 ü32 * *":     "0 3 ü32 * *\n    ^^^",
		"ä 3 * * * # ü":   "ä 3 * * * # ü\n          ^^^",
		"é 3 * * *":       "é 3 * * *\n^",
		"\xff3 3 * * *":   "\ufffd3 3 * * *\n^^",
		"0\t3 32 * *":     "0?3 32 * *\n    ^^",
		"0 3 * * MON,":    "0 3 * * MON,\n            ^",
		"0 3 * *\n1 \x7f": "0 3 * *?1 ?\n      ^^^",
	} {
		_, err := schedule.Parse(expr)
		if !errors.As(err, &fault) {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		if diff := cmp.Diff(want, fault.Caret()); diff != "" {
			t.Errorf("caret of %q (-want +got):\n%s", expr, diff)
		}
	}
	long := strings.Repeat("1,", 600) + "1 * * * *"
	if _, err := schedule.Parse(long); err == nil || len(err.Error()) > 500 {
		t.Errorf("an expression of %d bytes: %v, want a short error", len(long), err)
	}
}

func TestParse_lenient(t *testing.T) {
	tests := map[string]string{
		"0/15 * * * *":    "0-45/15 * * * *",
		"/15 * * * *":     "*/15 * * * *",
		"5/20 * * * *":    "5-45/20 * * * *",
		"0 22-2 * * *":    "0 0-2,22,23 * * *",
		"0 0 * * FRI-MON": "0 0 * * 0,1,5,6",
		"0 0 * * 1/2":     "0 0 * * 1-5/2",
		"0 0 * NOV-FEB *": "0 0 * 1,2,11,12 *",
		"0 0 28-3/2 * *":  "0 0 1,3,28,30 * *",
		"0 0 * * 7-1":     "0 0 * * 0,1",
	}
	for expr, want := range tests {
		if _, err := schedule.Parse(expr); err == nil {
			t.Errorf("%q: accepted without the option", expr)
		}
		if got := parse(t, expr, schedule.Lenient()).String(); got != want {
			t.Errorf("%q is read as %q, want %q", expr, got, want)
		}
	}
	if _, err := schedule.Parse("0 0 0 1 1 * 2030-2020", schedule.Lenient()); err == nil {
		t.Error("years wrap")
	}
}

func TestNever(t *testing.T) {
	never := []string{
		"0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30W 2 *", "0 0 L-30 4 *", "0 0 * 2 1#5 ", "0 0 31 2 +MON",
		"0 0 1-7 * +MON#2", "0 0 0 29 2 * 2026-2027", "0 0 0 29 2 * 2100", "0 0 0 * 2 1#5 2026",
	}
	for _, expr := range never {
		c, err := schedule.Parse(expr)
		if err != nil {
			t.Errorf("an impossible date is no error: %v", err)
			continue
		}
		exists := expr == "0 0 * 2 1#5 " // February has a fifth Monday in some leap years
		if got := c.Never(); got == exists {
			t.Errorf("%q: Never() = %v, want %v", expr, got, !exists)
		}
		if at := c.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); at.IsZero() == exists {
			t.Errorf("%q: Next = %v", expr, at)
		}
	}
	for _, expr := range []string{"@reboot", "@every 1h", "0 0 0 1 1 * 1970", "0 0 29 2 *", "0 0 31 2 1", "0 0 29 2 +MON"} {
		if parse(t, expr).Never() {
			t.Errorf("%q: Never() = true", expr)
		}
	}
}
