package tiercache

import (
	"errors"
	"sync"
)

// BreakerState reports whether operations are let through to Redis.
type BreakerState string

// The states of a breaker.
const (
	BreakerClosed   BreakerState = "closed"    // all go through
	BreakerOpen     BreakerState = "open"      // none does
	BreakerHalfOpen BreakerState = "half-open" // one does, to see whether Redis is back
)

// worse says which of two states costs more.
func (s BreakerState) worse(than BreakerState) bool {
	rank := map[BreakerState]int{BreakerClosed: 0, BreakerHalfOpen: 1, BreakerOpen: 2}
	return rank[s] > rank[than]
}

var errBreakerOpen = errors.New("redis is not answering: the breaker is open")

// breaker keeps one master that doesn't answer, or not in time, from costing each read its
// deadline. After a few failures in a row, of operations or of heartbeats, or at once where the
// master itself says that it can't serve, it lets nothing through. No caller pays for finding out
// whether the master is back: heartbeats go on, and the first that comes back in time opens the
// breaker half. Then a single operation may go; when it fares well, or, where there is none, when
// the next heartbeat does, the breaker closes.
type breaker struct {
	mu       sync.Mutex
	state    BreakerState // "" is closed
	failures int          // in a row, while closed
	probe    ticket       // the last one given to a probe
	probing  bool
}

// breakerFailures is how many failures in a row open a breaker.
const breakerFailures = 5

// ticket is the right to one operation: 0 of a closed breaker, else that of a probe.
type ticket uint64

// allow reports whether an operation may go; each that may is followed by one call of report.
func (b *breaker) allow() (ticket, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.state == "":
		return 0, true
	case b.state == BreakerHalfOpen && !b.probing:
		b.probing = true
		b.probe++
		return b.probe, true
	default:
		return 0, false
	}
}

// report tells what became of an operation. While the breaker is not closed only its probe has a
// say: others began before it opened.
func (b *breaker) report(t ticket, o outcome) (opened, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.state == "":
		return b.count(o), false
	case b.state != BreakerHalfOpen || !b.probing || t != b.probe:
		return false, false
	}
	b.probing = false
	switch o {
	case answered:
		b.close()
		return false, true
	case unanswered, declined:
		b.state = BreakerOpen
	case neutral: // the next one is the probe
	}
	return false, false
}

// beat tells what became of a heartbeat. One that fares well says nothing about operations, which
// may be too large for a link that carries heartbeats.
func (b *breaker) beat(o outcome) (opened, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.state == "":
		return o != answered && b.count(o), false
	case o == unanswered || o == declined:
		b.state, b.probing = BreakerOpen, false
	case o == answered && b.state == BreakerOpen:
		b.state = BreakerHalfOpen
	case o == answered && !b.probing:
		b.close()
		return false, true
	}
	return false, false
}

// count counts failures in a row, and opens the breaker on the last one it bears.
func (b *breaker) count(o outcome) (opened bool) {
	switch o {
	case answered:
		b.failures = 0
	case unanswered:
		b.failures++
	case declined:
		b.failures = breakerFailures
	case neutral:
	}
	if b.failures < breakerFailures {
		return false
	}
	b.state, b.probing = BreakerOpen, false
	return true
}

func (b *breaker) close() { b.state, b.failures, b.probing = "", 0, false }

func (b *breaker) current() BreakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == "" {
		return BreakerClosed
	}
	return b.state
}

// outcome is what an operation says about Redis.
type outcome uint8

const (
	answered   outcome = iota // in time, with a value or with an error of its own, such as WRONGTYPE
	unanswered                // not, or too late
	declined                  // with an error that says "not now": it need not be asked again to be sure
	neutral                   // given up by its caller before that
)
