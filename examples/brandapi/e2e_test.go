package main_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite"

	"github.com/warmcache/warmcache/internal/pgtest"
	"github.com/warmcache/warmcache/internal/redistest"
)

// known is what a filled database holds, read past the program.
type known struct {
	brands, reports, questions, users []string // what is warmed, best first
}

func readSQLite(t *testing.T, path string) known {
	t.Helper()
	db, err := sqlx.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // nothing was written
	column := func(query string) (values []string) {
		t.Helper()
		if err := db.Select(&values, query); err != nil {
			t.Fatal(err)
		}
		return values
	}
	top := func(name string, n int) []string {
		t.Helper()
		return column(fmt.Sprintf(`SELECT %[1]s FROM diagnosis_reports WHERE %[1]s IS NOT NULL
			GROUP BY %[1]s ORDER BY COUNT(*) DESC, %[1]s LIMIT %[2]d`, name, n))
	}
	return known{
		brands: top("brand_name", 20), questions: top("question_id", 20), users: top("user_id", 50),
		reports: column(`SELECT execution_id FROM diagnosis_reports WHERE status = 'completed' ORDER BY created_at DESC, execution_id LIMIT 100`),
	}
}

// keys are those of the 192 warmed items in Redis.
func (k known) keys() []string {
	keys := []string{"api_response:brand_distribution", "api_response:monitoring"}
	escape := strings.NewReplacer(`\`, `\5c`, `{`, `\7b`, `}`, `\7d`)
	for prefix, names := range map[string][]string{
		"brand_stats:": k.brands, "report_info:": k.reports, "question_stats:": k.questions, "user_stats:": k.users,
	} {
		for _, name := range names {
			keys = append(keys, prefix+escape.Replace(name))
		}
	}
	slices.Sort(keys)
	return keys
}

// endpoint is a path of the API, and what its answer must hold.
type endpoint struct {
	path  string
	names []string // of a field, from outside in
	value any
}

func (k known) endpoints() []endpoint {
	return []endpoint{
		{"/api/brands/" + url.PathEscape(k.brands[3]), []string{"brand_name"}, k.brands[3]},
		{"/api/reports/" + k.reports[0], []string{"execution_id"}, k.reports[0]},
		{"/api/questions/" + k.questions[0], []string{"question_id"}, k.questions[0]},
		{"/api/users/" + k.users[0], []string{"user_id"}, k.users[0]},
		{"/api/monitoring", []string{"data", "reports"}, 3000.0},
		{"/api/brand-distribution", []string{"name"}, "brand_distribution"},
	}
}

// ask reads every endpoint and checks what it says, and which tier answered.
func ask(s *service, k known, tier string) {
	s.t.Helper()
	for _, e := range k.endpoints() {
		a := s.get(e.path)
		if a.code != http.StatusOK || a.field(e.names...) != e.value {
			s.t.Errorf("GET %s: %d %s, want %v = %v", e.path, a.code, a.body, e.names, e.value)
		}
		if got := a.header.Get("X-Cache"); got != tier {
			s.t.Errorf("GET %s: X-Cache %q, want %q", e.path, got, tier)
		}
		if age, err := strconv.Atoi(a.header.Get("Age")); err != nil || age < 0 || age > 60 {
			s.t.Errorf("GET %s: Age %q, want whole seconds", e.path, a.header.Get("Age"))
		}
		if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
			s.t.Errorf("GET %s: Content-Type %q", e.path, got)
		}
	}
}

func TestEndToEnd(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	file := filepath.Join(t.TempDir(), "brands.db")
	variables := []string{"DATABASE_URL=" + file, "REDIS_URL=redis://" + redis.Addr() + "/0", "ADMIN_TOKEN=" + secret}
	s := serve(t, variables...)
	s.warmed()
	k := readSQLite(t, file)

	ask(s, k, "memory")
	checkEveryBrand(s, k)
	checkKeys(t, redis, k)
	checkErrors(s)
	for _, key := range []string{"brand_stats:Nike", "api_response:monitoring"} {
		most := map[string]time.Duration{"brand_stats:Nike": time.Hour, "api_response:monitoring": 5 * time.Minute}[key]
		ms, _ := redis.Do("PTTL", key).(int64)
		if ttl := time.Duration(ms) * time.Millisecond; ttl <= most-time.Minute || ttl > most {
			t.Errorf("%s lives for %v in Redis, want its TTL of %v", key, ttl, most)
		}
	}
	checkRun(s)
	for _, line := range []string{"warm: run started", "warm: task ended", "warm: run ended"} {
		if !strings.Contains(s.log.String(), line) {
			t.Errorf("the log lacks %q", line)
		}
	}

	s.kill()
	began := time.Now()
	s = serve(t, append(variables, "AUTO_WARMUP_ON_STARTUP=false")...)
	t.Logf("a later start listens after %v, race detector on", time.Since(began))
	ask(s, k, "redis")
	ask(s, k, "memory")
	if n := s.loads(); n != 0 {
		t.Errorf("%v loads after a restart beside a warm Redis, want none", n)
	}
	if strings.Contains(s.log.String(), "filling") {
		t.Error("a database was filled twice")
	}
	s.terminate()
}

// checkEveryBrand reads all warmed brands: names with blanks, slashes and letters of all kinds are
// among them.
func checkEveryBrand(s *service, k known) {
	s.t.Helper()
	for _, name := range k.brands {
		if a := s.get("/api/brands/" + url.PathEscape(name)); a.field("brand_name") != name {
			s.t.Errorf("brand %q: %d %s", name, a.code, a.body)
		}
	}
	if n := s.loads(); n != 0 {
		s.t.Errorf("%v loads for warmed brands, want none", n)
	}
}

func checkErrors(s *service) {
	s.t.Helper()
	for _, tt := range []struct {
		method, path string
		code         int
		message      string
	}{
		{"GET", "/api/brands/Nobody%20knows%20it", 404, `there is no brand \"Nobody knows it\"`},
		{"GET", "/api/reports/none", 404, "there is no report"},
		{"GET", "/api/questions/none", 404, "there is no question"},
		{"GET", "/api/users/none", 404, "there is no user"},
		{"GET", "/api/brands/" + strings.Repeat("x", 5000), 404, "there is no brand"},
		{"GET", "/api/brands/%00%0A", 404, "there is no brand"},
		{"GET", "/api/nothing", 404, "nothing at"},
		{"POST", "/api/brands/Nike", 405, "GET or HEAD"},
		{"DELETE", "/api/monitoring", 405, "GET or HEAD"},
		{"POST", "/api/cache/warmup/execute", 401, "token"},
	} {
		a := s.do(tt.method, tt.path, "")
		if text, _ := a.field("error").(string); a.code != tt.code || text == "" || !strings.Contains(a.body, tt.message) || len(a.body) > 400 {
			s.t.Errorf("%s %.60s: %d %s, want %d with %q", tt.method, tt.path, a.code, a.body, tt.code, tt.message)
		}
	}
}

