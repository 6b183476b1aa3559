package loaders

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/warmcache/warmcache/warm"
)

// ConfigFromEnv reads counts and TTLs from the environment. A variable that is unset, or set to
// nothing, has its default; every bad one is reported in one error that names the variable, its
// value, and what is accepted. Values are taken as they are: blanks around them are part of the
// value.
//
//	WARMUP_POPULAR_BRANDS_COUNT     20    0 to 100000; 0 = none
//	WARMUP_POPULAR_USERS_COUNT      50
//	WARMUP_POPULAR_QUESTIONS_COUNT  20
//	WARMUP_RECENT_REPORTS_COUNT     100
//	WARMUP_LEARN_HOT_COUNT          0     the same: each cache's hottest keys, learned from its reads
//	BRAND_STATS_TTL                 3600  seconds, or a duration such as 1h; 1s to 720h
//	USER_STATS_TTL                  1800
//	REPORT_STATS_TTL                900
//	QUESTION_STATS_TTL              3600
//	API_RESPONSE_TTL                300
//	NEGATIVE_TTL                    30    the same form, to 1h; 0 = not at all: how long an unknown id is remembered
func ConfigFromEnv() (Config, error) {
	var env environment
	cfg := Config{
		Brands:      env.count("WARMUP_POPULAR_BRANDS_COUNT"),
		Users:       env.count("WARMUP_POPULAR_USERS_COUNT"),
		Questions:   env.count("WARMUP_POPULAR_QUESTIONS_COUNT"),
		Reports:     env.count("WARMUP_RECENT_REPORTS_COUNT"),
		LearnHot:    max(0, env.count("WARMUP_LEARN_HOT_COUNT")),
		BrandTTL:    env.ttl("BRAND_STATS_TTL"),
		UserTTL:     env.ttl("USER_STATS_TTL"),
		ReportTTL:   env.ttl("REPORT_STATS_TTL"),
		QuestionTTL: env.ttl("QUESTION_STATS_TTL"),
		ResponseTTL: env.ttl("API_RESPONSE_TTL"),
		NegativeTTL: env.negative("NEGATIVE_TTL"),
	}
	if len(env.faults) > 0 {
		return Config{}, fmt.Errorf("loaders: environment: %w", errors.Join(env.faults...))
	}
	return cfg, nil
}

// WarmConfigFromEnv is [warm.ConfigFromEnv] for an engine of the five caches. Where WARMUP_PRIORITY
// is not set, the order is popular_brands, recent_reports, popular_questions, user_stats,
// api_responses, and then all other tasks.
func WarmConfigFromEnv() (warm.Config, error) {
	cfg, err := warm.ConfigFromEnv()
	if err == nil && cfg.Priority == nil {
		cfg.Priority = []string{"popular_brands", "recent_reports", "popular_questions", "user_stats", "api_responses"}
	}
	return cfg, err //nolint:wrapcheck // it says where it comes from
}

const shortestTTL = time.Second

// environment reads variables and remembers what was wrong with them. Each method returns the zero
// value, which Config takes for its default, for a variable that is not set.
type environment struct{ faults []error }

func (env *environment) count(name string) int {
	value := os.Getenv(name)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > mostItems {
		env.bad(name, value, "an integer from 0 to %d", mostItems)
		return 0
	}
	if n == 0 {
		return -1 // none
	}
	return n
}

func (env *environment) ttl(name string) time.Duration {
	value := os.Getenv(name)
	if value == "" {
		return 0
	}
	d, err := duration(value)
	if err != nil || d < shortestTTL || d > longestTTL {
		env.bad(name, value, "seconds as an integer, or a duration such as 1h or 90s, from 1s to %.0fh", longestTTL.Hours())
		return 0
	}
	return d
}

// negative is a duration of which 0, where it is said, is none.
func (env *environment) negative(name string) time.Duration {
	value := os.Getenv(name)
	if value == "" {
		return 0
	}
	d, err := duration(value)
	if err != nil || d < 0 || d > longestNegative || d > 0 && d < time.Millisecond {
		env.bad(name, value, "0, seconds as an integer, or a duration such as 30s, to %v", longestNegative)
		return 0
	}
	if d == 0 {
		return -1 // not at all
	}
	return d
}

// duration reads seconds, or a duration with its unit.
func duration(value string) (time.Duration, error) {
	if strings.Trim(value, "0123456789") == "" {
		value += "s"
	}
	return time.ParseDuration(value)
}

// longestQuote bounds how much of a bad value an error repeats.
const longestQuote = 64

func (env *environment) bad(name, value, want string, args ...any) {
	quoted := strconv.Quote(value)
	if len(value) > longestQuote {
		quoted = fmt.Sprintf("%q... (%d bytes)", value[:longestQuote], len(value))
	}
	env.faults = append(env.faults, fmt.Errorf("%s=%s: want "+want, append([]any{name, quoted}, args...)...))
}
