package tiercache_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// A hit is compiled in the user's package. What it calls that is not generic must be inlined there,
// or each hit pays for calls; see inline.go.
func TestHitPathIsInlined(t *testing.T) {
	t.Parallel()
	build := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-m", "-o", filepath.Join(t.TempDir(), "quickstart"), "./examples/quickstart")
	build.Dir = ".."
	out, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	for _, leaf := range []struct{ file, name string }{
		{"read.go", `stat.(*Counters).Add`},
		{"read.go", `stat.(*Tally).Hit`},
		{"read.go", `tiercache.count`},
		{"read.go", `tiercache.useful`},
		{"coherence.go", `tiercache.(*store[go.shape.string,go.shape.string]).trusts`},
		{"coherence.go", `atomic.(*Int64).Load`}, // how long notices are trusted
		{"coherence.go", `atomic.(*Uint64).Load`},
		{"internal/memory/memory.go", `memory.(*index[go.shape.string,go.shape.string]).shard`},
	} {
		line := regexp.MustCompile(`(?m)tiercache/` + leaf.file + `:\d+:\d+: inlining call to ` + regexp.QuoteMeta(leaf.name) + `$`)
		if !line.Match(out) {
			t.Errorf("a hit calls %s, which was inlined in %s: reach it through a function of inline.go", leaf.name, leaf.file)
		}
	}
}