// checkKeys compares the values in Redis with what ought to be warmed, name by name. Other keys, of
// leases and ledgers, are not its business.
func checkKeys(t *testing.T, redis *redistest.Server, k known) {
	t.Helper()
	all, _ := redis.Do("KEYS", "*").([]any)
	var got []string
	for _, key := range all {
		name, _ := key.(string)
		for _, prefix := range []string{"brand_stats:", "report_info:", "question_stats:", "user_stats:", "api_response:"} {
			if strings.HasPrefix(name, prefix) {
				got = append(got, name)
			}
		}
	}
	slices.Sort(got)
	want := k.keys()
	if diff := cmp.Diff(want, got); diff != "" || len(want) != 192 {
		t.Errorf("keys in Redis (-want +got), want 192:\n%s", diff)
	}
}

// checkRun triggers a run over HTTP and reads what is told of it.
func checkRun(s *service) {
	s.t.Helper()
	a := s.do("POST", "/api/cache/warmup/execute", `{"wait":"30s"}`, "Authorization", "Bearer "+secret)
	if a.code != http.StatusOK || a.field("metrics", "cached_items") != 192.0 || a.field("metrics", "success_rate") != 100.0 ||
		!strings.Contains(a.body, `"success_rate":100.0`) {
		s.t.Errorf("execute: %d %s, want 192 items and success 100.0", a.code, a.body)
	}
	status := s.get("/api/cache/warmup/status")
	want := map[string]any{"total_tasks": 5.0, "completed_tasks": 5.0, "cached_items": 192.0, "success_rate": 100.0}
	got, _ := status.field("warmup", "last_metrics").(map[string]any)
	for name, value := range want {
		if got[name] != value {
			s.t.Errorf("status: last_metrics.%s is %v, want %v", name, got[name], value)
		}
	}
	tasks := []any{"popular_brands", "recent_reports", "popular_questions", "user_stats", "api_responses"}
	if diff := cmp.Diff(tasks, status.field("warmup", "registered_tasks")); diff != "" {
		s.t.Errorf("registered_tasks (-want +got):\n%s", diff)
	}
	jobs, _ := status.field("scheduler", "tasks").([]any)
	var names []string
	for _, job := range jobs {
		fields, _ := job.(map[string]any)
		names = append(names, fmt.Sprint(fields["name"], " ", fields["type"]))
	}
	if diff := cmp.Diff([]string{"daily_cache_warmup cron", "interval_cache_warmup interval"}, names); diff != "" ||
		!status.yes("scheduler", "running") {
		s.t.Errorf("scheduler %s, jobs (-want +got):\n%s", status.body, diff)
	}
	if ready := s.get("/readyz"); ready.code != http.StatusOK {
		s.t.Errorf("readyz: %d %s", ready.code, ready.body)
	}
	if page := s.get("/"); page.code != http.StatusOK || !strings.Contains(page.header.Get("Content-Type"), "text/html") {
		s.t.Errorf("the page: %d %s", page.code, page.header.Get("Content-Type"))
	}
}

