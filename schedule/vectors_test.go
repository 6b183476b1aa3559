package schedule_test

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestVectors runs testdata/vectors.txt, whose due times come from testdata/vectors.py.
func TestVectors(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	count := 0
	for lines := bufio.NewScanner(file); lines.Scan(); count++ {
		cells := strings.Split(lines.Text(), "\t")
		source, loc, expr := cells[0], location(t, cells[1]), cells[2]
		from, err := time.Parse(time.RFC3339, cells[3])
		if err != nil {
			t.Fatal(err)
		}
		from = from.In(loc)
		c := parse(t, expr)
		var got []string
		for at := range c.All(from) {
			if got = append(got, at.UTC().Format(time.RFC3339)); len(got) == 3 {
				break
			}
		}
		if got == nil {
			got = []string{"never"}
		}
		if want := strings.Fields(cells[4]); !slices.Equal(got, want) {
			t.Errorf("%s: %q in %s after %v:\ngot  %v\nwant %v", source, expr, loc, from, got, want)
		}
	}
	if count < 400 {
		t.Errorf("%d vectors, want all of them", count)
	}
}
