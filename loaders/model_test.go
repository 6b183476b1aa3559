package loaders_test

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/internal/pgtest"
	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
)

// contents is what the five caches hold for a set of keys.
type contents struct {
	Brands    map[string]loaders.BrandStats
	Reports   map[string]loaders.ReportInfo
	Questions map[string]loaders.QuestionStats
	Users     map[string]loaders.UserStats
	Responses map[string]loaders.APIResponse
}

func (c contents) len() int {
	return len(c.Brands) + len(c.Reports) + len(c.Questions) + len(c.Users) + len(c.Responses)
}

// warmAll runs the five loaders and returns what stands in memory afterwards.
func warmAll(t *testing.T, c *loaders.Caches) contents {
	t.Helper()
	return contents{
		Brands: warmOne(t, c.Brands), Reports: warmOne(t, c.Reports), Questions: warmOne(t, c.Questions), Users: warmOne(t, c.Users),
		Responses: warmOne(t, c.Responses),
	}
}

func warmOne[V any](t *testing.T, c *tiercache.Cache[string, V]) map[string]V {
	t.Helper()
	values := make(map[string]V)
	for _, l := range c.Loaders() {
		result := c.WarmLoader(t.Context(), l.Name, tiercache.WarmOptions{Stored: func(key string) {
			values[key] = *new(V)
		}})
		if result.Err != nil || result.Memory != result.Emitted {
			t.Fatalf("%s: %+v; want all that was emitted in memory", l.Name, result)
		}
	}
	for key := range values {
		entry, ok := c.Peek(key)
		if !ok {
			t.Errorf("%s: key %q is not in memory after its loader ran", c.Name(), key)
		}
		values[key] = entry.Value
	}
	return values
}

type modelRow struct {
	ID       string    `db:"execution_id"`
	Brand    *string   `db:"brand_name"`
	User     *string   `db:"user_id"`
	Question *string   `db:"question_id"`
	Status   string    `db:"status"`
	Score    *int64    `db:"score"`
	At       time.Time `db:"created_at"`
}

// group is what a naive loop over the rows knows of a brand, a question or a user.
type group struct {
	key                                       string
	reports, completed, failed, scored, score int64
	last                                      time.Time
}

func (g group) stats() loaders.ReportStats {
	s := loaders.ReportStats{Completed: g.completed, Failed: g.failed, Scored: g.scored, LastReportAt: g.last}
	if g.scored > 0 {
		s.AverageScore = math.Round(float64(g.score)/float64(g.scored)*100) / 100
	}
	return s
}

func groups(rows []modelRow, key func(modelRow) *string) []group {
	byKey := make(map[string]*group)
	for _, r := range rows {
		k := key(r)
		if k == nil {
			continue
		}
		g := byKey[*k]
		if g == nil {
			g = &group{key: *k}
			byKey[*k] = g
		}
		g.reports++
		if r.Status == "completed" {
			g.completed++
		}
		if r.Status == "failed" {
			g.failed++
		}
		if r.Score != nil {
			g.scored++
			g.score += *r.Score
		}
		if r.At.After(g.last) {
			g.last = r.At
		}
	}
	var all []group
	for _, g := range byKey {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(a, b group) int { return cmp.Or(cmp.Compare(b.reports, a.reports), cmp.Compare(a.key, b.key)) })
	return all
}

func names(t *testing.T, db *sqlx.DB, query string) map[string]string {
	t.Helper()
	var rows []struct {
		ID   string `db:"id"`
		Name string `db:"name"`
	}
	if err := db.SelectContext(t.Context(), &rows, query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	all := make(map[string]string)
	for _, r := range rows {
		all[r.ID] = r.Name
	}
	return all
}

// model computes in Go, from all rows, what the default loaders are to cache.
func model(t *testing.T, db *sqlx.DB) contents {
	t.Helper()
	var rows []modelRow
	if err := db.SelectContext(t.Context(), &rows, `SELECT execution_id, brand_name, user_id, question_id, status, score, created_at FROM diagnosis_reports`); err != nil {
		t.Fatalf("read all rows: %v", err)
	}
	for i := range rows {
		rows[i].At = rows[i].At.UTC()
	}
	want := contents{
		Brands: map[string]loaders.BrandStats{}, Reports: map[string]loaders.ReportInfo{}, Questions: map[string]loaders.QuestionStats{},
		Users: map[string]loaders.UserStats{}, Responses: map[string]loaders.APIResponse{},
	}
	brands := groups(rows, func(r modelRow) *string { return r.Brand })
	for _, g := range brands[:min(20, len(brands))] {
		want.Brands[g.key] = loaders.BrandStats{BrandName: g.key, ReportCount: g.reports, Stats: g.stats(), TTL: 3600}
	}
	text := names(t, db, `SELECT question_id AS id, text AS name FROM questions`)
	questions := groups(rows, func(r modelRow) *string { return r.Question })
	for _, g := range questions[:min(20, len(questions))] {
		want.Questions[g.key] = loaders.QuestionStats{QuestionID: g.key, Text: text[g.key], ReportCount: g.reports, Stats: g.stats()}
	}
	name := names(t, db, `SELECT user_id AS id, name FROM users`)
	users := groups(rows, func(r modelRow) *string { return r.User })
	for _, g := range users[:min(50, len(users))] {
		want.Users[g.key] = loaders.UserStats{UserID: g.key, Name: name[g.key], ReportCount: g.reports, Stats: g.stats()}
	}
	completed := slices.DeleteFunc(slices.Clone(rows), func(r modelRow) bool { return r.Status != "completed" })
	slices.SortFunc(completed, func(a, b modelRow) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID)) })
	for _, r := range completed[:min(100, len(completed))] {
		want.Reports[r.ID] = loaders.ReportInfo{ExecutionID: r.ID, BrandName: r.Brand, Status: r.Status, CreatedAt: r.At}
	}
	want.Responses = modelResponses(t, rows, brands)
	return want
}