func TestEmbeddedRedis(t *testing.T) {
	t.Parallel()
	p := launch(t) // all defaults: brandapi.db in the working folder
	s := listen(p)
	s.warmed()
	ask(s, readSQLite(t, filepath.Join(p.cmd.Dir, "brandapi.db")), "memory")
	if !strings.Contains(s.log.String(), "embedded Redis (miniredis)") {
		t.Error("the log does not say that Redis is an embedded one")
	}
	a := s.do("POST", "/api/cache/warmup/execute", `{"wait":"30s"}`)
	if a.field("metrics", "cached_items") != 192.0 {
		t.Errorf("execute without ADMIN_TOKEN on a loopback address: %d %s", a.code, a.body)
	}
	s.terminate()
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	redis := redistest.Start(t)
	dsn := server.Database()
	db, err := sqlx.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) //nolint:errcheck // nothing is left to lose
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	words := fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=disable", cfg.Host, cfg.Port, cfg.User, secret, cfg.Database)
	s := serve(t, "DATABASE_URL="+words, "REDIS_URL=redis://"+redis.Addr()+"/0")
	s.warmed()
	for path, tier := range map[string]string{"/api/brands/Nike": "memory", "/api/monitoring": "memory", "/api/users/none": ""} {
		if a := s.get(path); a.header.Get("X-Cache") != tier {
			t.Errorf("GET %s: %d, X-Cache %q, want %q", path, a.code, a.header.Get("X-Cache"), tier)
		}
	}
	if a := s.do("POST", "/api/cache/warmup/execute", `{"wait":"30s"}`); a.field("metrics", "cached_items") != 192.0 {
		t.Errorf("execute: %d %s", a.code, a.body)
	}
	checkStopWhileAllHangs(s, db, redis)
}
