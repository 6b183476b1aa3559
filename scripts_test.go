package warmcache_test

import (
	"regexp"
	"strings"
	"testing"
)

var (
	calls    = regexp.MustCompile(`redis\.p?call\('(\w+)'(?:, ([^)]*))?\)`)
	declared = regexp.MustCompile(`^KEYS\[\d\]$`)
)

// Each key that a script of ours touches is one that it was given as such. A server may look at
// nothing else to know what a script touches, as Dragonfly does.
func TestScripts_declareTheirKeys(t *testing.T) {
	t.Parallel()
	found := 0
	walk(t, ".go", func(name, text string) {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "bench/") {
			return
		}
		for _, call := range calls.FindAllStringSubmatch(text, -1) {
			found++
			switch args := strings.Split(call[2], ", "); call[1] {
			case "TIME", "PUBLISH":
			case "DEL", "UNLINK", "EXISTS": // all arguments are keys
				for _, key := range args {
					if !declared.MatchString(key) {
						t.Errorf("%s: %s touches %s", name, call[0], key)
					}
				}
			default:
				if !declared.MatchString(args[0]) {
					t.Errorf("%s: %s touches %s", name, call[0], args[0])
				}
			}
		}
	})
	if found < 50 {
		t.Errorf("only %d calls were found", found)
	}
}
