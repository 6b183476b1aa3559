package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warmcache/warmcache/internal/redistest"
)

// The test binary is also a node, as the program is.
func TestMain(m *testing.M) {
	if os.Getenv(nodeVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestShow_oneProcessAsksTheDatabaseAndARestartNobody(t *testing.T) {
	server := redistest.Start(t)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	if err := show(t.Context(), "redis://"+server.Addr(), newView(out)); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	for want, times := range map[string]int{"ready: it asked the database": 1, "ready: filled from Redis": 3, "after 20 queries": 1, "20 queries as before": 1} {
		if got := bytes.Count(text, []byte(want)); got != times {
			t.Errorf("%q stands there %d times, want %d:\n%s", want, got, times, strings.TrimSpace(string(text)))
		}
	}
}