func modelResponses(t *testing.T, rows []modelRow, brands []group) map[string]loaders.APIResponse {
	t.Helper()
	percent := func(part, whole int64) float64 { return math.Round(float64(100*part)/float64(whole)*100) / 100 }
	all := "all"
	total := groups(rows, func(modelRow) *string { return &all })[0]
	monitoring := loaders.Monitoring{
		Reports: total.reports, Completed: total.completed, Failed: total.failed, AverageScore: total.stats().AverageScore, LastReportAt: total.last,
		SuccessRate: percent(total.completed, total.completed+total.failed),
	}
	for _, r := range rows {
		switch r.Status {
		case "running":
			monitoring.Running++
		case "pending":
			monitoring.Pending++
		}
	}
	distribution := loaders.BrandDistribution{Brands: int64(len(brands)), Top: []loaders.BrandShare{}}
	for _, g := range brands {
		distribution.Reports += g.reports
	}
	for i, g := range brands {
		if i < 50 {
			distribution.Top = append(distribution.Top, loaders.BrandShare{BrandName: g.key, ReportCount: g.reports, Share: percent(g.reports, distribution.Reports)})
		} else {
			distribution.Other += g.reports
		}
	}
	responses := make(map[string]loaders.APIResponse)
	for name, data := range map[string]any{"monitoring": monitoring, "brand_distribution": distribution} {
		body, err := json.Marshal(data)
		if err != nil {
			t.Fatalf("Marshal: %v", err)
		}
		responses[name] = loaders.APIResponse{Name: name, Data: body}
	}
	return responses
}

func testWarmEqualsModel(t *testing.T, db database) {
	t.Helper()
	pool := seeded(t, db, 1500, 42)
	got := warmAll(t, openCaches(t, pool, loaders.Config{}))
	if got.len() != 192 {
		t.Errorf("%d items warmed, want 192", got.len())
	}
	if diff := gocmp.Diff(model(t, pool), got); diff != "" {
		t.Errorf("warmed values (-naive +got):\n%s", diff)
	}
}

func testWarmEqualsGet(t *testing.T, db database) {
	t.Helper()
	pool := seeded(t, db, 1500, 42)
	warmed := warmAll(t, openCaches(t, pool, loaders.Config{}))
	one, many := openCaches(t, pool, loaders.Config{}), openCaches(t, pool, loaders.Config{})
	byGet := contents{
		Brands: getEach(t, one.Brands, warmed.Brands), Reports: getEach(t, one.Reports, warmed.Reports),
		Questions: getEach(t, one.Questions, warmed.Questions), Users: getEach(t, one.Users, warmed.Users),
		Responses: getEach(t, one.Responses, warmed.Responses),
	}
	if diff := gocmp.Diff(warmed, byGet); diff != "" {
		t.Errorf("values by Get (-warmed +got):\n%s", diff)
	}
	byMany := contents{
		Brands: getMany(t, many.Brands, warmed.Brands), Reports: getMany(t, many.Reports, warmed.Reports),
		Questions: getMany(t, many.Questions, warmed.Questions), Users: getMany(t, many.Users, warmed.Users),
		Responses: getMany(t, many.Responses, warmed.Responses),
	}
	if diff := gocmp.Diff(warmed, byMany); diff != "" {
		t.Errorf("values by GetMany (-warmed +got):\n%s", diff)
	}
	if got := byMany.len(); got != 192 {
		t.Errorf("compared %d items, want 192", got)
	}
}

func getEach[V any](t *testing.T, c *tiercache.Cache[string, V], keys map[string]V) map[string]V {
	t.Helper()
	values := make(map[string]V)
	for key := range keys {
		entry, err := c.GetEntry(t.Context(), key)
		if err != nil || entry.Source != tiercache.FromSource {
			t.Errorf("%s: GetEntry(%q) came from %v, %v; want the source", c.Name(), key, entry.Source, err)
		}
		values[key] = entry.Value
	}
	return values
}

func getMany[V any](t *testing.T, c *tiercache.Cache[string, V], keys map[string]V) map[string]V {
	t.Helper()
	var list []string
	for key := range keys {
		list = append(list, key)
	}
	values, err := c.GetMany(context.WithoutCancel(t.Context()), append(list, "no such key"))
	if err != nil {
		t.Errorf("%s: GetMany: %v", c.Name(), err)
	}
	return values
}

// TestPostgres_agreesWithSQLite holds the two databases against each other: the same seed gives the
// same 192 values.
func TestPostgres_agreesWithSQLite(t *testing.T) {
	t.Parallel()
	postgres := warmAll(t, openCaches(t, seeded(t, postgresDatabase(pgtest.Start(t))(t), 1500, 5), loaders.Config{}))
	sqlite := warmAll(t, openCaches(t, seeded(t, sqliteFile(t), 1500, 5), loaders.Config{}))
	if diff := gocmp.Diff(sqlite, postgres); diff != "" {
		t.Errorf("values (-SQLite +PostgreSQL):\n%s", diff)
	}
}
