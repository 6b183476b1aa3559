package redistest_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

func TestBlackhole(t *testing.T) {
	t.Parallel()
	addr := redistest.Blackhole(t)
	for range 3 {
		conn, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if err == nil {
			conn.Close() //nolint:errcheck // nothing is left to lose
		}
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			t.Errorf("Dial: %v, want a timeout", err)
		}
	}
}
