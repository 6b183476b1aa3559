package redistest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/warmcache/warmcache/internal/redistest"
)

// outcome is a TB that notes how a test was ended instead of ending.
type outcome struct {
	redistest.TB

	how, text string
}

func (o *outcome) Skipf(format string, args ...any)  { o.end("skip", format, args...) }
func (o *outcome) Fatalf(format string, args ...any) { o.end("fail", format, args...) }

func (o *outcome) end(how, format string, args ...any) {
	o.how, o.text = how, fmt.Sprintf(format, args...)
	panic(o) // as Goexit does in the real ones: nothing after it runs
}

func TestStart_missing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for ci, want := range map[string]string{"": "skip", "true": "fail"} {
		t.Run("CI="+ci, func(t *testing.T) {
			t.Setenv("CI", ci)
			t.Setenv(redistest.NoServers, "")
			o := &outcome{TB: t}
			func() {
				defer func() {
					if got := recover(); got != o {
						t.Errorf("Start ended with %v, want Skipf or Fatalf", got)
					}
				}()
				redistest.Start(o)
			}()
			if o.how != want || !strings.Contains(o.text, "apt-get install redis-server") {
				t.Errorf("without redis-server: %s with %q; want %s and what to install", o.how, o.text, want)
			}
		})
	}
}
