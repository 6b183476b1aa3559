package main

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A list that has fallen behind the code is found here, in a second; what the tests make of the
// mutants takes `make mutants` many minutes.
func TestList_isUpToDate(t *testing.T) {
	t.Chdir("../..")
	for _, m := range list() {
		source, err := os.ReadFile(m.file)
		if err != nil {
			t.Errorf("%s: %v", m.guard, err)
			continue
		}
		if n := strings.Count(string(source), m.old); n != 1 {
			t.Errorf("%s: its text stands %d times in %s, want once", m.guard, n, m.file)
		}
		if !hasTest(t, cmp.Or(m.pkg, filepath.Dir(m.file)), m.test) {
			t.Errorf("%s: no test matches %q", m.guard, m.test)
		}
	}
}

var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// hasTest reports whether a test of the package matches the first part of the expression.
func hasTest(t *testing.T, pkg, expression string) bool {
	t.Helper()
	first, _, _ := strings.Cut(expression, "/")
	match, err := regexp.Compile(first)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range testName.FindAllStringSubmatch(string(source), -1) {
			if match.MatchString(name[1]) {
				return true
			}
		}
	}
	return false
}
