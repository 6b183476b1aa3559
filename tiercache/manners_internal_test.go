package tiercache

import (
	"testing"
	"time"
)

func TestManners(t *testing.T) {
	var now int64
	var answered uint64
	m := newManners(func() int64 { return now }, func() uint64 { return answered })
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

func TestTraffic_countsOpenCachesOnly(t *testing.T) {
	reads := traffic{all: make(map[*counters]struct{})}
	var a, b counters
	reads.open(&a)
	reads.open(&b)
	a.add(1, memoryHits, 2)
	b.add(2, redisHits, 3)
	b.add(3, loads, 7) // no read of anybody's
	if n := reads.answered(); n != 5 {
		t.Errorf("%d reads, want 5", n)
	}
	reads.close(&b)
	if n := reads.answered(); n != 2 {
		t.Errorf("%d reads after one was closed, want 2", n)
	}
}
