package loaders_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
)

// TestQueryPlans holds each warm query to its index: covering, in group order, and nothing sorted
// but the groups.
func TestQueryPlans(t *testing.T) {
	t.Parallel()
	db := seeded(t, sqliteFile(t), 1000, 1)
	groupsSorted := "USE TEMP B-TREE FOR ORDER BY"
	for query, want := range map[string][]string{
		"popular_brands":    {"SEARCH diagnosis_reports USING COVERING INDEX diagnosis_reports_brand (brand_name>?)", groupsSorted},
		"recent_reports":    {"SCAN diagnosis_reports USING COVERING INDEX diagnosis_reports_recent"},
		"popular_questions": {"CO-ROUTINE s", "SEARCH diagnosis_reports USING COVERING INDEX diagnosis_reports_question (question_id>?)", groupsSorted, "SCAN s", "SEARCH t USING PRIMARY KEY (question_id=?) LEFT-JOIN"},
		"active_users":      {"CO-ROUTINE s", "SEARCH diagnosis_reports USING COVERING INDEX diagnosis_reports_user (user_id>?)", groupsSorted, "SCAN s", "SEARCH t USING PRIMARY KEY (user_id=?) LEFT-JOIN"},
		"monitoring":        {"SCAN diagnosis_reports USING COVERING INDEX diagnosis_reports_brand"},
		"brand_distribution": {
			"CO-ROUTINE (subquery-2)", "SEARCH diagnosis_reports USING COVERING INDEX diagnosis_reports_brand (brand_name>?)", "SCAN (subquery-2)", groupsSorted,
		},
		"brands_by_name":  {"SEARCH diagnosis_reports USING COVERING INDEX diagnosis_reports_brand (brand_name=?)"},
		"reports_by_id":   {"SEARCH diagnosis_reports USING INDEX sqlite_autoindex_diagnosis_reports_1 (execution_id=?)"},
		"questions_by_id": {"CO-ROUTINE s", "SEARCH diagnosis_reports USING COVERING INDEX diagnosis_reports_question (question_id=?)", "SCAN s", "SEARCH t USING PRIMARY KEY (question_id=?) LEFT-JOIN"},
		"users_by_id":     {"CO-ROUTINE s", "SEARCH diagnosis_reports USING COVERING INDEX diagnosis_reports_user (user_id=?)", "SCAN s", "SEARCH t USING PRIMARY KEY (user_id=?) LEFT-JOIN"},
	} {
		text, err := os.ReadFile(filepath.Join("queries", query+".sql"))
		if err != nil {
			t.Fatal(err)
		}
		var args []any
		if strings.Contains(string(text), "?") {
			args = append(args, 20)
		}
		var steps []struct {
			ID     int    `db:"id"`
			Parent int    `db:"parent"`
			Unused int    `db:"notused"`
			Detail string `db:"detail"`
		}
		if err := db.SelectContext(t.Context(), &steps, "EXPLAIN QUERY PLAN "+string(text), args...); err != nil {
			t.Fatalf("explain %s: %v", query, err)
		}
		var got []string
		for _, step := range steps {
			got = append(got, step.Detail)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("plan of %s (-want +got):\n%s", query, diff)
		}
	}
}

func TestSQLite_readOnly(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "brands.db")
	writer := open(t, "sqlite", "file:"+file)
	reader := open(t, "sqlite", "file:"+file+"?mode=ro")
	exec(t, writer, "CREATE TABLE other (x)")
	err := loaders.Migrate(t.Context(), reader)
	if err == nil || !strings.Contains(err.Error(), "missing diagnosis_reports") || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("Migrate of a read-only database without the schema: %v; want it to name the table and the reason", err)
	}
	if err := loaders.SeedDemo(t.Context(), writer, 2000, 1); err != nil {
		t.Fatalf("SeedDemo: %v", err)
	}
	if err := loaders.Migrate(t.Context(), reader); err != nil {
		t.Errorf("Migrate of a read-only database with the schema: %v", err)
	}
	if got := warmAll(t, openCaches(t, reader, loaders.Config{})).len(); got != 192 {
		t.Errorf("%d items warmed from a read-only database, want 192", got)
	}
}

func TestSQLite_noDatabase(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.db")
	_, err := loaders.Open(t.Context(), open(t, "sqlite", "file:"+missing+"?mode=ro"), nil, loaders.Config{})
	if err == nil || !strings.Contains(err.Error(), "unable to open database file") {
		t.Errorf("Open of a missing file: %v", err)
	}
}

