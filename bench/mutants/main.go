// Command mutants shows that each guard has a test that fails when the guard is removed. For each
// mutant of its list it lays one changed file over the tree (go test -overlay: the tree itself is
// not touched) and runs the test that watches the guard. A mutant that survives, or whose text is
// no longer found exactly once, fails the command.
//
//	go run ./bench/mutants [-run REGEXP] [-p N] [-v]
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// mutant is one guard taken away.
type mutant struct {
	guard string // what goes
	file  string
	old   string // found exactly once in the file
	new   string
	test  string // which must then fail: a regular expression for go test -run
	pkg   string // where that test is; empty = beside the file
}

func main() {
	only := flag.String("run", ".", "only mutants whose guard matches this regular expression")
	verbose := flag.Bool("v", false, "show what the tests print")
	parallel := flag.Int("p", 1, "how many at the same time: some wait for minutes for what never comes, but tests on a machine that is too busy prove nothing")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintf(os.Stderr, "mutants: -run: %v\n", err)
		os.Exit(2)
	}
	var mu sync.Mutex // guards what follows, and the output
	tried, survived := 0, 0
	var g errgroup.Group
	g.SetLimit(max(1, *parallel))
	for _, m := range list() {
		if !match.MatchString(m.guard) {
			continue
		}
		g.Go(func() error {
			began := time.Now()
			verdict, output := m.try(context.Background())
			mu.Lock()
			defer mu.Unlock()
			fmt.Printf("%-9s %-72s %s (%.1f s)\n", verdict, m.guard, m.test, time.Since(began).Seconds())
			if tried++; verdict != killed {
				survived++
			}
			if *verbose || verdict == broken {
				fmt.Println(output)
			}
			return nil
		})
	}
	_ = g.Wait() // each mutant has its own verdict
	fmt.Printf("%d guards, %d of them not watched\n", tried, survived)
	if survived > 0 {
		os.Exit(1)
	}
}

// The verdicts on a mutant.
const (
	killed = "killed"
	alive  = "SURVIVED"
	broken = "BROKEN" // the list is out of date: it doesn't apply, or doesn't compile
)

// try runs the mutant's test over the changed file.
func (m mutant) try(ctx context.Context) (verdict, output string) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return broken, err.Error()
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		return broken, fmt.Sprintf("its text is in %s %d times, not once", m.file, n)
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return broken, err.Error()
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	overlay, err := m.overlay(dir, string(source))
	if err != nil {
		return broken, err.Error()
	}
	pkg, binary := cmp.Or(m.pkg, filepath.Dir(m.file)), filepath.Join(dir, "mutant.test")
	const fast = "-gcflags=-N -l" // compiling is most of the time
	if out, err := run(ctx, ".", "go", "test", "-c", "-vet=off", fast, "-ldflags=-s -w", "-overlay", overlay, "-o", binary, "./"+pkg); err != nil {
		return broken, out
	}
	out, err := run(ctx, pkg, binary, "-test.timeout=2m", "-test.run", m.test)
	switch {
	case err == nil && bytes.Contains([]byte(out), []byte("no tests to run")):
		return broken, out
	case err == nil:
		return alive, out
	default:
		return killed, out
	}
}

// overlay writes the changed file and the description that go test wants of it.
func (m mutant) overlay(dir, source string) (string, error) {
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, []byte(strings.Replace(source, m.old, m.new, 1)), 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// run runs a program in a folder.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
