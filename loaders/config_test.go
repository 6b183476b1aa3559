package loaders_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

func TestOpen_defaults(t *testing.T) {
	t.Parallel()
	c := openCaches(t, seeded(t, sqliteFile(t), 10, 1), loaders.Config{})
	want := []tiercache.LoaderInfo{
		{Name: "popular_brands", TTL: time.Hour, Priority: 5, Required: true, MaxItems: 20, RefreshAt: 0.8},
		{Name: "recent_reports", TTL: 15 * time.Minute, Priority: 4, Required: true, MaxItems: 100, RefreshAt: 0.8},
		{Name: "popular_questions", TTL: time.Hour, Priority: 3, Required: true, MaxItems: 20, RefreshAt: 0.8},
		{Name: "user_stats", TTL: 30 * time.Minute, Priority: 2, Required: true, MaxItems: 50, RefreshAt: 0.8},
		{Name: "api_responses", TTL: 5 * time.Minute, Priority: 1, Required: true, MaxItems: 2, RefreshAt: 0.8},
	}
	var got []tiercache.LoaderInfo
	var caches []string
	for _, target := range c.Targets() {
		caches = append(caches, target.Name())
		got = append(got, target.Loaders()...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("loaders (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"brand_stats", "report_info", "question_stats", "user_stats", "api_response"}, caches); diff != "" {
		t.Errorf("caches (-want +got):\n%s", diff)
	}
}

// hears counts the loads of each cache.
type hears struct {
	mu    sync.Mutex
	loads map[string]int
}

func (h *hears) Observe(e tiercache.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Kind == tiercache.EventLoad {
		h.loads[e.Cache]++
	}
}

func TestOpen_observer(t *testing.T) {
	t.Parallel()
	h := &hears{loads: make(map[string]int)}
	c := openCaches(t, seeded(t, sqliteFile(t), 500, 1), loaders.Config{Observer: h})
	_, brandErr := c.Brands.Get(t.Context(), "Nike")
	_, reportErr := c.Reports.Get(t.Context(), "nobody's")
	_, questionErr := c.Questions.Get(t.Context(), "nobody's")
	_, userErr := c.Users.Get(t.Context(), "nobody's")
	_, responseErr := c.Responses.Get(t.Context(), loaders.ResponseMonitoring)
	if err := errors.Join(brandErr, responseErr); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{reportErr, questionErr, userErr} {
		if !errors.Is(err, tiercache.ErrNotFound) {
			t.Errorf("a key of nobody: %v, want ErrNotFound", err)
		}
	}
	want := map[string]int{"brand_stats": 1, "report_info": 1, "question_stats": 1, "user_stats": 1, "api_response": 1}
	redistest.Eventually(t, time.Minute, func() error { // an observer hears a little later
		h.mu.Lock()
		defer h.mu.Unlock()
		if diff := cmp.Diff(want, h.loads); diff != "" {
			return fmt.Errorf("loads that the observer heard of (-want +got):\n%s", diff)
		}
		return nil
	})
}

func TestWarmConfigFromEnv(t *testing.T) {
	for _, tt := range []struct {
		env  string
		want []string
	}{
		{"", []string{"popular_brands", "recent_reports", "popular_questions", "user_stats", "api_responses"}},
		{"user_stats", []string{"user_stats"}},
	} {
		t.Setenv("WARMUP_PRIORITY", tt.env)
		cfg, err := loaders.WarmConfigFromEnv()
		if diff := cmp.Diff(tt.want, cfg.Priority); err != nil || diff != "" {
			t.Errorf("WARMUP_PRIORITY=%q: %v, Priority (-want +got):\n%s", tt.env, err, diff)
		}
	}
	c := openCaches(t, seeded(t, sqliteFile(t), 1, 1), loaders.Config{LearnHot: 10})
	t.Setenv("WARMUP_PRIORITY", "")
	cfg, err := loaders.WarmConfigFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Sequential, cfg.SkipStartup = true, true
	e, err := warm.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Add(c.Targets()...); err != nil {
		t.Fatal(err)
	}
	r, err := e.Run(t.Context(), warm.Request{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, task := range r.Tasks[:5] {
		order = append(order, task.Name)
	}
	if diff := cmp.Diff([]string{"popular_brands", "recent_reports", "popular_questions", "user_stats", "api_responses"}, order); diff != "" {
		t.Errorf("the first tasks of a run (-want +got):\n%s", diff)
	}
}

// TestOpen_unknownIDs: an id that the database does not know is a query once, and not each time.
func TestOpen_unknownIDs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ttl  time.Duration
		want int64
	}{"by default": {0, 4}, "for a minute": {time.Minute, 4}, "not at all": {-1, 40}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := &counted{DB: seeded(t, sqliteFile(t), 100, 1)}
			c := openCaches(t, db, loaders.Config{NegativeTTL: tt.ttl})
			db.queries.Store(0)
			for range 10 {
				_, brand := c.Brands.Get(t.Context(), "nobody")
				_, report := c.Reports.Get(t.Context(), "nobody")
				_, question := c.Questions.Get(t.Context(), "nobody")
				_, user := c.Users.Get(t.Context(), "nobody")
				for _, err := range []error{brand, report, question, user} {
					if !errors.Is(err, tiercache.ErrNotFound) {
						t.Fatalf("Get of an unknown id: %v", err)
					}
				}
			}
			if n := db.queries.Load(); n != tt.want {
				t.Errorf("%d queries for 4 unknown ids, each read 10 times; want %d", n, tt.want)
			}
		})
	}
	if _, err := loaders.Open(t.Context(), seeded(t, sqliteFile(t), 1, 1), nil, loaders.Config{NegativeTTL: 2 * time.Hour}); err == nil || !strings.Contains(err.Error(), "NegativeTTL") {
		t.Errorf("Open with a NegativeTTL of two hours: %v", err)
	}
}

