package admin_test

import (
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/warmcache/warmcache/warm"
	"github.com/warmcache/warmcache/warm/admin"
)

// The package comment names every path, and those that ask Authorize.
func TestDoc_namesEveryPath(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("handler.go")
	if err != nil {
		t.Fatal(err)
	}
	list, said, _ := strings.Cut(string(text), "// Execute changes")
	said, _, _ = strings.Cut("execute"+said, "Config.Authorize")
	s := serve(t, warm.Config{}, admin.Config{Authorize: admin.Bearer("secret")})
	paths := regexp.MustCompile(`mux\.HandleFunc\("(/(?:api|readyz)[^"]*)"`).FindAllStringSubmatch(string(code), -1)
	if len(paths) < 7 {
		t.Fatalf("handler.go has the paths %v", paths)
	}
	for _, found := range paths {
		line := regexp.MustCompile(`(GET |POST) ` + found[1] + ` `).FindStringSubmatch(list)
		if line == nil {
			t.Errorf("doc.go does not name %s", found[1])
			continue
		}
		if path.Base(found[1]) == "events" {
			continue // it has no end
		}
		got, _, _ := s.do(t, strings.TrimSpace(line[1]), found[1], "")
		if asks := strings.Contains(said, path.Base(found[1])); asks != (got == http.StatusUnauthorized) {
			t.Errorf("%s without a token: %d; that it asks Authorize is said: %v", found[1], got, asks)
		}
	}
}
