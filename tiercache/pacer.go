package tiercache

import (
	"time"
)

// pacer is how a hydration shares the processors and Redis with reads. A process that serves
// nobody yet is to be ready soon: it reads large batches one after the other. Beside live reads it
// takes small ones, with pauses that are several times as long as the batch. `go run ./bench/fleet`
// says what both cost.
type pacer struct {
	now      func() int64
	answered func() uint64 // how many reads were

	last  uint64 // of answered
	until int64  // polite until then
}

const (
	quickKeys  = 100
	politeKeys = 25
	politeRest = 4 // times as long as the batch
	// politeFor is how long after a read the next one is expected.
	politeFor = 20 * time.Millisecond
)

func newPacer(now func() int64, answered func() uint64) *pacer {
	return &pacer{now: now, answered: answered, last: answered()}
}

// polite reports whether reads were answered lately. It is asked before each batch and after it.
func (m *pacer) polite() bool {
	now, answered := m.now(), m.answered()
	if answered != m.last {
		m.last, m.until = answered, now+int64(politeFor)
	}
	return now < m.until
}

// keys is how many the next batch may have.
func (m *pacer) keys() int {
	if m.polite() {
		return politeKeys
	}
	return quickKeys
}

// rest is the pause behind a batch that took so long.
func (m *pacer) rest(took time.Duration) time.Duration {
	if m.polite() {
		return politeRest * took
	}
	return 0
}
