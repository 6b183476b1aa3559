package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/warmcache/warmcache/schedule"
)

func Example() {
	s := schedule.New(schedule.Config{})
	nightly, err := schedule.Parse("CRON_TZ=Europe/Paris 0 3 * * *")
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan struct{})
	err = s.Add(schedule.Job{
		Name:     "nightly",
		Schedule: nightly,
		Timeout:  10 * time.Minute,
		Run: func(context.Context) error {
			close(done)
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := s.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Trigger("nightly"); err != nil { // now, besides its due times
		fmt.Println(err)
	}
	<-done
	if err := s.Stop(ctx); err != nil {
		fmt.Println(err)
	}
	for _, job := range s.Jobs() {
		fmt.Println(job.Name, job.Type, job.Runs, job.LastOutcome)
	}
	// Output: nightly cron 1 ok
}

func ExampleParse() {
	c, err := schedule.Parse("0 9 * * MON-FRI")
	if err != nil {
		fmt.Println(err)
		return
	}
	friday := time.Date(2026, 4, 24, 12, 0, 0, 0, time.UTC)
	fmt.Println(c.Next(friday))
	fmt.Println(c)
	fmt.Println(c.Describe())
	// Output:
	// 2026-04-27 09:00:00 +0000 UTC
	// 0 9 * * 1-5
	// at 09:00, on Monday to Friday
}

func ExampleParseError() {
	_, err := schedule.Parse("0 3 * * FRI-MON")
	fmt.Println(err)
	if fault, ok := errors.AsType[*schedule.ParseError](err); ok {
		fmt.Println(fault.Caret())
	}
	// Output:
	// schedule: parse "0 3 * * FRI-MON": day of week "FRI-MON" at column 9: want the lower value first: ranges do not wrap
	// 0 3 * * FRI-MON
	//         ^^^^^^^
}

func ExampleCron_Next_clockChange() {
	c, err := schedule.Parse("CRON_TZ=America/New_York 30 2 * * *")
	if err != nil {
		fmt.Println(err)
		return
	}
	at := time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC)
	for range 3 { // on 8 March there is no 2:30
		at = c.Next(at)
		fmt.Println(at)
	}
	// Output:
	// 2026-03-07 02:30:00 -0500 EST
	// 2026-03-08 03:00:00 -0400 EDT
	// 2026-03-09 02:30:00 -0400 EDT
}

func ExampleCron_All() {
	c, err := schedule.Parse("0 12 13 * +FRI")
	if err != nil {
		fmt.Println(err)
		return
	}
	for at := range c.All(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
		if at.Year() > 2026 {
			break
		}
		fmt.Println(at.Format(time.RFC1123))
	}
	// Output:
	// Fri, 13 Feb 2026 12:00:00 UTC
	// Fri, 13 Mar 2026 12:00:00 UTC
	// Fri, 13 Nov 2026 12:00:00 UTC
}

func ExampleCron_Never() {
	c, err := schedule.Parse("0 0 31 2 *")
	fmt.Println(c.Never(), err)
	err = schedule.New(schedule.Config{}).Add(schedule.Job{
		Name: "impossible", Schedule: c, Run: func(context.Context) error { return nil },
	})
	fmt.Println(err)
	// Output:
	// true <nil>
	// schedule: job "impossible": 0 0 31 2 * never runs
}

func ExampleCron_Prev() {
	c, err := schedule.Parse("0 0 29 2 *")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Prev(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	// Output: 2024-02-29 00:00:00 +0000 UTC
}

func ExampleLenient() {
	c, err := schedule.Parse("0/15 22-2 * * *", schedule.Lenient())
	fmt.Println(c, err)
	// Output: 0-45/15 0-2,22,23 * * * <nil>
}

func ExampleGapSkip() {
	c, err := schedule.Parse("CRON_TZ=America/New_York 30 2 * * *", schedule.GapSkip())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Next(time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC)))
	// Output: 2026-03-09 02:30:00 -0400 EDT
}

func ExampleEvery() {
	i, err := schedule.Every(90 * time.Second)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(i.Next(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)))
	// Output: 2026-01-01 12:01:30 +0000 UTC
}

func ExampleRunFromContext() {
	s := schedule.New(schedule.Config{})
	c, err := schedule.Parse("@hourly")
	if err != nil {
		fmt.Println(err)
		return
	}
	err = s.Add(schedule.Job{Name: "report", Schedule: c, Run: func(ctx context.Context) error {
		if run, ok := schedule.RunFromContext(ctx); ok {
			fmt.Println(run.Job, run.Manual, run.Missed)
		}
		return nil
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := s.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Trigger("report"); err != nil {
		fmt.Println(err)
	}
	if err := s.Stop(ctx); err != nil { // waits for the run
		fmt.Println(err)
	}
	// Output: report true 0
}
