package warmcache_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"reflect"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/schedule"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
	"github.com/warmcache/warmcache/warm/admin"
)

// What follows is the part of the public API that programs elsewhere compile
// against: a name, a field or a signature that goes or changes breaks this
// file. Struct literals name every promised field; fields may be added.

type (
	cacheOf  = tiercache.Cache[string, int]
	configOf = tiercache.Config[string, int]
	loaderOf = tiercache.Loader[string, int]
	entryOf  = tiercache.Entry[int]
)

// Package tiercache.
var (
	_ func(configOf) (*cacheOf, error)                                             = tiercache.New[string, int]
	_ func(redis.UniversalClient, tiercache.RedisConfig) (*tiercache.Redis, error) = tiercache.NewRedis
	_ func(time.Duration) tiercache.SetOption                                      = tiercache.TTL
	_ func(...string) tiercache.SetOption                                          = tiercache.Tags

	_ func(*tiercache.Redis) error                                                                      = (*tiercache.Redis).Close
	_ func(*tiercache.Redis, context.Context, func(context.Context, redis.UniversalClient) error) error = (*tiercache.Redis).Do
	_ func(*tiercache.Redis) tiercache.Health                                                           = (*tiercache.Redis).Health

	_ func(*cacheOf, context.Context, string) (int, error)                                     = (*cacheOf).Get
	_ func(*cacheOf, context.Context, string, func(context.Context) (int, error)) (int, error) = (*cacheOf).GetOrLoad
	_ func(*cacheOf, context.Context, string) (entryOf, error)                                 = (*cacheOf).GetEntry
	_ func(*cacheOf, context.Context, []string) (map[string]int, error)                        = (*cacheOf).GetMany
	_ func(*cacheOf, string) (entryOf, bool)                                                   = (*cacheOf).Peek
	_ func(*cacheOf, context.Context, string, int, ...tiercache.SetOption) error               = (*cacheOf).Set
	_ func(*cacheOf, context.Context, map[string]int, ...tiercache.SetOption) error            = (*cacheOf).SetMany
	_ func(*cacheOf, context.Context, string) (int, error)                                     = (*cacheOf).Refresh
	_ func(*cacheOf, context.Context, ...string) error                                         = (*cacheOf).Delete
	_ func(*cacheOf, context.Context, ...string) error                                         = (*cacheOf).Expire
	_ func(*cacheOf, context.Context, ...string) error                                         = (*cacheOf).InvalidateTags
	_ func(*cacheOf, context.Context) error                                                    = (*cacheOf).Clear
	_ func(*cacheOf) tiercache.Stats                                                           = (*cacheOf).Stats
	_ func(*cacheOf) error                                                                     = (*cacheOf).Close
	_ func(*cacheOf, loaderOf) error                                                           = (*cacheOf).RegisterLoader
	_ func(*cacheOf) []tiercache.LoaderInfo                                                    = (*cacheOf).Loaders
	_ func(*cacheOf, context.Context, ...string) ([]tiercache.WarmResult, error)               = (*cacheOf).Warm

	_ = configOf{
		Name:        "",
		Load:        func(context.Context, string) (int, error) { return 0, nil },
		LoadMany:    func(context.Context, []string) (map[string]int, error) { return nil, nil },
		Reload:      func(context.Context, string, int) (int, error) { return 0, nil },
		TTL:         time.Second,
		MemoryTTL:   time.Second,
		DegradedTTL: time.Second,
		StaleFor:    time.Second,
		NegativeTTL: time.Second,
		Jitter:      float64(0),
		RefreshAt:   float64(0),
		SoftTimeout: time.Second,
		LoadTimeout: time.Second,
		Expiry:      func(string, int) time.Duration { return 0 },
		Tags:        func(string, int) []string { return nil },
		Capacity:    int64(0),
		Cost:        func(string, int) int64 { return 0 },
		Clone:       func(v int) int { return v },
		Version:     uint32(0),
		LearnHot:    int(0),
		Redis:       (*tiercache.Redis)(nil),
		Codec:       tiercache.Codec[int](nil),
		Keys:        tiercache.KeyCodec[string](nil),
		Logger:      (*slog.Logger)(nil),
		Observer:    tiercache.Observer(nil),
	}
	_ = tiercache.RedisConfig{
		Prefix:         "",
		Timeout:        time.Second,
		MaxValueBytes:  int(0),
		LeaseLife:      time.Second,
		HoldLife:       time.Second,
		TrustSnapshots: false,
		Logger:         (*slog.Logger)(nil),
	}
	_ = loaderOf{
		Name:      "",
		Load:      func(context.Context, func(string, int) error) error { return nil },
		TTL:       time.Second,
		Priority:  int(0),
		After:     []string{},
		Required:  false,
		Timeout:   time.Second,
		MaxItems:  int(0),
		RefreshAt: float64(0),
	}
	_ = tiercache.WarmResult{
		Loader: "", Emitted: int(0), Memory: int(0), Redis: int(0), SkippedFresh: int(0), SkippedRoom: int(0),
		Refused: int(0), Failed: int(0), Duration: time.Second, Err: error(nil),
	}
	_ = entryOf{Value: int(0), Source: tiercache.FromMemory, Stale: false, Age: time.Second}
	_ = tiercache.Stats{
		MemoryHits: uint64(0), RedisHits: uint64(0), StaleHits: uint64(0), NegativeHits: uint64(0), Misses: uint64(0),
		Loads: uint64(0), LoadErrors: uint64(0), Joined: uint64(0), Evictions: uint64(0), Corrupt: uint64(0),
	}
	_       = tiercache.PanicError{Value: any(nil), Stack: []byte(nil)}
	_ error = (*tiercache.PanicError)(nil)
)

