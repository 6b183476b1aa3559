package redistest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/warmcache/warmcache/internal/redistest"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	redistest.Start(t) // skips here where there is no redis-server
	var server *redistest.Server
	err := redistest.Program(t.Context(), func(tb redistest.TB) {
		server = redistest.Start(tb)
		if err := server.Client().Set(tb.Context(), "k", "v", 0).Err(); err != nil {
			tb.Fatalf("Set: %v", err)
		}
	})
	if err != nil {
		t.Fatalf("Program: %v", err)
	}
	if server.Running() {
		t.Error("the server outlives the program")
	}
	if _, err := os.Stat(server.Dir()); !os.IsNotExist(err) {
		t.Errorf("Stat of the server's directory: %v, want it gone", err)
	}
}

func TestProgram_fatal(t *testing.T) {
	t.Parallel()
	order := ""
	err := redistest.Program(t.Context(), func(tb redistest.TB) {
		tb.Cleanup(func() { order += "first " })
		tb.Cleanup(func() { order += "second " })
		tb.Fatalf("no %s today", "figures")
		order += "after Fatalf "
	})
	if err == nil || !strings.Contains(err.Error(), "no figures today") {
		t.Errorf("Program = %v, want what Fatalf was told", err)
	}
	if order != "second first " {
		t.Errorf("clean-ups ran as %q, want the second first, and nothing after Fatalf", order)
	}
}
