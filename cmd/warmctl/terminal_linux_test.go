package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// On a terminal a run shows a bar that is redrawn, and gone when the run is over.
func TestRun_onATerminal(t *testing.T) {
	t.Parallel()
	s := serve(t)
	screen, terminal := openTerminal(t)
	cmd := exec.CommandContext(t.Context(), program, "run", "numbers", "slow", "-addr", s.addr)
	cmd.Env = []string{"ADMIN_TOKEN=" + token}
	cmd.Stdout = terminal
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var seen bytes.Buffer
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		part := make([]byte, 4096)
		for open := true; open; {
			n, err := screen.Read(part)
			seen.Write(part[:n])
			if strings.Contains(seen.String(), "1 of 2 tasks") { // numbers is over, and the bar says so
				select {
				case s.gate <- struct{}{}:
				default:
				}
			}
			open = err == nil && !strings.Contains(seen.String(), "10 items in ")
		}
	}()
	<-shown
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, seen.String())
	}
	if text := seen.String(); !strings.Contains(text, "\r\x1b[K[###############---------------] 1 of 2 tasks: slow") || !strings.Contains(text, "[##############################] 2 of 2 tasks") {
		t.Errorf("no bar: %q", text)
	}
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
