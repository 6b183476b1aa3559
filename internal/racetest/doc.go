// Package racetest tells tests whether the race detector is on. It knows nothing else.
package racetest

// Scaled is n, or a quarter of it under the race detector, which makes a program some ten times
// slower.
func Scaled(n int) int {
	if Enabled {
		return n / 4
	}
	return n
}
