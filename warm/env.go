package warm

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ConfigFromEnv reads the configuration of runs and schedule from the environment. A variable that
// is unset, or set to nothing, has its default; every bad one is reported in one error that names
// the variable, its value, and what is accepted. Values are taken as they are: blanks around them,
// or a comment behind them, are part of the value.
//
//	CACHE_WARMUP_ENABLED       true    boolean: the master switch
//	AUTO_WARMUP_ON_STARTUP     true    boolean: warm in the background at start
//	SCHEDULED_WARMUP_ENABLED   true    boolean: run the schedule
//	WARMUP_SCHEDULE            0 3 * * *  cron expression of at most 256 bytes
//	WARMUP_TIMEZONE            local   IANA name of the zone in which the expression is read
//	WARMUP_INTERVAL_MINUTES    60      0 to 43200; 0 = no interval job
//	CONCURRENT_WARMUP_ENABLED  true    boolean: false = one task after the other
//	WARMUP_THREAD_COUNT        4       1 to 256 tasks at once
//	WARMUP_PRIORITY            none    names of the tasks that come first, with commas between them
//	WARMUP_TASK_TIMEOUT        30s     a duration such as 1m30s, or seconds; 1ms to 24h
//	WARMUP_TIMEOUT             60s     the same
//
// A boolean is true, false, 1 or 0, in upper or lower case. A name in WARMUP_PRIORITY that no task
// has is found at Start.
func ConfigFromEnv() (Config, error) {
	var env environment
	cfg := Config{
		Disabled:     !env.boolean("CACHE_WARMUP_ENABLED"),
		SkipStartup:  !env.boolean("AUTO_WARMUP_ON_STARTUP"),
		SkipSchedule: !env.boolean("SCHEDULED_WARMUP_ENABLED"),
		Schedule:     env.cron("WARMUP_SCHEDULE"),
		Location:     env.location("WARMUP_TIMEZONE"),
		Interval:     env.minutes("WARMUP_INTERVAL_MINUTES"),
		Sequential:   !env.boolean("CONCURRENT_WARMUP_ENABLED"),
		Concurrency:  env.count("WARMUP_THREAD_COUNT"),
		Priority:     env.list("WARMUP_PRIORITY"),
		TaskTimeout:  env.duration("WARMUP_TASK_TIMEOUT"),
		Timeout:      env.duration("WARMUP_TIMEOUT"),
	}
	if len(env.faults) > 0 {
		return Config{}, fmt.Errorf("warm: environment: %w", errors.Join(env.faults...))
	}
	return cfg, nil
}

// environment reads variables and remembers what was wrong with them. Each method returns the zero
// value, Config's "default", for a variable that isn't set; a boolean is true then, as all of ours
// are by default.
type environment struct{ faults []error }

const (
	longestCron     = 256
	mostThreads     = 256
	mostMinutes     = 30 * 24 * 60
	shortestTimeout = time.Millisecond
	longestTimeout  = 24 * time.Hour
)

func (env *environment) bad(name, value, format string, args ...any) {
	env.faults = append(env.faults, fmt.Errorf("%s=%s: %w", name, quote(value), fmt.Errorf(format, args...)))
}

func (env *environment) boolean(name string) bool {
	switch value := os.Getenv(name); strings.ToLower(value) {
	case "", "true", "1":
		return true
	case "false", "0":
	default:
		env.bad(name, value, "want true, false, 1 or 0")
	}
	return false
}

func (env *environment) integer(name string, least, most int) (n int, set bool) {
	value := os.Getenv(name)
	if value == "" {
		return 0, false
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		env.bad(name, value, "want an integer from %d to %d", least, most)
		return 0, false
	}
	return n, true
}

func (env *environment) count(name string) int {
	n, _ := env.integer(name, 1, mostThreads)
	return n
}

func (env *environment) minutes(name string) time.Duration {
	switch n, set := env.integer(name, 0, mostMinutes); {
	case !set:
		return 0
	case n == 0:
		return -1 // none
	default:
		return time.Duration(n) * time.Minute
	}
}

func (env *environment) duration(name string) time.Duration {
	value := os.Getenv(name)
	if value == "" {
		return 0
	}
	text := value
	if strings.Trim(text, "0123456789") == "" {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < shortestTimeout || d > longestTimeout {
		env.bad(name, value, "want a duration such as 30s or 1m30s, or seconds as an integer, from %s to %s", short(shortestTimeout), short(longestTimeout))
		return 0
	}
	return d
}

func (env *environment) cron(name string) string {
	value := os.Getenv(name)
	if value == "" {
		return ""
	}
	switch i := strings.IndexByte(value, '#'); {
	case len(value) > longestCron:
		env.bad(name, value, "want a cron expression of at most %d bytes, not %d", longestCron, len(value))
		return ""
	case i > 0 && (value[i-1] == ' ' || value[i-1] == '\t'):
		env.bad(name, value, "the comment %s is part of the value here: want the cron expression alone, such as %s",
			quote(value[i:]), quote(strings.TrimRight(value[:i], " \t")))
		return ""
	}
	parsed, err := parseCron(value)
	switch {
	case err != nil:
		env.bad(name, value, "want a cron expression such as %q: %w", defaultSchedule, err)
		return ""
	case parsed.Next(time.Now()).IsZero() && !strings.HasSuffix(parsed.String(), "@reboot"): // which is due at Start
		env.bad(name, value, "want a cron expression such as %q: its years are over, it never runs again", defaultSchedule)
		return ""
	}
	return value
}

func (env *environment) location(name string) *time.Location {
	value := os.Getenv(name)
	if value == "" || strings.EqualFold(value, "local") {
		return nil
	}
	loc, err := time.LoadLocation(value)
	if err != nil {
		env.bad(name, value, "want the IANA name of a time zone, such as Europe/Berlin or UTC, or local")
		return nil
	}
	return loc
}

func (env *environment) list(name string) []string {
	value := os.Getenv(name)
	if value == "" {
		return nil
	}
	names := slices.Collect(func(yield func(string) bool) {
		for part := range strings.SplitSeq(value, ",") {
			if !yield(strings.TrimSpace(part)) {
				return
			}
		}
	})
	if err := checkPriority(names); err != nil {
		env.bad(name, value, "want names of tasks with commas between them: %s", strings.ReplaceAll(err.Error(), "\n", "; ")) // a line a variable
		return nil
	}
	return names
}
