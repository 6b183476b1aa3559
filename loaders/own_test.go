package loaders_test

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/internal/pgtest"
	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
)

// What holds of a database that somebody else has made.

func isPostgres(db *sqlx.DB) bool { return strings.HasPrefix(db.DriverName(), "pgx") }

// testColumnsOfAllTables: a column that is missing of any table that is read is named, and nothing
// is changed before.
func testColumnsOfAllTables(t *testing.T, database database) {
	t.Helper()
	db := database(t)
	exec(t, db, `CREATE TABLE diagnosis_reports (execution_id TEXT PRIMARY KEY, brand_name TEXT, status TEXT, created_at TIMESTAMP)`)
	exec(t, db, `CREATE TABLE users (user_id TEXT PRIMARY KEY, full_name TEXT)`)
	exec(t, db, `CREATE TABLE questions (number INTEGER)`)
	err := loaders.Migrate(t.Context(), db)
	for _, words := range []string{"table users has no column name", "table questions has no column question_id, text"} {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("Migrate = %v; want %q in it", err, words)
		}
	}
	var scores []int
	if err := db.SelectContext(t.Context(), &scores, `SELECT score FROM diagnosis_reports`); err == nil {
		t.Error("Migrate has added a column to a database that it refuses")
	}
	exec(t, db, `ALTER TABLE diagnosis_reports ADD COLUMN user_id TEXT`)
	exec(t, db, `ALTER TABLE diagnosis_reports ADD COLUMN question_id TEXT`)
	exec(t, db, `ALTER TABLE diagnosis_reports ADD COLUMN score INTEGER`)
	if _, err := loaders.Open(t.Context(), db, nil, loaders.Config{}); err == nil || !strings.Contains(err.Error(), "users has no column name") {
		t.Errorf("Open = %v; want the column named", err)
	}
}

// testViews: the three relations may be views.
func testViews(t *testing.T, database database) {
	t.Helper()
	db := database(t)
	exec(t, db, `CREATE TABLE runs (id TEXT, brand TEXT, account TEXT, question TEXT, state TEXT, points INTEGER, made TIMESTAMP)`)
	exec(t, db, `INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)`, "e1", "Nike", "u1", "q1", "completed", 7, noon())
	exec(t, db, `CREATE VIEW users AS SELECT 'u1' AS user_id, 'Ada' AS name`)
	exec(t, db, `CREATE VIEW questions AS SELECT 'q1' AS question_id, 'Because' AS text`)
	exec(t, db, `CREATE VIEW diagnosis_reports AS SELECT id AS execution_id, brand AS brand_name, account AS user_id, question AS question_id,
		state AS status, points AS score, made AS created_at FROM runs`)
	if err := loaders.Migrate(t.Context(), db); err != nil {
		t.Fatalf("Migrate over views: %v", err)
	}
	got := warmAll(t, openCaches(t, db, loaders.Config{}))
	if got.Users["u1"].Name != "Ada" || got.Questions["q1"].Text != "Because" || got.Brands["Nike"].Stats.AverageScore != 7 || got.Reports["e1"].Status != "completed" {
		t.Errorf("warmed from views: %+v", got)
	}
}

func testFractionalScores(t *testing.T, database database) {
	t.Helper()
	db := database(t)
	score := "REAL"
	if isPostgres(db) {
		score = "NUMERIC(5, 2)"
	}
	exec(t, db, `CREATE TABLE diagnosis_reports (execution_id TEXT PRIMARY KEY, brand_name TEXT, user_id TEXT, question_id TEXT, status TEXT, score `+score+`, created_at TIMESTAMP)`)
	if err := loaders.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	exec(t, db, insertReport, "e1", "Nike", "u", "q", "completed", 50.25, noon())
	exec(t, db, insertReport, "e2", "Nike", "u", "q", "completed", 60.5, noon())
	got := warmAll(t, openCaches(t, db, loaders.Config{}))
	if got.len() != 7 || got.Brands["Nike"].Stats.AverageScore != 55.38 || got.Users["u"].Stats.AverageScore != 55.38 {
		t.Errorf("warmed of fractional scores: %+v; want all 7 items and an average of 55.38", got)
	}
	if got := string(got.Responses[loaders.ResponseMonitoring].Data); !strings.Contains(got, `"average_score":55.38`) {
		t.Errorf("monitoring: %s", got)
	}
}

