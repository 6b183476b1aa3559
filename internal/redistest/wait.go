package redistest

import (
	"time"
)

// Eventually waits until done returns nil, asking every 10 ms, and ends the
// test with done's last error if that takes longer than within. It is for what
// real processes do; in virtual time there is synctest.Wait.
func Eventually(tb TB, within time.Duration, done func() error) {
	tb.Helper()
	end := time.NewTimer(within)
	defer end.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := done()
		if err == nil {
			return
		}
		select {
		case <-end.C:
			tb.Fatalf("redistest: not within %v: %v", within, err)
		case <-tick.C:
		}
	}
}
