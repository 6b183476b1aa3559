package loaders

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// Config says how many items are warmed and how long values live. The zero value of every field has
// the default named beside it.
type Config struct {
	// How many to warm, at most 100,000; negative warms none: the loader stays registered and emits
	// nothing.
	Brands    int // default 20
	Users     int // default 50
	Questions int // default 20
	Reports   int // default 100

	// How long values are fresh, at most 30 days.
	BrandTTL    time.Duration // default 1 h
	UserTTL     time.Duration // default 30 min
	QuestionTTL time.Duration // default 1 h
	ReportTTL   time.Duration // default 15 min
	ResponseTTL time.Duration // default 5 min

	// NegativeTTL is how long it is remembered that the database knows no such brand, report,
	// question or user, at most 1 h; negative: not at all, so that each read of an unknown id is a
	// query. An id that is new is not found for so long where it was asked for before.
	NegativeTTL time.Duration // default 30 s

	// StaleFor is how long after its TTL a value of any of the five caches may still be served
	// while the database fails or is slow; default 0: not at all.
	StaleFor time.Duration
	// SoftTimeout is how long a read waits for the database where it has a value within StaleFor:
	// it serves that then, and the database's answer is stored for the next ones; default 0: a
	// value that is not fresh is served only where the database fails.
	SoftTimeout time.Duration
	// Capacity of each cache's memory, in entries; default 100,000.
	Capacity int64
	// RefreshAt is the share of its TTL, above 0 and below 1, after which an engine warms a
	// loader's entries again; default 0.8, negative is never.
	RefreshAt float64
	// LearnHot is how many of its hottest keys each cache learns from its reads, at most 100,000;
	// default 0: none. An engine warms them too, as task "hot:<cache>".
	LearnHot int
	// Logger hears of what happens in the background; default slog.Default().
	Logger *slog.Logger
	// Observer hears of the events of all five caches, which carry the cache's name; optional.
	Observer tiercache.Observer
}

const (
	mostItems  = 100_000
	longestTTL = 30 * 24 * time.Hour

	usualNegative   = 30 * time.Second
	longestNegative = time.Hour
)

// withDefaults returns cfg with every zero field filled in, or one error that names every bad
// field.
func (cfg Config) withDefaults() (Config, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	fillCounts(&cfg, bad)
	fillTimes(&cfg, bad)
	switch {
	case cfg.NegativeTTL == 0:
		cfg.NegativeTTL = usualNegative
	case cfg.NegativeTTL < 0:
		cfg.NegativeTTL = 0 // what a tiercache.Config calls not at all
	case cfg.NegativeTTL > longestNegative:
		bad("NegativeTTL %v is more than %v", cfg.NegativeTTL, longestNegative)
	}
	if cfg.LearnHot < 0 || cfg.LearnHot > mostItems {
		bad("LearnHot %d must be from 0 to %d", cfg.LearnHot, mostItems)
	}
	if cfg.Capacity < 0 {
		bad("Capacity %d is negative", cfg.Capacity)
	}
	switch {
	case cfg.RefreshAt == 0:
		cfg.RefreshAt = 0.8
	case cfg.RefreshAt < 0:
		cfg.RefreshAt = 0 // what a tiercache.Loader calls never
	case !(cfg.RefreshAt < 1):
		bad("RefreshAt %v must be below 1", cfg.RefreshAt)
	}
	return cfg, errors.Join(errs...)
}

func fillCounts(cfg *Config, bad func(format string, args ...any)) {
	for _, n := range []struct {
		field string
		value *int
		usual int
	}{
		{"Brands", &cfg.Brands, 20},
		{"Users", &cfg.Users, 50},
		{"Questions", &cfg.Questions, 20},
		{"Reports", &cfg.Reports, 100},
	} {
		if *n.value == 0 {
			*n.value = n.usual
		}
		if *n.value > mostItems {
			bad("%s %d is more than %d", n.field, *n.value, mostItems)
		}
	}
}

func fillTimes(cfg *Config, bad func(format string, args ...any)) {
	for _, d := range []struct {
		field string
		value *time.Duration
		usual time.Duration
	}{
		{"BrandTTL", &cfg.BrandTTL, time.Hour},
		{"UserTTL", &cfg.UserTTL, 30 * time.Minute},
		{"QuestionTTL", &cfg.QuestionTTL, time.Hour},
		{"ReportTTL", &cfg.ReportTTL, 15 * time.Minute},
		{"ResponseTTL", &cfg.ResponseTTL, 5 * time.Minute},
		{"StaleFor", &cfg.StaleFor, 0},
		{"SoftTimeout", &cfg.SoftTimeout, 0},
	} {
		if *d.value == 0 {
			*d.value = d.usual
		}
		if *d.value < 0 || *d.value > longestTTL {
			bad("%s %v must be from 0 to %v", d.field, *d.value, longestTTL)
		}
	}
}
