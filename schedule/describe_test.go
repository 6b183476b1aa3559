package schedule_test

import "testing"

func TestDescribe(t *testing.T) {
	tests := map[string]string{
		"* * * * *":                 "every minute",
		"*/5 * * * *":               "every 5 minutes",
		"*/7 * * * *":               "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56, every hour",
		"0 * * * *":                 "at minute 0, every hour",
		"0 */2 * * *":               "at minute 0, every 2 hours",
		"*/10 9-17 * * 1-5":         "every 10 minutes, in the hours 9 to 17, on Monday to Friday",
		"* 3 * * *":                 "every minute, in the hour 3",
		"* * * * * *":               "every second",
		"*/15 * * * * *":            "every 15 seconds, every minute",
		"0 3 * * *":                 "at 03:00",
		"0 9,17 * * MON-FRI":        "at 09:00 and 17:00, on Monday to Friday",
		"30 0 3 * * *":              "at 03:00:30",
		"0 0 1,15 * *":              "at 00:00, on days 1 and 15 of the month",
		"0 0 13 * 5":                "at 00:00, on day 13 of the month or on Friday",
		"0 0 13 * +5":               "at 00:00, on day 13 of the month if it is Friday",
		"0 0 29 2 *":                "at 00:00, on day 29 of the month, in February",
		"0 0 31 2 *":                "at 00:00, on day 31 of the month, in February (no such day exists)",
		"0 0 L,L-1,L-3,LW * *":      "at 00:00, on the last day of the month, the day before the last of the month, the day 3 days before the last of the month and the last Monday to Friday of the month",
		"0 12 15W * *":              "at 12:00, on the weekday nearest to day 15 of the month",
		"0 0 * * 5#3,1L,SUN":        "at 00:00, on Sunday, the third Friday of the month and the last Monday of the month",
		"0 0 1-31 * 0-6":            "at 00:00, on any day of the month or on any day of the week",
		"0 0 0 1 1-3,5 * 2030":      "at 00:00, on day 1 of the month, in January to March and May, in the year 2030",
		"TZ=Europe/Paris 0 3 * * *": "at 03:00, in the time zone Europe/Paris",
		"@every 90s":                "every 1m30s of elapsed time",
		"@reboot":                   "once, when the scheduler starts",
	}
	for expr, want := range tests {
		if got := parse(t, expr).Describe(); got != want {
			t.Errorf("%q is described as\n%s, want\n%s", expr, got, want)
		}
	}
}
