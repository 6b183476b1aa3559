// Package racetest tells tests whether the race detector is on. It knows nothing else.
package racetest
