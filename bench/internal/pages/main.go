// Command pages copies tables from the reports in bench/results into pages of the documentation, so
// that no figure there is written by hand.
//
//	go run ./bench/internal/pages
//
// What stands between the lines
//
//	<!-- bench/results/hitrate.md#Arms -->
//	<!-- end -->
//
// becomes the section of that heading, or the whole report without its title where none is named.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// pages are those with copies.
func pages() []string { return []string{"docs/benchmarks.md", "docs/scale.md"} }

func main() {
	for _, page := range pages() {
		if err := rewrite(".", page); err != nil {
			fmt.Fprintf(os.Stderr, "pages: %s: %v\n", page, err)
			os.Exit(1)
		}
	}
}

func rewrite(root, page string) error {
	path := filepath.Join(root, filepath.FromSlash(page))
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	filled, err := fill(string(text), func(report string) (string, error) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(report)))
		return string(text), err
	})
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(filled), 0o644)
}

const (
	opening = "<!-- bench/results/"
	closing = "<!-- end -->"
)

// fill returns a page with the copies as its reports are now.
func fill(page string, report func(path string) (string, error)) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(page, opening)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, rest, named := strings.Cut(rest, " -->\n")
		_, after, ended := strings.Cut(rest, closing)
		if !named || !ended {
			return "", fmt.Errorf("%.60s… needs a line %s", opening+name, closing)
		}
		file, heading, _ := strings.Cut(name, "#")
		text, err := report("bench/results/" + file)
		if err != nil {
			return "", err
		}
		copied, err := section(text, heading)
		if err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
		out.WriteString(opening + name + " -->\n\n" + copied + "\n\n" + closing)
		page = after
	}
}

// section is what follows a heading of the second level, or the title.
func section(report, heading string) (string, error) {
	mark := "\n## " + heading + "\n"
	if heading == "" {
		if _, rest, found := strings.Cut(report, "\n"); found {
			return strings.TrimSpace(rest), nil
		}
		return "", errors.New("the report has but a title")
	}
	_, rest, found := strings.Cut(report, mark)
	if !found {
		return "", fmt.Errorf("no heading %q", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	return strings.TrimSpace(rest), nil
}
