package loaders_test

import (
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/loaders"
)

// testMigrateAddsColumns: a table of reports that somebody has made with no more than the columns
// that every table of reports has.
func testMigrateAddsColumns(t *testing.T, database database) {
	t.Helper()
	db := database(t)
	exec(t, db, `CREATE TABLE diagnosis_reports (execution_id TEXT PRIMARY KEY, brand_name TEXT, status TEXT, created_at TIMESTAMP)`)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, id := range []string{"e1", "e2"} {
		exec(t, db, db.Rebind(`INSERT INTO diagnosis_reports (execution_id, brand_name, status, created_at) VALUES (?, ?, ?, ?)`), id, "Nike", "completed", at)
	}
	if _, err := loaders.Open(t.Context(), db, nil, loaders.Config{}); err == nil {
		t.Error("Open before Migrate succeeds")
	}
	for range 2 {
		if err := loaders.Migrate(t.Context(), db); err != nil {
			t.Fatal(err)
		}
	}
	c := openCaches(t, db, loaders.Config{})
	if _, err := c.Brands.Warm(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := c.Reports.Warm(t.Context()); err != nil {
		t.Error(err)
	}
	if got, err := c.Brands.Get(t.Context(), "Nike"); err != nil || got.ReportCount != 2 {
		t.Errorf("Nike = %+v, %v; want 2 reports", got, err)
	}
	if got := c.Reports.Stats(); got.Entries != 2 {
		t.Errorf("%d reports are warm, want 2", got.Entries)
	}
}

// testMigrateRefusesAnotherTable: a table of that name which is about something else is named, and
// left alone.
func testMigrateRefusesAnotherTable(t *testing.T, database database) {
	t.Helper()
	db := database(t)
	exec(t, db, `CREATE TABLE diagnosis_reports (patient TEXT)`)
	err := loaders.Migrate(t.Context(), db)
	if err == nil || !strings.Contains(err.Error(), "execution_id") || !strings.Contains(err.Error(), "diagnosis_reports") {
		t.Errorf("Migrate = %v, want the table and its missing columns named", err)
	}
	if n := count(t, db, "diagnosis_reports"); n != 0 {
		t.Errorf("%d rows", n)
	}
}
