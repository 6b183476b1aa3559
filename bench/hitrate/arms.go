package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/warm"
)

// arm is a way to keep caches warm. Tiers, TTLs, coalescing of loads and what is remembered of
// unknown ids are the same in all arms.
type arm struct {
	Name string
	What string

	start   bool // the lists at start
	nightly bool // and at 3:00
	hourly  bool // and each hour
	refresh bool // and before their entries expire
	fleet   bool // once for all nodes, the others filling memory from Redis
	learn   bool // and the keys that are read most, as learned
	stale   bool // serve what has expired while it is loaded
	random  bool // the list is of random keys
	oracle  bool // each key is loaded moments before it is read
	apart   bool // nodes do not share leases
	longer  int  // the lists are so many times as long as by default
}

// learned is how many keys each cache learns, and replayEvery how often they are replayed.
const (
	learned     = 1000
	replayEvery = 2 * time.Minute
)

func arms() []arm {
	return []arm{
		{Name: "none", What: "no warming"},
		{Name: "nightly", What: "the original: the lists at start and at 3:00", start: true, nightly: true},
		{Name: "hourly", What: "the same, and each hour", start: true, nightly: true, hourly: true},
		{Name: "default", What: "the built-in loaders and the engine as they are: also before entries expire", start: true, nightly: true, hourly: true, refresh: true, fleet: true},
		{Name: "long lists", What: "default, with lists ten times as long", start: true, nightly: true, hourly: true, refresh: true, fleet: true, longer: 10},
		{Name: "learned", What: fmt.Sprintf("no lists; the %d hottest keys of each cache, replayed each %v", learned, replayEvery), learn: true},
		{Name: "learned+hydrate", What: "the same, also at start, from what Redis has", start: true, learn: true, fleet: true},
		{Name: "stale", What: "no warming; what has expired is served while it is loaded", stale: true},
		everything(),
		{Name: "oracle", What: "knows the future: each key is loaded moments before it is read", oracle: true},
		{Name: "placebo", What: "as default, with as many random keys for its list", start: true, nightly: true, hourly: true, refresh: true, fleet: true, random: true},
	}
}

// everything is each feature, with lists of the default length.
func everything() arm {
	return arm{
		Name: "all", What: "default, learned keys with hydration, and stale",
		start: true, nightly: true, hourly: true, refresh: true, fleet: true, learn: true, stale: true,
	}
}

// ablations are all, with one feature less each.
func ablations() []arm {
	all := everything()
	less := func(name, what string, without func(*arm)) arm {
		a := all
		a.Name, a.What = name, what
		without(&a)
		return a
	}
	return []arm{
		all,
		less("without refresh", "lists are warmed by the clock alone", func(a *arm) { a.refresh = false }),
		less("without learned keys", "the lists alone", func(a *arm) { a.learn = false }),
		less("without lists", "learned keys alone", func(a *arm) { a.nightly, a.hourly, a.refresh = false, false, false }),
		less("without hydration", "each node for itself, and cold at a start", func(a *arm) { a.fleet, a.start = false, false }),
		less("without leases", "nodes load for themselves what another is loading", func(a *arm) { a.apart = true }),
		less("without stale", "an expired value is waited for", func(a *arm) { a.stale = false }),
	}
}

// armOf finds an arm, one of the ablation's too.
func armOf(name string) (arm, bool) {
	for _, a := range slices.Concat(arms(), ablations()) {
		if a.Name == name {
			return a, true
		}
	}
	return arm{}, false
}

// warms reports whether an engine runs at all.
func (a arm) warms() bool { return a.start || a.learn }

// lists reports whether the built-in loaders have something to warm.
func (a arm) lists() bool { return a.nightly && !a.random }

// caches is the configuration of the five caches.
func (a arm) caches(cfg config) loaders.Config {
	c := loaders.Config{
		BrandTTL: cfg.virtual(time.Hour), UserTTL: cfg.virtual(30 * time.Minute), QuestionTTL: cfg.virtual(time.Hour),
		ReportTTL: cfg.virtual(15 * time.Minute), ResponseTTL: cfg.virtual(5 * time.Minute),
		NegativeTTL: cfg.virtual(30 * time.Second), RefreshAt: -1,
	}
	if a.refresh {
		c.RefreshAt = 0 // the default
	}
	if !a.lists() {
		c.Brands, c.Users, c.Questions, c.Reports = -1, -1, -1, -1
	}
	if a.longer > 0 {
		c.Brands, c.Users, c.Questions, c.Reports = 20*a.longer, 50*a.longer, 20*a.longer, 100*a.longer
	}
	if a.learn {
		c.LearnHot = learned
	}
	if a.stale {
		c.StaleFor, c.SoftTimeout = cfg.virtual(time.Hour), time.Millisecond
	}
	return c
}

// engine is the configuration of the engine.
func (a arm) engine(cfg config) warm.Config {
	three := cfg.hours(float64(cfg.BurnInHours) + 3)
	c := warm.Config{
		Disabled: !a.warms(), SkipStartup: !a.start, SkipSchedule: !a.nightly,
		Schedule: fmt.Sprintf("%d %d * * *", int(three.Minutes())%60, int(three.Hours())%24), // once in a run
		Location: time.UTC, Interval: -1,
	}
	if !a.start {
		c.ReadyTimeout = time.Millisecond // its first replay is a while ahead
	}
	if a.hourly {
		c.Interval = cfg.virtual(time.Hour)
	}
	return c
}
