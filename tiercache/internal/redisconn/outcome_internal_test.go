package redisconn

import (
	"testing"
	"time"
)

func TestJudge_aLateAnswerIsAFailure(t *testing.T) {
	t.Parallel()
	const bound = 100 * time.Millisecond
	for took, want := range map[time.Duration]Outcome{0: Answered, bound/2 - 1: Answered, bound / 2: unanswered, bound: unanswered} {
		if got := Judge(t.Context(), nil, took, bound); got != want {
			t.Errorf("an answer after %v of %v: outcome %d, want %d", took, bound, got, want)
		}
	}
}

// What a large operation takes is judged by what it carried.
func TestCargo_aLargeOperationMayTakeLonger(t *testing.T) {
	t.Parallel()
	const bound = 100 * time.Millisecond
	for _, test := range []struct {
		bytes int64
		took  time.Duration
		err   error
		want  Outcome
	}{
		{0, bound * 4 / 5, nil, unanswered},
		{8 << 20, bound * 4 / 5, nil, Answered},
		{1 << 10, bound * 4 / 5, nil, unanswered},
		{8 << 20, bound, ErrNoAnswer, neutral},
		{1 << 10, bound, ErrNoAnswer, unanswered},
		{0, bound, ErrNoAnswer, unanswered},
		{8 << 20, time.Millisecond, ErrReplica, declined},
	} {
		c := new(Cargo)
		c.Add(test.bytes)
		if got := c.judge(t.Context(), test.err, test.took, bound); got != test.want {
			t.Errorf("%d bytes in %v, %v: outcome %d, want %d", test.bytes, test.took, test.err, got, test.want)
		}
	}
}
