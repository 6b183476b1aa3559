package bubbletest

import (
	"slices"
	"testing"
)

// The process of the bubbles runs the postponed tests, all of them and no others, and leaves the
// files of its parent alone.
func TestArguments(t *testing.T) {
	got := arguments([]string{"-test.run=^TestA$", "-test.v=true", "--test.cpuprofile=/x", "-test.bench", "-test.testlogfile=/y"}, []string{"TestA", "TestB"})
	if want := []string{"-test.run=^(TestA|TestB)$", "-test.v=true"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
