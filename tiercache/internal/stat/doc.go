// Package stat counts what a cache does and what its warm-ups were worth.
//
// It holds counters and nothing else: Counters of one cache, a Tally for each task that warms the
// cache, and Traffic, the reads that all caches of this process have answered. Counters that each
// hit writes are striped by the key's hash and padded, so that two cores which serve different
// keys write different cache lines.
//
// It knows neither keys nor values, neither tiers nor time. It must never take a lock on the hit
// path, allocate there, or import another room: whoever counts says what was counted.
package stat
