package redistest

import (
	"slices"
	"sync"
	"time"
)

// Lateness says how late this machine ran what was due. A Go timer of one
// millisecond is set again and again until the test ends, and the time by which
// each was late is added up: a test with a real bound adds what Since returns to
// it. A process that shares two processors with
// the rest of a suite may lose tenths of a second in the middle of anything.
//
// A Lateness is safe for concurrent use.
type Lateness struct {
	least time.Duration // what is late by no more is punctual

	mu    sync.Mutex
	due   time.Time // when the present timer should fire
	stops []stop
}

// stop is one timer that was late: it ran at, and all up to it were late by sum.
type stop struct {
	at  time.Time
	sum time.Duration
}

const (
	tick     = time.Millisecond
	punctual = time.Millisecond // an idle machine's
)

// Late begins to measure.
func Late(tb TB) *Lateness { return Stalls(tb, punctual) }

// Stalls is Late that adds up only what was late by more than least. Where the test
// itself keeps the machine busy for long, every timer is a little late, and the
// sum of that would excuse anything.
func Stalls(tb TB, least time.Duration) *Lateness {
	l := &Lateness{least: least, due: time.Now().Add(tick), stops: []stop{{at: time.Now()}}}
	quit, ended := make(chan struct{}), make(chan struct{})
	tb.Cleanup(func() { close(quit); <-ended })
	go func() {
		defer close(ended)
		timer := time.NewTimer(tick)
		defer timer.Stop()
		for {
			select {
			case <-quit:
				return
			case <-timer.C:
				l.next(time.Now())
				timer.Reset(tick)
			}
		}
	}()
	return l
}

// next notes a timer that has fired now, and when the next one is due.
func (l *Lateness) next(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if late := now.Sub(l.due); late > l.least {
		l.stops = append(l.stops, stop{at: now, sum: l.stops[len(l.stops)-1].sum + late})
	}
	l.due = now.Add(tick)
}

// Since returns by how much timers have been late in all since began.
func (l *Lateness) Since(began time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.stops[0]
	for _, s := range slices.Backward(l.stops) { // a stop that was under way at the beginning counts as a whole
		if !s.at.After(began) {
			before = s
			break
		}
	}
	late := l.stops[len(l.stops)-1].sum - before.sum
	if now := time.Since(l.due); now > l.least {
		late += now
	}
	return late
}
