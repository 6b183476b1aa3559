//go:build !linux

package redistest

// Blackhole skips the test: only Linux is known to drop SYNs on request.
func Blackhole(tb TB) (addr string) {
	tb.Helper()
	tb.Skipf("redistest: this test needs Linux, which drops SYNs on request")
	return ""
}
