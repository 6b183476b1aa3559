package warm

import "sync"

// guard is a mutex that keeps lines for the log until it is free. The log's handler is the user's:
// it may take as long as it likes, and call the engine.
type guard struct {
	sync.Mutex

	lines []func() // guarded by the mutex
}

// later logs a line as the mutex is given up, in the goroutine that does so. The mutex must be
// held.
func (g *guard) later(line func()) { g.lines = append(g.lines, line) }

// take returns the lines so far, which are the caller's to log then. The mutex must be held.
func (g *guard) take() []func() {
	lines := g.lines
	g.lines = nil
	return lines
}

// Unlock gives the mutex up, and logs what came up meanwhile.
func (g *guard) Unlock() {
	lines := g.take()
	g.Mutex.Unlock()
	for _, line := range lines {
		line()
	}
}