// testUnreadableRows: what can be read is warmed; the rest is counted and named.
func testUnreadableRows(t *testing.T, database database) {
	t.Helper()
	db := database(t)
	exec(t, db, `CREATE TABLE diagnosis_reports (execution_id TEXT, brand_name TEXT, user_id TEXT, question_id TEXT, status TEXT, score INTEGER, created_at TEXT)`)
	if err := loaders.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	exec(t, db, insertReport, "good", "Nike", "u", "q", "completed", 50, "2025-06-01 12:00:00")
	exec(t, db, insertReport, "bad", "Acme", "u2", "q2", "completed", 50, "yesterday")
	exec(t, db, insertReport, nil, "Nike", "u", "q", "completed", 50, "2025-06-01 12:00:01")
	exec(t, db, insertReport, "unknown", "Nike", "u", "q", nil, 50, "2025-06-01 12:00:02")
	var log bytes.Buffer
	c := openCaches(t, db, loaders.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	got := warmAll(t, c)
	if len(got.Reports) != 1 || len(got.Brands) != 1 || len(got.Users) != 1 || len(got.Questions) != 1 || len(got.Responses) != 2 || got.Brands["Nike"].ReportCount != 3 {
		t.Errorf("warmed beside rows that cannot be read: %+v; want all others", got)
	}
	for _, words := range []string{"of=reports rows=2", "of=brands rows=1", "execution_id is NULL", "yesterday", "Acme", "bad"} {
		if !strings.Contains(log.String(), words) {
			t.Errorf("the log lacks %q:\n%s", words, log.String())
		}
	}
	if _, err := c.Reports.Get(t.Context(), "bad"); err == nil || errors.Is(err, tiercache.ErrNotFound) || !strings.Contains(err.Error(), "yesterday") {
		t.Errorf("Get of a row that cannot be read: %v; want an error that says why", err)
	}
	if got, err := c.Reports.Get(t.Context(), "unknown"); err != nil || got.Status != "" {
		t.Errorf("Get of a row without a status = %+v, %v", got, err)
	}
	exec(t, db, `DELETE FROM diagnosis_reports WHERE execution_id = 'good'`)
	if r := c.Reports.WarmLoader(t.Context(), "recent_reports", tiercache.WarmOptions{}); r.Err == nil || !strings.Contains(r.Err.Error(), "2 of the rows of reports") {
		t.Errorf("warming where no row can be read: %v; want an error that counts them", r.Err)
	}
}

// testTypedIDs: a key that a column of another type cannot hold is not found, and tables join
// whatever their types.
func testTypedIDs(t *testing.T, database database) {
	t.Helper()
	db := database(t)
	const execution, account = "018f3c5e-7a1b-7c2d-8e3f-000000000001", "00000000-0000-4000-8000-00000000000a"
	uuid, status := "TEXT", "TEXT"
	if isPostgres(db) {
		uuid, status = "UUID", "state"
		exec(t, db, `CREATE TYPE state AS ENUM ('completed', 'failed')`)
	}
	exec(t, db, `CREATE TABLE users (user_id TEXT PRIMARY KEY, name TEXT)`)
	exec(t, db, `CREATE TABLE questions (question_id INTEGER PRIMARY KEY, text TEXT)`)
	exec(t, db, `CREATE TABLE diagnosis_reports (execution_id `+uuid+` PRIMARY KEY, brand_name VARCHAR(40), user_id `+uuid+`, question_id BIGINT, status `+status+`,
		score SMALLINT, created_at TIMESTAMP)`)
	if err := loaders.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	exec(t, db, `INSERT INTO users VALUES (?, ?)`, account, "Ada")
	exec(t, db, `INSERT INTO questions VALUES (7, 'Because')`)
	exec(t, db, insertReport, execution, "Nike", account, 7, "completed", 50, noon())
	c := openCaches(t, db, loaders.Config{})
	got := warmAll(t, c)
	if got.len() != 6 || got.Users[account].Name != "Ada" || got.Questions["7"].Text != "Because" || got.Reports[execution].ExecutionID != execution {
		t.Errorf("warmed of typed ids: %+v", got)
	}
	loaded := openCaches(t, db, loaders.Config{})
	if q, err := loaded.Questions.Get(t.Context(), "7"); err != nil || q.Text != "Because" {
		t.Errorf("Get(7) = %+v, %v", q, err)
	}
	if u, err := loaded.Users.Get(t.Context(), account); err != nil || u.Name != "Ada" {
		t.Errorf("Get(%s) = %+v, %v", account, u, err)
	}
	if r, err := loaded.Reports.Get(t.Context(), execution); err != nil || r.Status != "completed" {
		t.Errorf("Get(%s) = %+v, %v", execution, r, err)
	}
	for _, key := range []string{"nobody", "007", "7.0", "99999999999999999999", "", strings.ToUpper(account), "{" + account + "}", "1; DROP TABLE users", "\x00"} {
		_, report := loaded.Reports.Get(t.Context(), key)
		_, question := loaded.Questions.Get(t.Context(), key)
		_, user := loaded.Users.Get(t.Context(), key)
		for what, err := range map[string]error{"report": report, "question": question, "user": user} {
			if !errors.Is(err, tiercache.ErrNotFound) {
				t.Errorf("Get of the %s %q: %v; want ErrNotFound", what, key, err)
			}
		}
	}
}

// TestPostgres_others: a column of a type that no rule here knows is compared as text.
func TestPostgres_others(t *testing.T) {
	t.Parallel()
	db := open(t, "pgx", pgtest.Start(t).Database())
	exec(t, db, `CREATE TYPE brand AS ENUM ('Nike', 'Acme')`)
	exec(t, db, `CREATE TABLE diagnosis_reports (execution_id NUMERIC PRIMARY KEY, brand_name brand, user_id TEXT, question_id TEXT, status TEXT, score DOUBLE PRECISION, created_at DATE)`)
	if err := loaders.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	exec(t, db, insertReport, 12, "Nike", "u", "q", "completed", 1.5, noon())
	c := openCaches(t, db, loaders.Config{})
	if got, err := c.Brands.Get(t.Context(), "Nike"); err != nil || got.ReportCount != 1 || !got.Stats.LastReportAt.Equal(noon().Truncate(24*time.Hour)) {
		t.Errorf("Get(Nike) = %+v, %v", got, err)
	}
	if _, err := c.Brands.Get(t.Context(), "Nobody"); !errors.Is(err, tiercache.ErrNotFound) {
		t.Errorf("Get of a brand that the enum has not: %v; want ErrNotFound", err)
	}
	if got, err := c.Reports.Get(t.Context(), "12"); err != nil || got.ExecutionID != "12" {
		t.Errorf("Get(12) = %+v, %v", got, err)
	}
	if _, err := c.Reports.Get(t.Context(), "twelve"); !errors.Is(err, tiercache.ErrNotFound) {
		t.Errorf("Get of an id that is no number: %v; want ErrNotFound", err)
	}
	exec(t, db, `DROP TABLE diagnosis_reports`)
	exec(t, db, `CREATE TABLE diagnosis_reports (execution_id TEXT, brand_name TEXT, user_id TEXT, question_id TEXT, status TEXT, score TEXT, created_at DATE)`)
	if _, err := loaders.Open(t.Context(), db, nil, loaders.Config{}); err == nil || !strings.Contains(err.Error(), "score of diagnosis_reports is text") {
		t.Errorf("Open with scores of text: %v", err)
	}
}

// TestPostgres_driverNames: the database is asked what it is.
func TestPostgres_driverNames(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Database()
	for _, driver := range []string{"pgx/v5", "pgx"} {
		plain := open(t, driver, dsn)
		db := sqlx.NewDb(plain.DB, "traced-"+driver) // as a wrapped driver is called
		if err := loaders.SeedDemo(t.Context(), db, 1000, 1); err != nil {
			t.Fatalf("SeedDemo through driver %s: %v", db.DriverName(), err)
		}
		if got := warmAll(t, openCaches(t, db, loaders.Config{})).len(); got != 192 {
			t.Errorf("%d items warmed through driver %s, want 192", got, db.DriverName())
		}
	}
}

func TestSQLite_columnCase(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "brands.db"))
	exec(t, db, `CREATE TABLE Users (User_ID TEXT PRIMARY KEY, NAME TEXT)`)
	exec(t, db, `CREATE TABLE Questions (Question_ID TEXT PRIMARY KEY, Text TEXT)`)
	exec(t, db, `CREATE TABLE Diagnosis_Reports (Execution_ID TEXT PRIMARY KEY, Brand_Name TEXT, USER_ID TEXT, Question_Id TEXT, Status TEXT, Score INTEGER, Created_At TIMESTAMP)`)
	exec(t, db, insertReport, "e", "Nike", "u", "q", "completed", 50, noon())
	exec(t, db, `INSERT INTO Users VALUES ('u', 'Ada')`)
	if err := loaders.Migrate(t.Context(), db); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	c := openCaches(t, db, loaders.Config{})
	if got := warmAll(t, c); got.len() != 6 || got.Users["u"].Name != "Ada" {
		t.Errorf("warmed: %+v", got)
	}
	if _, err := openCaches(t, db, loaders.Config{}).Reports.Get(t.Context(), "e"); err != nil {
		t.Errorf("Get: %v", err)
	}
}
