package redistest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// faker is the program that gives a process a clock of its own.
const faker = "faketime"

// StartClocked is Start for a server whose wall clock SetClock can move while it
// runs. At first it shows the machine's time. Where faketime is missing the test
// is skipped, or fails in CI.
func StartClocked(tb TB, args ...string) *Server {
	tb.Helper()
	s := alone(tb, args)
	s.SetClock(0)
	s.clock = fakeClock(tb, s.clockFile())
	s.launch()
	return s
}

// SetClock makes the server's wall clock show the machine's time plus the
// offset, from now on. The server must come from StartClocked.
func (s *Server) SetClock(offset time.Duration) {
	s.tb.Helper()
	text := fmt.Sprintf("%+.6f\n", offset.Seconds())
	next := s.clockFile() + ".next" // a rename: the server must not read half of it
	err := os.WriteFile(next, []byte(text), 0o600)
	if err == nil {
		err = os.Rename(next, s.clockFile())
	}
	if err != nil {
		s.tb.Fatalf("redistest: setting the clock of %s: %v", s.Addr(), err)
	}
}

func (s *Server) clockFile() string { return filepath.Join(s.dir, "clock") }

// fakeClock is the environment of a process whose wall clock is the machine's
// plus what the file says each time it is asked.
func fakeClock(tb TB, file string) []string {
	tb.Helper()
	//nolint:noctx // it ends by itself
	out, err := exec.Command(executable(tb, faker), "-f", "+0", "env").Output()
	for try := 0; err != nil && try < 5; try++ { // two of them at once may get in each other's way
		out, err = exec.Command(executable(tb, faker), "-f", "+0", "env").Output() //nolint:noctx // likewise
	}
	library := ""
	for line := range strings.Lines(string(out)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "LD_PRELOAD="); ok {
			library = value
		}
	}
	if err != nil || library == "" {
		tb.Fatalf("redistest: %s names no library to preload: %v", faker, err)
	}
	return []string{
		// libc's malloc goes before the server's jemalloc, which asks for the time
		// while the library is being loaded, and waits for ever.
		"LD_PRELOAD=" + library + ":libc.so.6",
		"FAKETIME_TIMESTAMP_FILE=" + file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1",
	}
}
