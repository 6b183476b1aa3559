package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// outcome is what one run of one arm with one seed gave. Counts are of the measured hours.
type outcome struct { //nolint:recvcheck // add alone changes it
	Arm  string `json:"arm"`
	Seed uint64 `json:"seed"`

	Requests int `json:"requests"`
	Memory   int `json:"memory"`   // fresh, from this process's memory
	Redis    int `json:"redis"`    // fresh, from Redis
	Stale    int `json:"stale"`    // served expired, while it was loaded
	Negative int `json:"negative"` // it was remembered that there is no such key
	Misses   int `json:"misses"`   // waited for their own load
	Joined   int `json:"joined"`   // waited for somebody else's
	Failed   int `json:"failed"`

	// Fresh is by cache, in the order of their priority, and Of is the requests.
	Fresh [numCaches]int `json:"fresh_by_cache"`
	Of    [numCaches]int `json:"requests_by_cache"`

	// What each of the three witnesses says: the requests above, the caches' own counters, and
	// the source's log of what it was asked by readers.
	CacheHits   int64 `json:"cache_hits"`
	CacheMisses int64 `json:"cache_misses"`
	SourceAsked int64 `json:"source_asked"`
	Behind      int   `json:"behind"` // of these, loads behind answers that were stale

	SourceQueries int     `json:"source_queries"` // all, of readers and of warming
	SourceRows    int     `json:"source_rows"`
	RedisCommands int     `json:"redis_commands"`
	RedisBytes    int64   `json:"redis_bytes"`
	Entries       int     `json:"entries"` // in memory at the end, over all nodes
	ReadyMillis   float64 `json:"ready_ms"`

	First  firsts `json:"first"`        // first requests for each key
	Listed firsts `json:"first_listed"` // of the keys that the built-in loaders list
}

// firsts is of the first requests for keys since the start, or since the restart where there is
// one.
type firsts struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean_ms"`
	P50  float64 `json:"p50_ms"`
	P95  float64 `json:"p95_ms"`
	P99  float64 `json:"p99_ms"`
}

// names of the caches, in the order of outcome.Fresh.
func cacheNames() [numCaches]string {
	return [numCaches]string{"brands", "reports", "questions", "users", "responses"}
}

// fresh is the share of requests that were answered fresh from memory or Redis.
func (o outcome) fresh() float64 { return float64(o.Memory+o.Redis) / float64(max(o.Requests, 1)) }

// add counts an answered request.
func (o *outcome) add(cache int, a answer, asked int64, err error) {
	o.Requests++
	o.Of[cache]++
	switch {
	case errors.Is(err, tiercache.ErrNotFound) && asked == 0:
		o.Negative++
	case errors.Is(err, tiercache.ErrNotFound):
		o.Misses++
	case err != nil:
		o.Failed++
	case a.stale:
		o.Stale++
		o.Behind += int(asked)
	case a.source == tiercache.FromMemory:
		o.Memory++
		o.Fresh[cache]++
	case a.source == tiercache.FromRedis:
		o.Redis++
		o.Fresh[cache]++
	case asked > 0:
		o.Misses++
	default:
		o.Joined++
	}
}

// tolerance is how far the witnesses may be apart, as a share of the requests.
const tolerance = 0.001

// check compares the witnesses.
func (o outcome) check() error {
	hits := int64(o.Memory + o.Redis + o.Stale + o.Negative)
	bySource := int64(o.Requests-o.Joined) - (o.SourceAsked - int64(o.Behind))
	near := func(a, b int64) bool { return math.Abs(float64(a-b)) <= tolerance*float64(o.Requests) }
	switch {
	case o.Failed > 0:
		return fmt.Errorf("%s, seed %d: %d requests failed", o.Arm, o.Seed, o.Failed)
	case !near(hits, bySource):
		return fmt.Errorf("%s, seed %d: the requests had %d hits, the source's log leaves %d of %d", o.Arm, o.Seed, hits, bySource, o.Requests)
	case !near(hits, o.CacheHits):
		return fmt.Errorf("%s, seed %d: the requests had %d hits, the caches count %d", o.Arm, o.Seed, hits, o.CacheHits)
	case !near(int64(o.Misses+o.Joined), o.CacheMisses):
		return fmt.Errorf("%s, seed %d: the requests had %d misses, the caches count %d", o.Arm, o.Seed, o.Misses+o.Joined, o.CacheMisses)
	}
	return nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
