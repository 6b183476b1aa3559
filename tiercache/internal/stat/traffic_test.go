package stat_test

import (
	"testing"

	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

func TestTraffic_countsOpenCachesOnly(t *testing.T) {
	t.Parallel()
	reads := stat.NewTraffic()
	var a, b stat.Counters
	reads.Open(&a)
	reads.Open(&b)
	a.Add(1, stat.MemoryHits, 2)
	b.Add(2, stat.RedisHits, 3)
	b.Add(3, stat.Loads, 7) // answered nobody
	if n := reads.Answered(); n != 5 {
		t.Errorf("%d reads, want 5", n)
	}
	reads.Close(&b)
	if n := reads.Answered(); n != 2 {
		t.Errorf("%d reads after one was closed, want 2", n)
	}
}
