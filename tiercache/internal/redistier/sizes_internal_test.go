package redistier

import (
	"testing"

	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// What is read at once follows the values that came of late.
func TestSizes_follow(t *testing.T) {
	t.Parallel()
	s := new(sizes)
	read := func(values, bytes int64) int {
		s.note(haul{values, values * bytes}, new(redisconn.Cargo))
		return s.most()
	}
	if got := s.most(); got != firstKeys {
		t.Errorf("nothing is known: %d keys, want %d", got, firstKeys)
	}
	for i, test := range []struct {
		values, bytes int64
		low, high     int
	}{
		{0, 0, BatchKeys, BatchKeys},     // nothing came
		{1, 100, BatchKeys, BatchKeys},   // small ones
		{1, 1 << 20, 1, 32},              // one large one
		{16, 256 << 10, 4, 4},            // all are large
		{4, 256 << 10, 4, 4},             //
		{4, 100, 4, 6},                   //
		{256, 100, BatchKeys, BatchKeys}, // all are small again
		{16, 64 << 20, 1, 1},             // more than fits
	} {
		if got := read(test.values, test.bytes); got < test.low || got > test.high {
			t.Errorf("%d: %d keys after %d values of %d bytes, want %d to %d", i, got, test.values, test.bytes, test.low, test.high)
		}
	}
}
