package main_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestProgressBar(t *testing.T) {
	t.Parallel()
	t.Run("on a terminal", func(t *testing.T) {
		t.Parallel()
		screen, terminal := openTerminal(t)
		p := prepare(t, "AUTO_WARMUP_ON_STARTUP=false")
		p.cmd.Stderr = terminal
		p.begin()
		go io.Copy(p.log, screen) //nolint:errcheck // it ends with an error, when the terminal is closed
		s := listen(p)
		s.terminate()
		if log := p.log.String(); !strings.Contains(log, "░") || !strings.Contains(log, "█ 100 %") {
			t.Errorf("there is no bar, or it has no end: %s", log)
		}
	})
	t.Run("not in a file", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "AUTO_WARMUP_ON_STARTUP=false")
		s.terminate()
		if strings.ContainsAny(s.log.String(), "█░\r") {
			t.Errorf("a bar in a log: %s", s.log)
		}
	})
}

// openTerminal opens a pseudo-terminal: what is written to the terminal is read from the screen.
func openTerminal(t *testing.T) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { screen.Close() }) //nolint:errcheck // nothing is left to lose
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() }) //nolint:errcheck // nothing is left to lose
	return screen, terminal
}