func TestOpen_none(t *testing.T) {
	t.Parallel()
	c := openCaches(t, seeded(t, sqliteFile(t), 500, 1), loaders.Config{
		Brands: -1, Users: -1, Questions: -1, Reports: -1, RefreshAt: -1, BrandTTL: 90*time.Second + time.Millisecond,
	})
	if got := warmAll(t, c).len(); got != 2 {
		t.Errorf("%d items warmed, want the 2 responses", got)
	}
	if at := c.Brands.Loaders()[0].RefreshAt; at != 0 {
		t.Errorf("RefreshAt -1 registered %v, want 0, never", at)
	}
	if nike, err := c.Brands.Get(t.Context(), "Nike"); err != nil || nike.TTL != 91 {
		t.Errorf("Get(Nike) = %+v, %v; want a ttl of 91 s", nike, err)
	}
}

func TestOpen_learnsHotKeys(t *testing.T) {
	t.Parallel()
	c := openCaches(t, seeded(t, sqliteFile(t), 500, 1), loaders.Config{LearnHot: 10})
	e, err := warm.New(warm.Config{SkipStartup: true, Disabled: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Add(c.Targets()...); err != nil {
		t.Fatal(err)
	}
	var learned []string
	for _, task := range e.Status().Warmup.Tasks {
		if name, ok := strings.CutPrefix(task.Name, "hot:"); ok {
			learned = append(learned, name)
		}
	}
	slices.Sort(learned)
	if want := []string{"api_response", "brand_stats", "question_stats", "report_info", "user_stats"}; !slices.Equal(learned, want) {
		t.Errorf("hot keys are learned of %v, want %v", learned, want)
	}
}

func TestOpen_everyFaultInOneError(t *testing.T) {
	t.Parallel()
	_, err := loaders.Open(t.Context(), nil, nil, loaders.Config{
		Brands: 100_001, Users: math.MaxInt, Questions: 200_000, Reports: 100_001,
		BrandTTL: -1, UserTTL: 721 * time.Hour, QuestionTTL: -time.Hour, ReportTTL: math.MaxInt64, ResponseTTL: math.MinInt64,
		StaleFor: -1, SoftTimeout: -2, Capacity: -7, LearnHot: -3, RefreshAt: math.NaN(),
	})
	if err == nil {
		t.Fatal("Open succeeded")
	}
	for _, part := range []string{
		"db is nil", "Brands 100001", "Users ", "Questions 200000", "Reports 100001", "BrandTTL -1ns", "UserTTL 721h", "QuestionTTL", "ReportTTL", "ResponseTTL",
		"StaleFor -1ns", "SoftTimeout -2ns", "Capacity -7", "LearnHot -3", "RefreshAt NaN",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("Open: %v\nwant it to say %q", err, part)
		}
	}
}

func TestOpen_nilPointers(t *testing.T) {
	t.Parallel()
	for _, db := range []loaders.DB{nil, (*sqlx.DB)(nil), (*sqlx.Conn)(nil), (*sqlx.Tx)(nil)} {
		_, openErr := loaders.Open(t.Context(), db, nil, loaders.Config{})
		for name, err := range map[string]error{
			"Open": openErr, "Migrate": loaders.Migrate(t.Context(), db), "SeedDemo": loaders.SeedDemo(t.Context(), db, 1, 1),
		} {
			if err == nil || !strings.Contains(err.Error(), "db is nil") {
				t.Errorf("%s of a nil %T: %v; want an error that says so", name, db, err)
			}
		}
	}
}

func TestConfigFromEnv(t *testing.T) {
	for name, value := range map[string]string{
		"WARMUP_POPULAR_BRANDS_COUNT": "7", "WARMUP_POPULAR_USERS_COUNT": "0", "WARMUP_POPULAR_QUESTIONS_COUNT": "100000", "WARMUP_RECENT_REPORTS_COUNT": "",
		"WARMUP_LEARN_HOT_COUNT": "500",
		"BRAND_STATS_TTL":        "7200", "USER_STATS_TTL": "1h30m", "REPORT_STATS_TTL": "1s", "QUESTION_STATS_TTL": "720h", "API_RESPONSE_TTL": "",
		"NEGATIVE_TTL": "45",
	} {
		t.Setenv(name, value)
	}
	got, err := loaders.ConfigFromEnv()
	want := loaders.Config{
		Brands: 7, Users: -1, Questions: 100_000, LearnHot: 500,
		BrandTTL: 2 * time.Hour, UserTTL: 90 * time.Minute, ReportTTL: time.Second, QuestionTTL: 30 * 24 * time.Hour, NegativeTTL: 45 * time.Second,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("ConfigFromEnv: %v (-want +got):\n%s", err, diff)
	}
}

func TestConfigFromEnv_everyFaultInOneError(t *testing.T) {
	bad := map[string]string{
		"WARMUP_POPULAR_BRANDS_COUNT": "-1", "WARMUP_POPULAR_USERS_COUNT": "100001", "WARMUP_POPULAR_QUESTIONS_COUNT": "twenty",
		"WARMUP_RECENT_REPORTS_COUNT": "99999999999999999999", "BRAND_STATS_TTL": "0", "USER_STATS_TTL": "1 h", "REPORT_STATS_TTL": "999ms",
		"QUESTION_STATS_TTL": "99999999999999999999", "API_RESPONSE_TTL": "2592001", "NEGATIVE_TTL": "2h",
	}
	for name, value := range bad {
		t.Setenv(name, value)
	}
	cfg, err := loaders.ConfigFromEnv()
	if err == nil {
		t.Fatalf("ConfigFromEnv = %+v; want an error", cfg)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(bad) {
		t.Errorf("%d lines for %d faults:\n%v", len(lines), len(bad), err)
	}
	for name, value := range bad {
		accepted := "from 1s to 720h"
		if name == "NEGATIVE_TTL" {
			accepted = "0, seconds as an integer"
		}
		if strings.HasSuffix(name, "_COUNT") {
			accepted = "from 0 to 100000"
		}
		if !strings.Contains(err.Error(), name+`="`+value+`": want `) || !strings.Contains(err.Error(), accepted) {
			t.Errorf("ConfigFromEnv: %v\nwant it to name %s, %q and %q", err, name, value, accepted)
		}
	}
	for _, value := range []string{" 5", "5 # five", "5\x1b[31m", "0x10", "1_000", "٣", "1e3", strings.Repeat("9", 10_000)} {
		t.Setenv("WARMUP_POPULAR_BRANDS_COUNT", value)
		_, err := loaders.ConfigFromEnv()
		if err == nil || !strings.Contains(err.Error(), "WARMUP_POPULAR_BRANDS_COUNT=") {
			t.Errorf("WARMUP_POPULAR_BRANDS_COUNT=%.20q: %v; want an error that names it", value, err)
			continue
		}
		if strings.ContainsRune(err.Error(), '\x1b') || len(err.Error()) > 2000 {
			t.Errorf("WARMUP_POPULAR_BRANDS_COUNT=%.20q: raw or long value in the error: %.100q", value, err)
		}
	}
}
