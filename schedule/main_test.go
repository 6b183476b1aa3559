package schedule_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soak returns how often a random test repeats: few by default, many where SCHEDULE_SOAK is set.
func soak(few, many int) int {
	if os.Getenv("SCHEDULE_SOAK") != "" {
		return many
	}
	return few
}
