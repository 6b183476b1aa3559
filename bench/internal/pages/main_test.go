package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPages fails where a page says something else than the reports.
func TestPages(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	for _, page := range pages() {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		filled, err := fill(string(text), func(report string) (string, error) {
			text, err := os.ReadFile(filepath.Join(root, report))
			return string(text), err
		})
		if err != nil || filled != string(text) {
			t.Errorf("%s is not what the reports say, %v: go run ./bench/internal/pages", page, err)
		}
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	reports := func(string) (string, error) { return "# Title\n\nfirst\n\n## One\n\na table\n\n## Two\n\nmore\n", nil }
	for name, tt := range map[string]struct{ page, want, fails string }{
		"a section": {"a\n<!-- bench/results/x.md#One -->\nold\n<!-- end -->\nb", "a\n<!-- bench/results/x.md#One -->\n\na table\n\n<!-- end -->\nb", ""},
		"the last":  {"<!-- bench/results/x.md#Two -->\n<!-- end -->", "<!-- bench/results/x.md#Two -->\n\nmore\n\n<!-- end -->", ""},
		"no copies": {"a", "a", ""},
		"no such":   {"<!-- bench/results/x.md#Three -->\n<!-- end -->", "", `no heading "Three"`},
		"no end":    {"<!-- bench/results/x.md#One -->\n", "", "needs a line <!-- end -->"},
	} {
		got, err := fill(tt.page, reports)
		if tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) || tt.fails == "" && (err != nil || got != tt.want) {
			t.Errorf("%s: %q, %v; want %q, %q", name, got, err, tt.want, tt.fails)
		}
	}
	whole, err := fill("<!-- bench/results/x.md -->\n<!-- end -->", reports)
	if err != nil || !strings.Contains(whole, "first\n\n## One") || strings.Contains(whole, "# Title") {
		t.Errorf("the whole report: %q, %v", whole, err)
	}
}
