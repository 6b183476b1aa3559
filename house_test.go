package warmcache_test

import (
	"cmp"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
)

const module = "github.com/warmcache/warmcache"

// knows is the import picture: a directory may import the directories it
// lists, itself, and what is below itself, and nothing else of ours. The
// longest prefix counts. Tests are free.
//
//	examples, bench ──► loaders ──► warm ──► tiercache
//	                                  └────► schedule
//
// The rooms of a package are the directories of its own internal directory.
// Each has a row, see docs/architecture.md.
var knows = map[string][]string{
	"tiercache": {"internal"},
	"schedule":  {}, // not even of other people's packages, see onlyStd
	"warm":      {"internal", "schedule", "tiercache"},
	"loaders":   {"internal", "tiercache", "warm"},
	"extra":     {"schedule", "tiercache", "warm"},
	"cmd":       {"internal", "loaders", "schedule", "tiercache", "warm"},
	"examples":  {"extra", "internal", "loaders", "schedule", "tiercache", "warm"},
	"bench":     {"examples", "extra", "internal", "loaders", "schedule", "tiercache", "warm"},
	"internal":  {},
	".":         {}, // the front page is documentation and Examples

	"bench/internal": {"examples", "internal", "loaders", "schedule", "tiercache", "warm"}, // what its programs share

	"tiercache/internal/backplane": {"tiercache/internal/clock", "tiercache/internal/failure", "tiercache/internal/redisconn"},
	"tiercache/internal/clock":     {},
	"tiercache/internal/deadline":  {},
	"tiercache/internal/failure":   {"internal/usercode"},
	"tiercache/internal/record":    {},
	"tiercache/internal/redisconn": {"tiercache/internal/deadline", "tiercache/internal/failure"},
	"tiercache/internal/journal":   {"tiercache/internal/backplane"},
	"tiercache/internal/memory":    {"tiercache/internal/clock", "tiercache/internal/stat"},
	"tiercache/internal/redistier": {"tiercache/internal/backplane", "tiercache/internal/record", "tiercache/internal/redisconn"},
	"tiercache/internal/roundtrip": {},
	"tiercache/internal/stat":      {},
	"tiercache/internal/topk":      {},

	"internal/order":       {}, // of tasks, for tiercache and warm
	"internal/usercode":    {},
	"warm/internal/ledger": {"tiercache"},
}

// onlyStd are the directories that know the standard library alone.
var onlyStd = []string{"schedule"}

// badNames say nothing about what a package does.
var badNames = []string{"util", "utils", "common", "types", "manager", "helper", "helpers"}

// testOnly are imports of test files and of packages made for tests; the value
// names the directory that may have one all the same.
var testOnly = map[string]string{
	"testing":                       "",
	"testing/synctest":              "",
	"github.com/alicebob/miniredis": "examples", // an embedded Redis for demos
	"github.com/google/go-cmp":      "",
	"go.uber.org/goleak":            "",
	"pgregory.net/rapid":            "",
	module + "/internal/redistest":  "bench", // its programs measure against a real Redis
}

func TestHouse(t *testing.T) {
	t.Parallel()
	faults, files, err := inspect(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatal("no Go file found: the test does not run in the module's root")
	}
	for _, fault := range faults {
		t.Error(fault)
	}
}

// inspect reads every Go file of a tree, nested modules too, and returns what
// breaks the rules above and how many files it read.
func inspect(tree fs.FS) (faults []string, files int, err error) {
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_'):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		faults = append(faults, wide(name, string(text))...)
		if slices.Contains(badNames, file.Name.Name) {
			faults = append(faults, fmt.Sprintf("%s: package %s: name it after what it does", name, file.Name.Name))
		}
		if withoutRow(path.Dir(name)) {
			faults = append(faults, fmt.Sprintf("%s: %s has no row in knows: say what it may import", name, path.Dir(name)))
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if fault := judge(name, imported); fault != "" {
				faults = append(faults, name+": "+fault)
			}
		}
		return nil
	})
	return faults, files, err
}

// mostColumns is the width of a comment, with four columns a tab.
const mostColumns = 100

// wide lists the comment lines that are too long. Preformatted text, which begins with a tab, may
// be as wide as it needs, and so may the output of an Example.
func wide(name, text string) (faults []string) {
	output := false
	for i, line := range strings.Split(text, "\n") {
		comment := strings.TrimLeft(line, "\t ")
		if !strings.HasPrefix(comment, "//") {
			output = false
			continue
		}
		output = output || strings.HasPrefix(comment, "// Output:")
		if output || !strings.HasPrefix(comment, "// ") {
			continue
		}
		if n := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")); n > mostColumns {
			faults = append(faults, fmt.Sprintf("%s:%d: a comment of %d columns; %d are the most", name, i+1, n, mostColumns))
		}
	}
	return faults
}

// judge says what is wrong with a file's import, "" for nothing.
func judge(name, imported string) string {
	dir := path.Dir(name)
	if strings.HasSuffix(name, "_test.go") || madeForTests(dir) {
		return ""
	}
	for banned, home := range testOnly {
		if under(imported, banned) && (home == "" || !under(dir, home)) {
			return fmt.Sprintf("imports %s, which is for tests only", imported)
		}
	}
	target, ours := strings.CutPrefix(imported, module)
	if !ours || target != "" && target[0] != '/' {
		if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") && within(dir, onlyStd) != "" {
			return fmt.Sprintf("imports %s, but %s knows the standard library only", imported, dir)
		}
		return ""
	}
	target = cmp.Or(strings.TrimPrefix(target, "/"), ".")
	room := roomOf(dir)
	if room != "." && under(target, room) || within(target, knows[room]) != "" {
		return ""
	}
	return fmt.Sprintf("imports %s; of ours, %s may import %s",
		imported, room, cmp.Or(strings.Join(knows[room], ", "), "nothing"))
}

