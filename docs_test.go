package warmcache_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// page is one of the repository's pages.
type page struct {
	name, text string
	anchors    map[string]bool
}

// pages reads every page of the repository.
func pages(t *testing.T) map[string]page {
	t.Helper()
	found := make(map[string]page)
	walk(t, ".md", func(name, text string) {
		p := page{name: name, text: text, anchors: make(map[string]bool)}
		for _, heading := range headings.FindAllStringSubmatch(text, -1) {
			p.anchors[anchor(heading[1])] = true
		}
		found[name] = p
	})
	if len(found) == 0 {
		t.Fatal("no page found: the test does not run in the module's root")
	}
	return found
}

// walk reads the files of a kind, but for those of others and of tests.
func walk(t *testing.T, ext string, read func(name, text string)) {
	t.Helper()
	tree := os.DirFS(".")
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (base == "testdata" || base == "vendor" || base[0] == '.'):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ext:
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		read(name, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	headings = regexp.MustCompile(`(?m)^#+ (.*)$`)
	links    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fenced   = regexp.MustCompile("(?ms)^```.*?^```")
	programs = regexp.MustCompile(`(?:cd (\S+)\s+&&\s+)?go (?:run|test|build) (?:-\S+ )*(\./[\w./-]*)`)
	tests    = regexp.MustCompile("`(Test[A-Z][^`]*)`")
)

// anchor is what a heading is reached by.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		default:
			return -1
		}
	}, heading)
}

func TestDocs_linksLeadSomewhere(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for _, p := range all {
		for _, link := range links.FindAllStringSubmatch(fenced.ReplaceAllString(p.text, ""), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			file, fragment, _ := strings.Cut(link[1], "#")
			target := p.name
			if file != "" {
				target = path.Join(path.Dir(p.name), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link %s leads nowhere", p.name, link[1])
			} else if fragment != "" && !all[target].anchors[fragment] {
				t.Errorf("%s: %s has no heading #%s", p.name, target, fragment)
			}
		}
	}
}

func TestDocs_programsExist(t *testing.T) {
	t.Parallel()
	for _, p := range pages(t) {
		for _, command := range programs.FindAllStringSubmatch(p.text, -1) {
			if dir := path.Join(command[1], strings.TrimSuffix(command[2], "/...")); !isDir(dir) {
				t.Errorf("%s: %q: there is no directory %s", p.name, command[0], dir)
			}
		}
	}
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// named are the tests of the repository: each with the texts of its package's test files, where the
// names of its subtests are.
func named(t *testing.T) map[string][]string {
	t.Helper()
	byDir := make(map[string]*strings.Builder)
	walk(t, ".go", func(name, text string) {
		if strings.HasSuffix(name, "_test.go") {
			if byDir[path.Dir(name)] == nil {
				byDir[path.Dir(name)] = new(strings.Builder)
			}
			byDir[path.Dir(name)].WriteString(text)
		}
	})
	found := make(map[string][]string)
	for _, text := range byDir {
		for _, f := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(text.String(), -1) {
			found[f[1]] = append(found[f[1]], text.String())
		}
	}
	return found
}

// missing says what of a test's name, or of a beginning of names that ends with * or …, is in no
// test file.
func missing(all map[string][]string, name string) string {
	name, subtests, _ := strings.Cut(name, "/")
	if begin := strings.TrimRight(name, "*…"); begin != name {
		for test := range all {
			if strings.HasPrefix(test, begin) {
				return ""
			}
		}
	}
	if len(all[name]) == 0 {
		return name
	}
	if subtests == "" {
		return ""
	}
	for _, text := range all[name] {
		if contains(text, subtests) {
			return ""
		}
	}
	return name + "/" + subtests
}

// contains looks for the name of a subtest as a whole, or for each of its parts.
func contains(text, subtests string) bool {
	plain := strings.ReplaceAll(text, " ", "_")
	if strings.Contains(plain, `"`+strings.ReplaceAll(subtests, " ", "_")+`"`) {
		return true
	}
	for part := range strings.SplitSeq(subtests, "/") {
		if part != "…" && !strings.Contains(plain, `"`+strings.ReplaceAll(part, " ", "_")+`"`) {
			return false
		}
	}
	return true
}

func TestDocs_testsExist(t *testing.T) {
	t.Parallel()
	all := named(t)
	for _, p := range pages(t) {
		for _, test := range tests.FindAllStringSubmatch(p.text, -1) {
			if gone := missing(all, test[1]); gone != "" {
				t.Errorf("%s: there is no test %s", p.name, gone)
			}
		}
	}
}

// Each row of what is accepted and what is refused names a test.
func TestDocs_whatIsAcceptedIsTested(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for file, sections := range map[string][]string{
		"docs/redis.md":   {"## Which client", "## Which server"},
		"docs/loaders.md": {"### Databases of one's own"},
	} {
		for _, section := range sections {
			_, text, found := strings.Cut(all[file].text, "\n"+section+"\n")
			text, _, _ = strings.Cut(text, "\n#")
			rows := 0
			for line := range strings.Lines(text) {
				if !strings.HasPrefix(line, "| ") || strings.HasSuffix(line, "| test |\n") || strings.HasPrefix(line, "| client") || strings.HasPrefix(line, "| server |") {
					continue
				}
				if rows++; !tests.MatchString(line) {
					t.Errorf("%s: %s: no test is named in %s", file, section, line)
				}
			}
			if !found || rows < 5 {
				t.Errorf("%s: %d rows below %q", file, rows, section)
			}
		}
	}
}

// The list of what to read names every page.
func TestDocs_everyPageIsListed(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for name := range all {
		if path.Dir(name) == "docs" && name != "docs/README.md" && !strings.Contains(all["docs/README.md"].text, "("+path.Base(name)+")") {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
	}
}
