package tiercache_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// A memory costs what is in it, not what it may hold.
func TestMemory_anEmptyCacheCostsLittle(t *testing.T) {
	const n = 1000
	for _, capacity := range []int64{0, 10_000_000} {
		goroutines := runtime.NumGoroutine()
		before := heap()
		all := make([]*tiercache.Cache[string, string], n)
		for i := range all {
			all[i] = newCache(t, tiercache.Config[string, string]{Name: fmt.Sprint("c", i), TTL: time.Hour, Capacity: capacity})
		}
		if more := int64(heap()) - int64(before); more > 100_000_000 {
			t.Errorf("capacity %d: %d empty caches cost %d MB", capacity, n, more/1_000_000)
		} else {
			t.Logf("capacity %d: %d empty caches cost %d MB", capacity, n, more/1_000_000)
		}
		if more := runtime.NumGoroutine() - goroutines; more > 100 {
			t.Errorf("%d empty caches have %d goroutines", n, more)
		}
		for _, c := range all {
			closing(t, c)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
