package warm

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/warmcache/warmcache/internal/usercode"
	"github.com/warmcache/warmcache/schedule"
	"github.com/warmcache/warmcache/tiercache"
)

// Config describes an engine. The zero value is usable: every zero field has the default that it
// names. It is checked once, in [New], which reports every bad field in one error.
type Config struct {
	// Redis is the Redis of the fleet that the engine belongs to; nil = this process alone. All
	// engines on it with one prefix run each task once for all: one of them leads, the others fill
	// their memory from Redis with what it has left there. A loader takes part if its cache has a
	// Redis.
	Redis *tiercache.Redis

	// Concurrency is how many tasks run at once; default 4.
	Concurrency int
	// Sequential runs one task after the other, exactly in their order, whatever Concurrency says.
	Sequential bool

	// Schedule is the cron expression of the job daily_cache_warmup; default "0 3 * * *". An
	// expression that never fires is an error.
	Schedule string
	// Interval is the time between two runs of the job interval_cache_warmup; default 60 minutes,
	// negative = no such job.
	Interval time.Duration
	// Location is where the cron expression is read, unless it names a zone itself; default
	// time.Local.
	Location *time.Location

	// Priority names the tasks that come first, in this order; all others follow by their own
	// priority. A name that no task has is an error at Start and Run. The default is no list.
	Priority []string

	// TaskTimeout bounds one task, its retries included, unless the task has a timeout of its own;
	// default 30 s.
	TaskTimeout time.Duration
	// Grace is the time that a task has to return after its context is over, until it is abandoned;
	// default 5 s. See [TaskAbandoned].
	Grace time.Duration
	// LockLife is the life of the lock on a task, which its leader renews at a third of it; default
	// 10 s. A leader that dies, or stands still, is followed after this time by another, so it is
	// longer than a process may well stand still.
	LockLife time.Duration
	// StartupAge is how long ago the fleet's last pass over a task's source may have begun for a
	// node that starts to be content with it; default, for each loader, its RefreshAt or else 0.8
	// of its TTL, and 48 minutes for a function.
	StartupAge time.Duration
	// Timeout bounds one run; default 60 s.
	Timeout time.Duration
	// ReadyTimeout is how long Ready waits for the required tasks, from Start on; default 30 s.
	ReadyTimeout time.Duration

	// Retries is how often a task that failed is tried again within its timeout; default 2,
	// negative = never. All tasks of a run share a budget of as many retries as the run has tasks,
	// three at least, so that a dead source isn't hammered. Waits between tries double from 100 ms
	// to 5 s, of which a random share is taken. Not tried again are: a context's end, a panic,
	// [tiercache.ErrNotFound], [tiercache.ErrClosed], [tiercache.ErrDegraded], and an error with a
	// method Permanent() bool that says true.
	Retries int

	// ItemsPerSecond bounds the entries that all loaders of this engine may emit; zero = no bound.
	ItemsPerSecond float64
	// SourceCallsPerSecond bounds the calls of loaders and functions, and of [SourceCall] in them;
	// zero = no bound.
	SourceCallsPerSecond float64

	// Disabled is the master switch: nothing runs, not even by hand.
	Disabled bool
	// SkipStartup leaves out the run at Start.
	SkipStartup bool
	// SkipSchedule leaves out the cron job and the interval job. A loader's own RefreshAt is no
	// part of the schedule and goes on.
	SkipSchedule bool

	// Logger hears of runs and of their tasks; default slog.Default().
	Logger *slog.Logger
}

const (
	defaultConcurrency  = 4
	defaultSchedule     = "0 3 * * *"
	defaultInterval     = 60 * time.Minute
	defaultTaskTimeout  = 30 * time.Second
	defaultGrace        = 5 * time.Second
	defaultLockLife     = 10 * time.Second
	defaultTimeout      = 60 * time.Second
	defaultReadyTimeout = 30 * time.Second
	defaultRetries      = 2
)

// settings is a checked Config with its defaults filled in and its schedule read.
type settings struct {
	Config
	cron     *schedule.Cron
	interval schedule.Interval // of the zero length where there is none
}

// withDefaults returns cfg as settings, or one error that names every bad field.
func (cfg Config) withDefaults() (settings, error) {
	s := settings{Config: cfg}
	s.Priority = slices.Clone(cfg.Priority)
	defaultTo(&s.Concurrency, defaultConcurrency)
	defaultTo(&s.Schedule, defaultSchedule)
	defaultTo(&s.Interval, defaultInterval)
	defaultTo(&s.Location, time.Local)
	defaultTo(&s.TaskTimeout, defaultTaskTimeout)
	defaultTo(&s.Grace, defaultGrace)
	defaultTo(&s.LockLife, defaultLockLife)
	defaultTo(&s.Timeout, defaultTimeout)
	defaultTo(&s.ReadyTimeout, defaultReadyTimeout)
	defaultTo(&s.Retries, defaultRetries)
	s.Logger = usercode.Logger(s.Logger)
	if err := s.check(); err != nil {
		return s, fmt.Errorf("warm: config: %w", err)
	}
	return s, nil
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (s *settings) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Concurrency < 0 {
		bad("Concurrency %d is negative", s.Concurrency)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"TaskTimeout", s.TaskTimeout},
		{"Grace", s.Grace},
		{"LockLife", s.LockLife},
		{"Timeout", s.Timeout},
		{"ReadyTimeout", s.ReadyTimeout},
		{"StartupAge", s.StartupAge},
	} {
		if d.value < 0 {
			bad("%s %v is negative", d.field, d.value)
		}
	}
	for field, perSecond := range map[string]float64{"ItemsPerSecond": s.ItemsPerSecond, "SourceCallsPerSecond": s.SourceCallsPerSecond} {
		if !(perSecond >= 0) || math.IsInf(perSecond, 1) {
			bad("%s %v must be a finite number of at least 0", field, perSecond)
		}
	}
	var err error
	if s.cron, err = parseCron(s.Schedule); err != nil {
		bad("Schedule: %w", err)
	}
	if s.Interval > 0 {
		if s.interval, err = schedule.Every(s.Interval); err != nil {
			bad("Interval: %w", err)
		}
	}
	if err := checkPriority(s.Priority); err != nil {
		bad("Priority: %w", err)
	}
	return errors.Join(errs...)
}

// parseCron reads an expression and refuses one that never fires.
func parseCron(expr string) (*schedule.Cron, error) {
	cron, err := schedule.Parse(expr)
	if err != nil {
		return nil, err
	}
	if cron.Never() {
		return nil, fmt.Errorf("%q: %w", expr, schedule.ErrNeverRuns)
	}
	return cron, nil
}

// checkPriority judges what can be judged of a list before tasks are known.
func checkPriority(names []string) error {
	var errs []error
	for i, name := range names {
		switch {
		case !validName(name):
			errs = append(errs, fmt.Errorf("%q is no name of a task: want one or more of A-Z a-z 0-9 _ . : -", name))
		case slices.Contains(names[:i], name):
			errs = append(errs, fmt.Errorf("%q stands in the list twice", name))
		}
	}
	return errors.Join(errs...)
}

// validName is the rule of tiercache.Loader.Name, so that a task's name is safe in logs, labels and
// Redis keys.
func validName(name string) bool {
	return name != "" && len(name) <= 128 && !strings.ContainsFunc(name, func(r rune) bool {
		letter := r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		return !letter && (r < '0' || r > '9') && !strings.ContainsRune("_.:-", r)
	})
}