// Package schedule.
var (
	_ func(string, ...schedule.Option) (*schedule.Cron, error) = schedule.Parse
	_ func(*schedule.Cron, time.Time) time.Time                = (*schedule.Cron).Next
	_ func(*schedule.Cron, time.Time) time.Time                = (*schedule.Cron).Prev
	_ func(*schedule.Cron, time.Time) iter.Seq[time.Time]      = (*schedule.Cron).All
	_ func(*schedule.Cron) bool                                = (*schedule.Cron).Never
	_ func(*schedule.Cron) string                              = (*schedule.Cron).String
	_ func(time.Duration) (schedule.Interval, error)           = schedule.Every
	_ func(schedule.Config) *schedule.Scheduler                = schedule.New
	_ func(*schedule.Scheduler, schedule.Job) error            = (*schedule.Scheduler).Add
	_ func(*schedule.Scheduler, string) bool                   = (*schedule.Scheduler).Remove
	_ func(*schedule.Scheduler, string) error                  = (*schedule.Scheduler).Trigger
	_ func(*schedule.Scheduler, string) error                  = (*schedule.Scheduler).Pause
	_ func(*schedule.Scheduler, string) error                  = (*schedule.Scheduler).Resume
	_ func(*schedule.Scheduler) []schedule.JobStatus           = (*schedule.Scheduler).Jobs
	_ func(*schedule.Scheduler, context.Context) error         = (*schedule.Scheduler).Start
	_ func(*schedule.Scheduler, context.Context) error         = (*schedule.Scheduler).Stop
	_ schedule.Schedule                                        = (*schedule.Cron)(nil)
	_ schedule.Schedule                                        = schedule.Interval{}
	_ interface {
		Next(after time.Time) time.Time
	} = schedule.Schedule(nil)
	_ = schedule.Job{
		Name:     "",
		Schedule: schedule.Interval{},
		Run:      func(context.Context) error { return nil },
		Overlap:  schedule.OverlapSkip,
		Missed:   schedule.MissedOnce,
		Timeout:  time.Second,
		Jitter:   time.Second,
	}
	_ error = schedule.ErrNeverRuns
)

// Packages warm and warm/admin.
var (
	_ func(warm.Config) (*warm.Engine, error)                                                = warm.New
	_ func() (warm.Config, error)                                                            = warm.ConfigFromEnv
	_ func(*warm.Engine, ...warm.Target) error                                               = (*warm.Engine).Add
	_ func(*warm.Engine, string, func(context.Context) (int, error), warm.TaskOptions) error = (*warm.Engine).AddFunc
	_ func(*warm.Engine, context.Context) error                                              = (*warm.Engine).Start
	_ func(*warm.Engine) <-chan struct{}                                                     = (*warm.Engine).Ready
	_ func(*warm.Engine, context.Context, warm.Request) (warm.Run, error)                    = (*warm.Engine).Run
	_ func(*warm.Engine) warm.Status                                                         = (*warm.Engine).Status
	_ func(*warm.Engine) []warm.Run                                                          = (*warm.Engine).History
	_ func(*warm.Engine, context.Context) iter.Seq[warm.Event]                               = (*warm.Engine).Watch
	_ func(*warm.Engine) []warm.Finding                                                      = (*warm.Engine).Lint
	_ func(*warm.Engine, context.Context) error                                              = (*warm.Engine).Stop
	_ func(warm.Run) int                                                                     = warm.Run.Items
	_ func(warm.Run) float64                                                                 = warm.Run.SuccessRate
	_ func(warm.Run) error                                                                   = warm.Run.Err

	_ warm.Target = (*cacheOf)(nil)

	_ = warm.Config{
		Redis:        (*tiercache.Redis)(nil),
		Concurrency:  int(0),
		Sequential:   false,
		Schedule:     "",
		Interval:     time.Second,
		Location:     (*time.Location)(nil),
		Priority:     []string{},
		TaskTimeout:  time.Second,
		Grace:        time.Second,
		LockLife:     time.Second,
		Timeout:      time.Second,
		ReadyTimeout: time.Second,
		Disabled:     false,
		SkipStartup:  false,
		SkipSchedule: false,
		Logger:       (*slog.Logger)(nil),
	}
	_ = warm.Request{Tasks: []string{}, Sequential: false, DryRun: false, Trigger: warm.Trigger("")}
	_ = warm.Run{ID: "", Trigger: warm.Trigger(""), Started: time.Time{}, Ended: time.Time{}, Tasks: []warm.TaskRun{}}
	_ = warm.TaskRun{
		Name: "", Status: warm.TaskStatus(""), Role: warm.Role(""), Attempts: int(0), Items: int(0),
		Result: tiercache.WarmResult{}, Err: error(nil),
	}
	_ = warm.TaskOptions{Priority: int(0), After: []string{}, Required: false, Timeout: time.Second}

	_ func(*warm.Engine, admin.Config) (http.Handler, error) = admin.Handler
	_                                                        = admin.Config{
		Authorize:   func(*http.Request) error { return nil },
		Unprotected: false,
		Logger:      (*slog.Logger)(nil),
	}
)

