package main

import "slices"

// list is the guards of docs/coherence.md, each with the test that watches it.
func list() []mutant {
	return slices.Concat(
		processGuards, channelGuards, redisGuards, recordGuards, hotKeys, fleetGuards, edgeGuards, tagGuards,
		clockGuards, leaseGuards, warmRuns, journalGuards, loaderGuards, httpCache, httpRequests, httpAround, httpHit,
		contradictionGuards, valueGuards, quotedGuards, memoryGuards, hitrateGuards, ledgerGuards, roomGuards,
		userCode, stopping,
	)
}
