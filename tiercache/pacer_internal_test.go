package tiercache

import (
	"testing"
	"time"
)

func TestPacer(t *testing.T) {
	var now int64
	var answered uint64
	m := newPacer(func() int64 { return now }, func() uint64 { return answered })
	steps := []struct {
		name  string
		after time.Duration
		reads uint64
		keys  int
		rest  time.Duration // behind a batch of 3 ms
	}{
		{"nobody reads", time.Second, 0, quickKeys, 0},
		{"somebody does", time.Millisecond, 1, politeKeys, 12 * time.Millisecond},
		{"and may again", politeFor - time.Millisecond, 0, politeKeys, 12 * time.Millisecond},
		{"does again", 0, 5, politeKeys, 12 * time.Millisecond},
		{"and no more", politeFor, 0, quickKeys, 0},
	}
	for _, s := range steps {
		now += int64(s.after)
		answered += s.reads
		if keys, rest := m.keys(), m.rest(3*time.Millisecond); keys != s.keys || rest != s.rest {
			t.Errorf("%s: %d keys and a rest of %v, want %d and %v", s.name, keys, rest, s.keys, s.rest)
		}
	}
}
