// Package schedule parses cron expressions, finds their due times exactly in every time zone, and
// runs jobs at them. It needs the standard library alone.
//
//	nightly, err := schedule.Parse("0 3 * * *")
//	next := nightly.Next(time.Now())
//
//	s := schedule.New(schedule.Config{})
//	err = s.Add(schedule.Job{Name: "nightly", Schedule: nightly, Run: warmUp})
//	err = s.Start(ctx)
//	defer s.Stop(ctx)
//
// # Expressions
//
// An expression has five fields, or six with the seconds first, or seven with the year last. Blanks
// or tabs separate them.
//
//	┌───────────── second        0-59, only where there are six or seven fields; otherwise 0
//	│ ┌─────────── minute        0-59
//	│ │ ┌───────── hour          0-23
//	│ │ │ ┌─────── day of month  1-31
//	│ │ │ │ ┌───── month         1-12 or JAN-DEC
//	│ │ │ │ │ ┌─── day of week   0-7 or SUN-SAT; 0 and 7 are Sunday
//	│ │ │ │ │ │ ┌─ year          1970-2199, only where there are seven fields; otherwise all
//	│ │ │ │ │ │ │
//	0 0 3 * * * 2030
//
// A field is a list, separated by commas, of
//
//   - every value                          * in the hour
//     5        one value, leading zeros allowed     05
//     1-5      a range, the lower value first       MON-FRI, FRI-SUN
//     */15     each 15th of all, from the lowest    0, 15, 30, 45
//     8-17/3   each third of a range                8, 11, 14, 17
//
// Names have three letters in any case. A step is at least 1; one that is longer than its range
// leaves the first value alone. SUN at the upper end of a range is 7, unless the range starts at
// Sunday. Ranges do not wrap, and a step needs a range: 22-2 and 0/15 are errors that say what is
// right (see [Lenient]).
//
// The days also take, as written here and not in lower case,
//
//	L        day of month: the last day
//	L-3      day of month: three days before the last; not in a month without such a day
//	LW       day of month: the last Monday to Friday
//	15W      day of month: the Monday to Friday nearest to the 15th within the month; alone in its field
//	FRI#2    day of week: the second Friday of the month, up to #5
//	FRI#L    day of week: the last Friday of the month; also FRIL
//	?        day of month and day of week: the same as *
//
// A day field that is exactly * or ? is unrestricted. If one of the two is, both must match; if
// both are restricted, either is enough: "0 0 13 * FRI" runs on each 13th and on each Friday. With
// + in front of the day of week both must match: "0 0 13 * +FRI" runs on Friday the 13th. (To Vixie
// cron a field that begins with a star is unrestricted, such as */2; here it is restricted, as it
// says.)
//
// In front of the fields, CRON_TZ=Europe/Paris or TZ=Europe/Paris names the time zone. Without it,
// Next answers in the zone of the time it is given, and a [Scheduler] uses Config.Location.
//
// Instead of fields there are
//
//	@yearly @annually    0 0 1 1 *
//	@monthly             0 0 1 * *
//	@weekly              0 0 * * 0
//	@daily @midnight     0 0 * * *
//	@hourly              0 * * * *
//	@every 90s           each 90 seconds of elapsed time; a Go duration of 1s or longer
//	@reboot              once, when a scheduler starts
//
// The text has at most 1,024 bytes. "0 0 31 2 *" is no error, but [Cron.Never] is true and
// [Scheduler.Add] refuses it.
//
// # Clock changes
//
// A schedule is wildcard if its second, minute or hour contains a star, and fixed otherwise.
//
// Where clocks go forward, wall times are missing. A fixed schedule that is due at such a time runs
// once, at the first instant after the gap, however many of its times are missing: "30 2 * * *" in
// New York runs at 03:00 EDT on that day. A wildcard schedule goes on as the wall clock does. A gap
// of more than three hours is a change of the calendar, such as the day that Samoa left out in
// 2011: nothing is made up for. The option [GapSkip] never makes up for anything.
//
// Where clocks go back, wall times are repeated. A fixed schedule runs at the first pass only, a
// wildcard one at both.
//
// # Scheduler
//
// A [Scheduler] has one goroutine, which sleeps until the next job is due; each run has its own.
// What happens when runs overlap, were missed, fail, or take too long is said by [Job]; who hears
// of it, by [Config].
package schedule
