package redistest_test

import (
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

// A server's clock is moved while it runs: what it holds lives by it.
func TestSetClock(t *testing.T) {
	t.Parallel()
	s := redistest.StartClocked(t)
	client := s.Client()
	if err := client.Set(t.Context(), "k", "v", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	for _, offset := range []time.Duration{0, -time.Hour, 20 * time.Minute, 0} {
		s.SetClock(offset)
		now, err := client.Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		if off := now.Sub(time.Now().Add(offset)).Abs(); off > 10*time.Second {
			t.Errorf("the clock is set to %v and shows %v more", offset, off)
		}
		left, err := client.PTTL(t.Context(), "k").Result()
		if off := (left - time.Hour + offset).Abs(); err != nil || off > 10*time.Second {
			t.Errorf("with the clock at %v the key has %v left, %v", offset, left, err)
		}
	}
}
