package tiercache_test

import (
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// A node that has just begun is coherent, and does not wait for its second heartbeat to be so: the
// first one may be sent before the subscription stands.
func TestNewRedis_isCoherentAtOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	late := redistest.Late(t)
	const starts = 20
	start := time.Now()
	coherent, took := 0, time.Duration(0)
	for range starts {
		client := server.Client()
		began := time.Now()
		r, err := tiercache.NewRedis(client, tiercache.RedisConfig{})
		if err != nil {
			t.Fatal(err)
		}
		took += time.Since(began)
		if r.Health().Coherent {
			coherent++
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if coherent < starts*3/4 || took > starts*150*time.Millisecond+late.Since(start) {
		t.Errorf("%d of %d starts were coherent, and took %v on the average", coherent, starts, took/starts)
	}
}