// TestSQLite_invalidText: a name that is not UTF-8 is the same value in both tiers.
func TestSQLite_invalidText(t *testing.T) {
	t.Parallel()
	db := migrated(t, sqliteFile(t))
	exec(t, db, insertReport, "1", "caf\xe9", nil, nil, "completed", 1, noon())
	c := openCaches(t, db, loaders.Config{})
	if got := emitted(t, c.Brands); !cmp.Equal(got, []string{"caf\xe9"}) {
		t.Errorf("popular_brands warmed %q", got)
	}
	if got, err := c.Brands.Get(t.Context(), "caf\xe9"); err != nil || got.BrandName != "caf\uFFFD" {
		t.Errorf("Get = %+v, %v; want the name as JSON writes it", got, err)
	}
}

func TestRedis_keysAndLifetimes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	db := seeded(t, sqliteFile(t), 1500, 11)
	caches := func() *loaders.Caches {
		shared, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{Timeout: 10 * time.Second}) // patient: the machine is busy with tests
		if err != nil {
			t.Fatalf("NewRedis: %v", err)
		}
		t.Cleanup(func() { closed(t, shared) })
		c, err := loaders.Open(t.Context(), db, shared, loaders.Config{})
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		t.Cleanup(func() { closed(t, c) })
		return c
	}
	warmed := warmAll(t, caches())
	client := server.Client()
	lifetimes := map[string]time.Duration{"api_response:monitoring": 5 * time.Minute, "api_response:brand_distribution": 5 * time.Minute}
	keysOf(lifetimes, "question_stats:", time.Hour, warmed.Questions)
	keysOf(lifetimes, "report_info:", 15*time.Minute, warmed.Reports)
	keysOf(lifetimes, "user_stats:", 30*time.Minute, warmed.Users)
	for name := range warmed.Brands {
		if !strings.ContainsAny(name, `\{}`) { // those are escaped
			lifetimes["brand_stats:"+name] = time.Hour
		}
	}
	for key, want := range lifetimes {
		if got := client.PTTL(t.Context(), key).Val(); got > want || got < want-time.Minute {
			t.Errorf("%s lives for %v in Redis, want %v", key, got, want)
		}
	}
	if n := client.DBSize(t.Context()).Val(); n != 192+5 {
		t.Errorf("%d keys in Redis, want 192 and a token for each cache", n)
	}
	second := caches()
	for name, want := range warmed.Brands {
		entry, err := second.Brands.GetEntry(t.Context(), name)
		if diff := cmp.Diff(want, entry.Value); err != nil || entry.Source != tiercache.FromRedis || diff != "" {
			t.Errorf("another process's Get(%q) from %v: %v (-warmed +got):\n%s", name, entry.Source, err, diff)
		}
	}
	for name, want := range warmed.Responses {
		entry, err := second.Responses.GetEntry(t.Context(), name)
		if diff := cmp.Diff(want, entry.Value); err != nil || entry.Source != tiercache.FromRedis || diff != "" {
			t.Errorf("another process's Get(%q) from %v: %v (-warmed +got):\n%s", name, entry.Source, err, diff)
		}
	}
	for id, want := range warmed.Reports {
		entry, err := second.Reports.GetEntry(t.Context(), id)
		if diff := cmp.Diff(want, entry.Value); err != nil || entry.Source != tiercache.FromRedis || diff != "" {
			t.Errorf("another process's Get(%q) from %v: %v (-warmed +got):\n%s", id, entry.Source, err, diff)
		}
	}
}

func keysOf[V any](into map[string]time.Duration, prefix string, life time.Duration, values map[string]V) {
	for key := range values {
		into[prefix+key] = life
	}
}

// BenchmarkMillion seeds a million reports, and warms the 192 items from them:
//
//	go test ./loaders -run '^$' -bench Million -benchtime 5x
func BenchmarkMillion(b *testing.B) {
	db := sqliteFile(b)
	started := time.Now()
	pool := seeded(b, db, 1_000_000, 1)
	seeding := time.Since(started)
	if seeding > time.Minute {
		b.Errorf("SeedDemo of a million reports took %v, more than a minute", seeding)
	}
	took := make(map[string]time.Duration)
	for b.Loop() {
		c := openCaches(b, pool, loaders.Config{})
		items := 0
		for _, target := range c.Targets() {
			for _, l := range target.Loaders() {
				result := target.WarmLoader(b.Context(), l.Name, tiercache.WarmOptions{})
				if result.Err != nil {
					b.Fatalf("%s: %v", l.Name, result.Err)
				}
				items += result.Memory
				took[l.Name] += result.Duration
			}
		}
		if items != 192 {
			b.Fatalf("%d items warmed, want 192", items)
		}
	}
	b.ReportMetric(seeding.Seconds(), "s/seed")
	for name, d := range took {
		b.ReportMetric(float64(d.Milliseconds())/float64(b.N), "ms/"+name)
	}
}
