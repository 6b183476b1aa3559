package loaders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// Caches are the five caches of the service, each with its warmup loader registered. The package's
// own comment says what is in them. The caches are safe for concurrent use.
type Caches struct {
	Brands    *tiercache.Cache[string, BrandStats]
	Reports   *tiercache.Cache[string, ReportInfo]
	Questions *tiercache.Cache[string, QuestionStats]
	Users     *tiercache.Cache[string, UserStats]
	Responses *tiercache.Cache[string, APIResponse]
}

// valueVersion is of the meaning of the values: raise it with a change that old records in Redis
// must not survive.
const valueVersion = 1

// Open returns the five caches over db and redis; a nil redis means memory only. It checks cfg and
// looks into the database, which must have the schema of [Migrate]; all that is wrong is in one
// error, and then nothing stays open. It neither warms nor starts anything.
//
// Close the caches before redis and db; Open takes neither over.
func Open(ctx context.Context, db DB, redis *tiercache.Redis, cfg Config) (*Caches, error) {
	cfg, cfgErr := cfg.withDefaults()
	s, err := newSource(ctx, db)
	if err == nil {
		if cfg.Logger != nil {
			s.log = cfg.Logger
		}
		err = s.checkSchema(ctx)
	}
	if err := errors.Join(cfgErr, err); err != nil {
		return nil, fmt.Errorf("loaders: open: %w", err)
	}
	c, err := open(s, redis, cfg)
	if err != nil {
		return nil, fmt.Errorf("loaders: open: %w", errors.Join(err, c.Close()))
	}
	return c, nil
}

// open builds as many of the five caches as it can.
func open(s *source, redis *tiercache.Redis, cfg Config) (*Caches, error) {
	var (
		c    Caches
		errs [5]error
	)
	brands, reports, questions, users, responses := brands(s, cfg.BrandTTL), reports(s), questions(s), users(s), responses{s}
	c.Brands, errs[0] = build(redis, cfg, cache[BrandStats]{
		name: "brand_stats", ttl: cfg.BrandTTL, load: brands.load, loadMany: brands.loadMany,
		task: "popular_brands", priority: 5, items: cfg.Brands, warm: brands.warm(cfg.Brands),
	})
	c.Reports, errs[1] = build(redis, cfg, cache[ReportInfo]{
		name: "report_info", ttl: cfg.ReportTTL, load: reports.load, loadMany: reports.loadMany,
		task: "recent_reports", priority: 4, items: cfg.Reports, warm: reports.warm(cfg.Reports),
	})
	c.Questions, errs[2] = build(redis, cfg, cache[QuestionStats]{
		name: "question_stats", ttl: cfg.QuestionTTL, load: questions.load, loadMany: questions.loadMany,
		task: "popular_questions", priority: 3, items: cfg.Questions, warm: questions.warm(cfg.Questions),
	})
	c.Users, errs[3] = build(redis, cfg, cache[UserStats]{
		name: "user_stats", ttl: cfg.UserTTL, load: users.load, loadMany: users.loadMany,
		task: "user_stats", priority: 2, items: cfg.Users, warm: users.warm(cfg.Users),
	})
	c.Responses, errs[4] = build(redis, cfg, cache[APIResponse]{
		name: "api_response", ttl: cfg.ResponseTTL, load: responses.load, loadMany: responses.loadMany,
		task: "api_responses", priority: 1, items: 2, warm: responses.warm,
	})
	return &c, errors.Join(errs[:]...)
}

// cache is what one of the five caches has of its own.
type cache[V any] struct {
	name     string
	ttl      time.Duration
	load     func(context.Context, string) (V, error)
	loadMany func(context.Context, []string) (map[string]V, error)

	task     string
	priority int
	items    int
	warm     func(context.Context, func(string, V) error) error
}

func build[V any](redis *tiercache.Redis, cfg Config, own cache[V]) (*tiercache.Cache[string, V], error) {
	c, err := tiercache.New(tiercache.Config[string, V]{
		Name: own.name, Load: own.load, LoadMany: own.loadMany,
		TTL: own.ttl, NegativeTTL: cfg.NegativeTTL, StaleFor: cfg.StaleFor, SoftTimeout: cfg.SoftTimeout, Capacity: cfg.Capacity, LearnHot: cfg.LearnHot,
		Version: valueVersion, Redis: redis, Logger: cfg.Logger, Observer: cfg.Observer,
	})
	if err != nil {
		return nil, err
	}
	err = c.RegisterLoader(tiercache.Loader[string, V]{
		Name: own.task, Load: own.warm, TTL: own.ttl, Priority: own.priority, Required: true,
		MaxItems: max(own.items, 0), RefreshAt: cfg.RefreshAt,
	})
	return c, err
}

// Targets are the five caches for [warm.Engine.Add].
func (c *Caches) Targets() []warm.Target {
	return []warm.Target{c.Brands, c.Reports, c.Questions, c.Users, c.Responses}
}

// Close closes the five caches. It waits for their running loads as [tiercache.Cache.Close] does,
// for all five at once.
func (c *Caches) Close() error {
	var closers []func() error
	if c.Brands != nil {
		closers = append(closers, c.Brands.Close)
	}
	if c.Reports != nil {
		closers = append(closers, c.Reports.Close)
	}
	if c.Questions != nil {
		closers = append(closers, c.Questions.Close)
	}
	if c.Users != nil {
		closers = append(closers, c.Users.Close)
	}
	if c.Responses != nil {
		closers = append(closers, c.Responses.Close)
	}
	results := make(chan error, len(closers))
	for _, closeOne := range closers {
		go func() { results <- closeOne() }()
	}
	var errs []error
	for range closers {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}
