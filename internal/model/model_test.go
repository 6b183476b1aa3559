package model_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/warmcache/warmcache/internal/model"
)

var update = flag.Bool("update", false, "write the explored histories into the page")

// page is where the tables stand that the explorations print, between two lines of marks.
const (
	page  = "../../docs/coherence.md"
	begin = "<!-- explored: go test ./internal/model -update -->\n"
	end   = "<!-- end of what was explored -->\n"
)

// TestModel explores the protocol: with all its rules no guarantee breaks; without any one of them
// one does. What it finds must be what the page says.
func TestModel(t *testing.T) {
	t.Parallel()
	scenarios, rules := model.Scenarios(), model.Table()
	named := make(map[string]model.Scenario)
	whole, without := make([]model.Result, len(scenarios)), make([]model.Result, len(rules))
	var wg sync.WaitGroup
	room := make(chan bool, 2) // explorations at a time: each takes some 100 MB
	explore := func(r *model.Result, sc model.Scenario, rules model.Rules) {
		wg.Go(func() {
			room <- true
			*r = sc.Explore(rules)
			<-room
		})
	}
	for i, sc := range scenarios {
		named[sc.Name] = sc
		explore(&whole[i], sc, model.All)
	}
	listed := model.Rules(0)
	for i, r := range rules {
		listed |= r.Rule
		explore(&without[i], named[r.Scenario], model.All&^r.Rule)
	}
	wg.Wait()
	if listed != model.All {
		t.Errorf("the table lacks the rules %b", model.All&^listed)
	}
	for i, sc := range scenarios {
		switch r := whole[i]; {
		case r.Broken != "":
			t.Errorf("%s: with all rules %s breaks:\n\t%s", sc.Name, r.Broken, strings.Join(r.Trace, "\n\t"))
		case !r.Complete:
			t.Errorf("%s: gave up after %d states: tighten its bounds", sc.Name, r.States)
		}
	}
	for i, r := range rules {
		if without[i].Broken == "" {
			t.Errorf("%s: nothing breaks without it in %q", r.Name, r.Scenario)
			continue
		}
		t.Logf("without %q (%s) %s breaks:\n\t%s", r.Name, r.Text, without[i].Broken, strings.Join(without[i].Trace, "\n\t"))
	}
	if !t.Failed() {
		compare(t, tables(scenarios, whole, rules, without))
	}
}

// compare compares what was explored with what the page says, or writes it there.
func compare(t *testing.T, want string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	got, after, closed := strings.Cut(rest, end)
	switch {
	case !found || !closed:
		t.Fatalf("%s has no place for what was explored: it needs the lines %q and %q", page, begin, end)
	case got == want:
	case *update:
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil { //nolint:gosec // a page for everybody
			t.Fatal(err)
		}
	default:
		t.Errorf("%s does not say what was explored; go test ./internal/model -update mends it. It should say\n%s", page, want)
	}
}

// tables is what the page says of the explorations.
func tables(scenarios []model.Scenario, whole []model.Result, rules []model.Rule, without []model.Result) string {
	var b strings.Builder
	b.WriteString("\n| | rule | a shortest history without it | steps | breaks |\n|---|---|---|---|---|\n")
	for i, r := range rules {
		fmt.Fprintf(&b, "| R%d | *%s*: %s | %s | %d | %s |\n",
			i+1, r.Name, r.Text, short(without[i].Trace), len(without[i].Trace), without[i].Broken)
	}
	b.WriteString("\n| explored with all rules | states | steps of the longest history |\n|---|---|---|\n")
	for i, sc := range scenarios {
		depth := strconv.Itoa(whole[i].Depth)
		if sc.Depth > 0 {
			depth += ", a bound"
		}
		fmt.Fprintf(&b, "| %s: %s | %d | %s |\n", sc.Name, sc.Bounds(), whole[i].States, depth)
	}
	b.WriteString("\n")
	return b.String()
}

// short is a trace on one line, what is repeated once.
func short(trace []string) string {
	var lines []string
	for i := 0; i < len(trace); {
		n := 1
		for i+n < len(trace) && trace[i+n] == trace[i] {
			n++
		}
		line := trace[i]
		if n > 1 {
			line += fmt.Sprintf(" (%d times)", n)
		}
		lines = append(lines, line)
		i += n
	}
	return strings.Join(lines, "; ")
}

// TestPage_namesTestsThatExist checks that the tests which the page names are there.
func TestPage_namesTestsThatExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../*/*_test.go")
	rooms, _ := filepath.Glob("../../*/internal/*/*_test.go") // the pattern is a good one
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, file := range append(files, rooms...) {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(code)
	}
	for _, name := range regexp.MustCompile("`(Test\\w+)").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(tests.String(), "func "+name[1]+"(") {
			t.Errorf("%s names %s, which is no test of this module", page, name[1])
		}
	}
}
