package redisconn

import (
	"errors"
	"sync"
)

// State reports whether operations are let through to a master.
type State string

// The states of a breaker.
const (
	Closed   State = "closed"    // all go through
	Open     State = "open"      // none does
	HalfOpen State = "half-open" // one does, to see whether Redis is back
)

// worse says which of two states costs more.
func (s State) worse(than State) bool {
	rank := map[State]int{Closed: 0, HalfOpen: 1, Open: 2}
	return rank[s] > rank[than]
}

// ErrBreakerOpen is the answer of an operation that was not let through.
var ErrBreakerOpen = errors.New("redis is not answering: the breaker is open")

// breaker keeps one master that doesn't answer, or not in time, from costing each read its
// deadline. After a few failures in a row, of operations or of heartbeats, or at once where the
// master itself says that it can't serve, it lets nothing through. No caller pays for finding out
// whether the master is back: heartbeats go on, and the first that comes back in time opens the
// breaker half. Then a single operation may go; when it fares well, or, where there is none, when
// the next heartbeat does, the breaker closes.
type breaker struct {
	mu       sync.Mutex
	state    State  // "" is closed
	failures int    // in a row, while closed
	probe    ticket // the last one given to a probe
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
	case b.state == HalfOpen && !b.probing:
		b.probing = true
		b.probe++
		return b.probe, true
	default:
		return 0, false
	}
}

// report tells what became of an operation. While the breaker is not closed only its probe has a
// say: others began before it opened.
func (b *breaker) report(t ticket, o Outcome) (opened, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.state == "":
		return b.count(o), false
	case b.state != HalfOpen || !b.probing || t != b.probe:
		return false, false
	}
	b.probing = false
	switch o {
	case Answered:
		b.close()
		return false, true
	case unanswered, declined:
		b.state = Open
	case neutral: // the next one is the probe
	}
	return false, false
}

// beat tells what became of a heartbeat. One that fares well says nothing about operations, which
// may be too large for a link that carries heartbeats.
func (b *breaker) beat(o Outcome) (opened, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.state == "":
		return o != Answered && b.count(o), false
	case o == unanswered || o == declined:
		b.state, b.probing = Open, false
	case o == Answered && b.state == Open:
		b.state = HalfOpen
	case o == Answered && !b.probing:
		b.close()
		return false, true
	}
	return false, false
}

// count counts failures in a row, and opens the breaker on the last one it bears.
func (b *breaker) count(o Outcome) (opened bool) {
	switch o {
	case Answered:
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
	b.state, b.probing = Open, false
	return true
}

func (b *breaker) close() { b.state, b.failures, b.probing = "", 0, false }

func (b *breaker) current() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == "" {
		return Closed
	}
	return b.state
}
