package main

import "time"

// arm is one way to run the cache. All have the same tiers, capacity and TTL: they differ in
// warming alone.
type arm struct {
	Name    string `json:"name"`
	What    string `json:"what"`
	refresh bool   // a read late in the TTL loads behind the reader's back
	stale   bool   // what has expired is served while it is loaded
	hot     bool   // learned keys are replayed at each interval
	hydrate bool   // and when the process starts
	list    bool   // a loader emits the most popular keys of the past, at start and at each interval
	again   bool   // and late in its TTL
	oracle  bool
}

// arms are all of them, the plain cache first. Without Redis nothing outlives a restart, so there
// is nothing to hydrate from.
func (s settings) arms() []arm {
	all := []arm{
		{Name: "none", What: "a TTL and coalesced loads, no warming"},
		{Name: "refresh", What: "Config.RefreshAt: a read late in the TTL loads behind the reader's back", refresh: true},
		{Name: "stale", What: "Config.StaleFor with a short SoftTimeout: what has expired is served while it is loaded", stale: true},
		{Name: "learned", What: "Config.LearnHot: hot keys are loaded again at each interval, not at start", hot: true},
	}
	if s.Redis {
		all = append(all, arm{Name: "learned+hydrate", What: "the same, and at start from Redis", hot: true, hydrate: true})
	}
	return append(all,
		arm{Name: "scheduled", What: "a loader of the most popular keys of the past, at start and at each interval", list: true},
		arm{Name: "renewed", What: "Loader.RefreshAt: the same loader, again late in its TTL", list: true, again: true},
		arm{
			Name: "all", What: "all of these",
			refresh: true, stale: true, hot: true, hydrate: s.Redis, list: true, again: true,
		},
		arm{Name: "oracle", What: "knows the future: loads before each interval what it will read next, and evicts what it reads last", oracle: true},
	)
}

// settings are what all arms have in common.
type settings struct {
	Capacity  int64         `json:"capacity"` // entries, or bytes
	Bytes     bool          `json:"capacity_in_bytes"`
	Redis     bool          `json:"redis"`
	RefreshAt float64       `json:"refresh_at"`
	StaleFor  time.Duration `json:"stale_for"` // 0: as long as the TTL
	Hot       int           `json:"learn_hot"`
	HalfLife  time.Duration `json:"hot_half_life"`
	Top       int           `json:"top"` // keys that the loader emits
	Interval  time.Duration `json:"interval"`
	Restart   time.Duration `json:"restart"` // the process starts again so often; 0: never
}

// listHalfLife is how long a read counts half in what the loader calls popular: it stands for a
// source's "of the last days".
const listHalfLife = 24 * time.Hour

// firstReads after each start are counted apart: they show what a restart costs.
const firstReads = 1000

// counts is what became of the reads. Fresh is Memory and Redis.
type counts struct {
	Reads      int `json:"reads"`
	Memory     int `json:"memory"` // fresh, from memory
	Redis      int `json:"redis"`  // fresh, from Redis
	Stale      int `json:"stale"`
	Misses     int `json:"misses"`  // the reader waits for the source
	Queries    int `json:"queries"` // of the source: a load, 100 learned keys, or a run of the loader
	Rows       int `json:"rows"`    // that the source was asked for
	Warmed     int `json:"warmed"`  // of these, by warm runs
	Restarts   int `json:"restarts"`
	AfterReads int `json:"after_restart_reads"`  // the first reads after each restart
	AfterFresh int `json:"after_restart_memory"` // of these, fresh from memory
	AfterMiss  int `json:"after_restart_misses"` // and misses
}

// share of all reads, from 0 to 1.
func (c counts) share(n int) float64 { return float64(n) / float64(max(1, c.Reads)) }

func (c counts) fresh() float64 { return c.share(c.Memory + c.Redis) }
