package schedule_test

import (
	"testing"
	"time"

	"github.com/warmcache/warmcache/schedule"
)

func benchCases() []struct{ name, expr string } {
	return []struct{ name, expr string }{
		{"every minute", "* * * * *"},
		{"every 5 minutes", "*/5 * * * *"},
		{"hourly", "0 * * * *"},
		{"daily", "0 3 * * *"},
		{"weekdays", "0 9 * * 1-5"},
		{"monthly", "0 0 1 * *"},
		{"yearly", "0 0 1 1 *"},
		{"day or weekday", "0 0 13 * 5"},
		{"31 December", "0 0 31 12 *"},
		{"29 February", "0 0 29 2 *"},
		{"fifth Friday", "0 0 * * 5#5"},
		{"31 February", "0 0 31 2 *"},
	}
}

// BenchmarkNext asks along a chain of 64 times, days and hours apart, so that no branch is learnt
// by heart.
func BenchmarkNext(b *testing.B) {
	for _, zone := range []string{"UTC", "America/New_York"} {
		loc := location(b, zone)
		for _, bc := range benchCases() {
			b.Run(bc.name+" "+zone, func(b *testing.B) {
				c := parse(b, bc.expr)
				var from [64]time.Time
				for i := range from {
					from[i] = time.Date(2026, 1, 1+i*11, i*7%24, i*13%60, i*29%60, i, loc)
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					_ = c.Next(from[i%len(from)])
				}
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, bc := range benchCases() {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := schedule.Parse(bc.expr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
