package redistest_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

const orphanVar = "REDISTEST_ORPHAN"

// TestOrphan kills a test binary that has a server, and looks for the server.
func TestOrphan(t *testing.T) {
	t.Parallel()
	if os.Getenv(orphanVar) != "" {
		fmt.Println("addr", redistest.Start(t).Addr())
		select {} // until the kill
	}
	redistest.Start(t) // skips here where there is no redis-server

	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOrphan$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), orphanVar+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr := ""
	for lines := bufio.NewScanner(out); addr == "" && lines.Scan(); {
		_, addr, _ = strings.Cut(lines.Text(), "addr ")
	}
	if conn, err := net.Dial("tcp", addr); err != nil {
		t.Errorf("the server of the living test: %v", err)
	} else {
		conn.Close() //nolint:errcheck // nothing is left to lose
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the test binary ended by itself")
	}
	redistest.Eventually(t, 10*time.Second, func() error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return nil //nolint:nilerr // nobody listens any more: as it should be
		}
		conn.Close() //nolint:errcheck // nothing is left to lose
		return fmt.Errorf("the dead test's server still listens on %s", addr)
	})
}
