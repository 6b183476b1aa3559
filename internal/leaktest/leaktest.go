// Package leaktest fails a test binary that leaves goroutines behind, as goleak does, with more
// patience.
package leaktest

import (
	"time"

	"go.uber.org/goleak"
)

// VerifyTestMain runs the tests of m, as goleak.VerifyTestMain, but gives what
// is left ten seconds to end instead of half a second: a go-redis client that
// is closed lets the dials that it has begun come to their end.
func VerifyTestMain(m goleak.TestingM, options ...goleak.Option) {
	goleak.VerifyTestMain(patient{m}, options...)
}

type patient struct{ goleak.TestingM }

func (p patient) Run() int {
	code := p.TestingM.Run()
	for end := time.Now().Add(10 * time.Second); code == 0 && goleak.Find() != nil && time.Now().Before(end); {
	}
	return code
}
