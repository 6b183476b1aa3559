package tiercache

import (
	"testing"
	"time"
)

// What a large operation takes is judged by what it carried.
func TestCargo_aLargeOperationMayTakeLonger(t *testing.T) {
	t.Parallel()
	const bound = 100 * time.Millisecond
	for _, test := range []struct {
		bytes int64
		took  time.Duration
		err   error
		want  outcome
	}{
		{0, bound * 4 / 5, nil, unanswered},
		{8 << 20, bound * 4 / 5, nil, answered},
		{1 << 10, bound * 4 / 5, nil, unanswered},
		{8 << 20, bound, errNoAnswer, neutral},
		{1 << 10, bound, errNoAnswer, unanswered},
		{0, bound, errNoAnswer, unanswered},
		{8 << 20, time.Millisecond, errReplica, declined},
	} {
		c := new(cargo)
		c.Add(test.bytes)
		if got := c.judge(t.Context(), test.err, test.took, bound); got != test.want {
			t.Errorf("%d bytes in %v, %v: outcome %d, want %d", test.bytes, test.took, test.err, got, test.want)
		}
	}
}

// What is read at once follows the values that came of late.
func TestSizes_follow(t *testing.T) {
	t.Parallel()
	s := new(sizes)
	read := func(values, bytes int64) int {
		s.note(haul{values, values * bytes}, new(cargo))
		return s.most()
	}
	if got := s.most(); got != firstKeys {
		t.Errorf("nothing is known: %d keys, want %d", got, firstKeys)
	}
	for i, test := range []struct {
		values, bytes int64
		low, high     int
	}{
		{0, 0, batchKeys, batchKeys},     // nothing came
		{1, 100, batchKeys, batchKeys},   // small ones
		{1, 1 << 20, 1, 32},              // one large one
		{16, 256 << 10, 4, 4},            // all are large
		{4, 256 << 10, 4, 4},             //
		{4, 100, 4, 6},                   //
		{256, 100, batchKeys, batchKeys}, // all are small again
		{16, 64 << 20, 1, 1},             // more than fits
	} {
		if got := read(test.values, test.bytes); got < test.low || got > test.high {
			t.Errorf("%d: %d keys after %d values of %d bytes, want %d to %d", i, got, test.values, test.bytes, test.low, test.high)
		}
	}
}
