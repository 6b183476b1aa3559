package tiercache_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// Each line of the text is one field with its name and its value. A field without a value is left
// out.
func TestExplanation_labelsEveryField(t *testing.T) {
	t.Parallel()
	full := tiercache.Explanation{
		Cache: "c", Key: "k", Verdict: "It is so.", Source: tiercache.SourceState{Loader: "Load"},
		Memory: tiercache.MemoryState{Present: true, ID: "abcd", Age: time.Second, FreshFor: time.Minute, BackOff: time.Second, DegradedFor: time.Second},
		Redis: &tiercache.RedisState{
			Key: "c:k", Record: "value", Codec: "json", Packed: "S2", ID: "ef01", Size: 120, Age: time.Second, Lease: "held", LeaseFor: time.Second,
		},
	}
	bare := tiercache.Explanation{
		Cache: "c", Key: "k", Verdict: "It is so.",
		Memory: tiercache.MemoryState{Present: true},
		Redis:  &tiercache.RedisState{Key: "c:k", Record: "value", Codec: "json", ID: "ef01"},
	}
	row := regexp.MustCompile(`^  (memory|redis |source|      )  +[a-z-]+( [a-z]+)*  +[^ ,][^,]*$`)
	for name, e := range map[string]tiercache.Explanation{"full": full, "bare": bare, "nothing": {}} {
		lines := strings.Split(strings.TrimSuffix(e.String(), "\n"), "\n")
		for _, line := range lines[1:] {
			if !row.MatchString(line) {
				t.Errorf("%s: the line %q is not a name and one value", name, line)
			}
		}
	}
	for _, want := range []string{"codec", "json", "compression", "S2", "signed", "id", "abcd", "ef01", "120 bytes", "back-off", "degraded", "lease", "held (1s left)"} {
		if !strings.Contains(full.String(), want) {
			t.Errorf("%q is missing in\n%s", want, full)
		}
	}
	for _, none := range []string{"compression", "lease", "back-off", "degraded"} {
		if strings.Contains(bare.String(), none) {
			t.Errorf("%q is empty, and stands in\n%s", none, bare)
		}
	}
}