// roomOf returns the longest row of knows that a directory is under.
func roomOf(dir string) string {
	room := "."
	for candidate := range knows {
		if under(dir, candidate) && len(candidate) > len(room) {
			room = candidate
		}
	}
	return room
}

// withoutRow reports whether a directory is in a package's own internal directory, but in no room
// that has a row.
func withoutRow(dir string) bool {
	owner, _, ok := strings.Cut(dir, "/internal/")
	return ok && under(owner, roomOf(dir))
}

// madeForTests is the house's rule for packages such as internal/redistest.
func madeForTests(dir string) bool {
	return path.Dir(dir) == "internal" && strings.HasSuffix(dir, "test")
}

// under reports whether a path is root or below it.
func under(p, root string) bool {
	return p == root || strings.HasPrefix(p, root+"/")
}

// within returns the first of roots that p is under, or "".
func within(p string, roots []string) string {
	for _, root := range roots {
		if under(p, root) {
			return root
		}
	}
	return ""
}

func TestHouse_faults(t *testing.T) {
	t.Parallel()
	const ours = module + "/"
	tests := []struct {
		name, file, pkg, imports string
		want                     []string
	}{
		{"the picture itself", "loaders/brands.go", "loaders", ours + "warm", nil},
		{"below oneself", "warm/admin/page.go", "admin", ours + "warm", nil},
		{"an internal package", "tiercache/redis.go", "tiercache", ours + "internal/ring", nil},
		{"a neighbour with a longer name", "warm/run.go", "warm", module + "er/examples", nil},
		{"tests are free", "schedule/cron_test.go", "schedule_test", ours + "bench", nil},
		{"a package made for tests", "internal/redistest/server.go", "redistest", "testing", nil},
		{"the demo's Redis", "examples/brandapi/redis.go", "main", "github.com/alicebob/miniredis/v2", nil},
		{"not our tree", "tiercache/testdata/x.go", "x", ours + "warm", nil},
		{
			"upwards", "tiercache/warm.go", "tiercache", ours + "warm",
			[]string{"tiercache/warm.go: imports " + ours + "warm; of ours, tiercache may import internal"},
		},
		{
			"upwards in warm", "warm/run.go", "warm", ours + "loaders",
			[]string{"warm/run.go: imports " + ours + "loaders; of ours, warm may import internal, schedule, tiercache"},
		},
		{
			"a program as a library", "loaders/users.go", "loaders", ours + "examples/brandapi",
			[]string{"loaders/users.go: imports " + ours + "examples/brandapi; of ours, loaders may import internal, tiercache, warm"},
		},
		{
			"ours in schedule", "schedule/cron.go", "schedule", ours + "internal/ring",
			[]string{"schedule/cron.go: imports " + ours + "internal/ring; of ours, schedule may import nothing"},
		},
		{
			"others' in schedule", "schedule/cron.go", "schedule", "golang.org/x/sync/errgroup",
			[]string{"schedule/cron.go: imports golang.org/x/sync/errgroup, but schedule knows the standard library only"},
		},
		{
			"testing", "tiercache/fake.go", "tiercache", "testing",
			[]string{"tiercache/fake.go: imports testing, which is for tests only"},
		},
		{
			"miniredis", "bench/fleet/main.go", "main", "github.com/alicebob/miniredis/v2",
			[]string{"bench/fleet/main.go: imports github.com/alicebob/miniredis/v2, which is for tests only"},
		},
		{
			"test servers", "cmd/warmctl/main.go", "main", ours + "internal/redistest",
			[]string{"cmd/warmctl/main.go: imports " + ours + "internal/redistest, which is for tests only"},
		},
		{"a room", "tiercache/read.go", "tiercache", ours + "tiercache/internal/stat", nil},
		{
			"upwards from a room", "tiercache/internal/stat/counters.go", "stat", ours + "tiercache",
			[]string{"tiercache/internal/stat/counters.go: imports " + ours + "tiercache; of ours, tiercache/internal/stat may import nothing"},
		},
		{
			"a room without a row", "warm/internal/cellar/cellar.go", "cellar", "strings",
			[]string{"warm/internal/cellar/cellar.go: warm/internal/cellar has no row in knows: say what it may import"},
		},
		{
			"a package of everything", "internal/util/strings.go", "util", "strings",
			[]string{"internal/util/strings.go: package util: name it after what it does"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := fmt.Sprintf("package %s\n\nimport _ %q\n", tt.pkg, tt.imports)
			got, _, err := inspect(fstest.MapFS{tt.file: {Data: []byte(text)}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Errorf("inspect of %s importing %s (-want +got):\n%s", tt.file, tt.imports, diff)
			}
		})
	}
}

func TestHouse_wide(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", mostColumns)
	text := "// " + long + "\nvar x int // " + long + "\n//\t" + long + "\n\t// short\n\t\t// " + long[:mostColumns-10]
	want := []string{"f.go:1: a comment of 103 columns; 100 are the most", "f.go:5: a comment of 101 columns; 100 are the most"}
	if diff := gocmp.Diff(want, wide("f.go", text)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