// Package loaders.
var (
	_ func(context.Context, loaders.DB, *tiercache.Redis, loaders.Config) (*loaders.Caches, error) = loaders.Open
	_ func() (loaders.Config, error)                                                               = loaders.ConfigFromEnv
	_ func(*loaders.Caches) []warm.Target                                                          = (*loaders.Caches).Targets
	_ func(*loaders.Caches) error                                                                  = (*loaders.Caches).Close
	_ func(context.Context, loaders.DB) error                                                      = loaders.Migrate
	_ func(context.Context, loaders.DB, int, uint64, ...func(int)) error                           = loaders.SeedDemo

	_ loaders.DB = (*sqlx.DB)(nil)
	_ loaders.DB = (*sqlx.Tx)(nil)
	_ loaders.DB = (*sqlx.Conn)(nil)

	_ = loaders.Config{
		Brands: int(0), Users: int(0), Questions: int(0), Reports: int(0),
		BrandTTL: time.Second, UserTTL: time.Second, QuestionTTL: time.Second, ReportTTL: time.Second, ResponseTTL: time.Second,
		StaleFor:  time.Second,
		Capacity:  int64(0),
		RefreshAt: float64(0),
		Logger:    (*slog.Logger)(nil),
	}
	_ = loaders.Caches{
		Brands:    (*tiercache.Cache[string, loaders.BrandStats])(nil),
		Reports:   (*tiercache.Cache[string, loaders.ReportInfo])(nil),
		Questions: (*tiercache.Cache[string, loaders.QuestionStats])(nil),
		Users:     (*tiercache.Cache[string, loaders.UserStats])(nil),
		Responses: (*tiercache.Cache[string, loaders.APIResponse])(nil),
	}
)

func TestAPI(t *testing.T) {
	t.Parallel()
	t.Run("the words that programs compare", func(t *testing.T) {
		t.Parallel()
		got := []string{
			tiercache.FromMemory.String(), tiercache.FromRedis.String(), tiercache.FromSource.String(),
			string(tiercache.BreakerClosed), string(tiercache.BreakerOpen), string(tiercache.BreakerHalfOpen),
			string(warm.TriggerStartup), string(warm.TriggerSchedule), string(warm.TriggerManual), string(warm.TriggerHTTP), string(warm.TriggerRefresh),
			string(warm.TaskOK), string(warm.TaskPartial), string(warm.TaskFailed), string(warm.TaskSkipped), string(warm.TaskCancelled), string(warm.TaskAbandoned),
			string(warm.RoleLeader), string(warm.RoleFollower), string(warm.RoleLocal),
		}
		want := []string{
			"memory", "redis", "source",
			"closed", "open", "half-open",
			"startup", "schedule", "manual", "http", "refresh",
			"ok", "partial", "failed", "skipped", "cancelled", "abandoned",
			"leader", "follower", "local",
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	t.Run("errors are told apart", func(t *testing.T) {
		t.Parallel()
		all := []error{tiercache.ErrNotFound, tiercache.ErrNotModified, tiercache.ErrDegraded, tiercache.ErrClosed}
		want := []string{"tiercache: not found", "tiercache: not modified", "tiercache: degraded", "tiercache: closed"}
		for i, err := range all {
			if err.Error() != want[i] {
				t.Errorf("error %d: got %q, want %q", i, err, want[i])
			}
			for j, other := range all {
				if errors.Is(err, other) != (i == j) {
					t.Errorf("errors.Is(%q, %q) = %t", err, other, i != j)
				}
			}
		}
	})
	t.Run("options of a call are values", func(t *testing.T) {
		t.Parallel()
		option := reflect.TypeFor[tiercache.SetOption]()
		if option.Kind() != reflect.Struct {
			t.Fatalf("SetOption is a %s, want a struct", option.Kind())
		}
		for field := range option.Fields() {
			if field.IsExported() {
				t.Errorf("SetOption.%s is exported, want an opaque struct", field.Name)
			}
		}
	})
	t.Run("health says", func(t *testing.T) {
		t.Parallel()
		health := reflect.TypeFor[tiercache.Health]()
		for _, name := range []string{"Breaker", "Coherent", "Pending", "Epoch"} {
			if _, ok := health.FieldByName(name); !ok {
				t.Errorf("Health has no %s", name)
			}
		}
	})
}
