// Package bubbletest runs tests in virtual time without harm to those in real time.
//
// Under the race detector each bubble of testing/synctest leaves a thread's state behind that
// nobody ends (the raceCtx of its timers, in runtime/time.go of Go 1.26). With a hundred of them
// all that comes after is three times slower, and with some 250 the detector ends the process. So
// tests with bubbles run there in a process of their own.
package bubbletest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/warmcache/warmcache/internal/racetest"
)

// child is what tells the process of the bubbles what it is.
const child = "WARMCACHE_BUBBLES"

// postponed is the tests that wait for the process of the bubbles. A test binary has one TestMain.
var postponed struct { //nolint:gochecknoglobals // as said
	sync.Mutex

	on    bool
	names map[string]bool
}

// Test is synctest.Test. In a process that has bubbles apart it skips the test, which is then run
// again in theirs, from its beginning.
func Test(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if postpone(t.Name()) {
		t.Skip("it has a bubble, and runs in a process of its own")
	}
	synctest.Test(t, f)
}

func postpone(test string) bool {
	postponed.Lock()
	defer postponed.Unlock()
	if postponed.on {
		name, _, _ := strings.Cut(test, "/")
		postponed.names[name] = true
	}
	return postponed.on
}

// Tests are a test binary's, for its TestMain.
type Tests struct{ m goleak.TestingM }

// Apart is m, a testing.M. Under the race detector its Run runs tests with bubbles apart.
func Apart(m goleak.TestingM) *Tests {
	if racetest.Enabled && os.Getenv(child) == "" {
		postponed.on, postponed.names = true, make(map[string]bool)
	}
	return &Tests{m}
}

// Run is that of a testing.M: the exit code.
func (t *Tests) Run() int {
	code := t.m.Run()
	if len(postponed.names) == 0 {
		return code
	}
	names := slices.Sorted(maps.Keys(postponed.names))
	_, _ = fmt.Fprintf(os.Stdout, "%d tests with bubbles follow\n", len(names))                    // "PASS" is said twice
	cmd := exec.CommandContext(context.Background(), os.Args[0], arguments(os.Args[1:], names)...) //nolint:forbidigo,gosec // this very program, for which go test has a timeout
	cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdout, os.Stderr, append(os.Environ(), child+"=1")
	if err := cmd.Run(); err != nil {
		_, _ = fmt.Fprintln(os.Stdout, "tests with bubbles:", err)
		return max(code, 1)
	}
	return code
}

// arguments are args that run tests of these names alone, and write no files over those of this
// process.
func arguments(args, names []string) []string {
	args = slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		flag, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch flag {
		case "test.run", "test.bench", "test.fuzz", "test.testlogfile", "test.cpuprofile", "test.memprofile", "test.blockprofile", "test.mutexprofile",
			"test.trace", "test.coverprofile":
			return true
		}
		return false
	})
	return append([]string{"-test.run=^(" + strings.Join(names, "|") + ")$"}, args...)
}
