package redistier

import "time"

// A Set that was given up may lie in the socket of a frozen server, or on a slow link, and be
// executed when it can only do harm: over what was stored since. So each Set says until when its
// caller waits, by the clock of the server that is to execute it, and a later one does nothing.
// Heartbeats bring that clock. The estimate errs by the round trip of the heartbeat, and is on the
// late side; what is late by less is waited for here, see VoidAt.

const (
	// lateSlack is what rounding, and the drift of two clocks between two heartbeats, may add.
	lateSlack = 5 * time.Millisecond
	// unknownLate is how long a Set may still take effect where the server's clock is not known.
	unknownLate = time.Second
)

// lateAfter is the moment in ms, by the clock of the server that has the key, after which a Set
// that is sent now is late; 0 where that clock is not known.
func (m *Tier) lateAfter(key string, now int64) int64 {
	shows, known := m.channel.Clocks.Of(m.channel.Holder(key))
	if !known {
		return 0
	}
	return (shows.High+now+int64(m.timeout))/int64(time.Millisecond) + 1 // rounded up
}

// VoidAt is the moment from which on a Set that was sent before now, and not answered, takes no
// effect.
func (m *Tier) VoidAt(key string) int64 {
	now := m.channel.Clock.Now()
	shows, known := m.channel.Clocks.Of(m.channel.Holder(key))
	if !known {
		return now + int64(unknownLate)
	}
	return now + int64(m.timeout) + shows.High - shows.Low + int64(lateSlack)
}
