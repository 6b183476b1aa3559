package loaders_test

import (
	"context"
	"io"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite"

	"github.com/warmcache/warmcache/internal/pgtest"
	"github.com/warmcache/warmcache/loaders"
)

// database opens connections to one empty database; each call returns a pool of its own.
type database func(tb testing.TB) *sqlx.DB

const dsnOptions = "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(20000)&_txlock=immediate&_time_format=sqlite"

func sqliteFile(tb testing.TB) database {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "brands.db")
	return func(tb testing.TB) *sqlx.DB {
		tb.Helper()
		return open(tb, "sqlite", "file:"+file+dsnOptions)
	}
}

func postgresDatabase(server *pgtest.Server) func(testing.TB) database {
	return func(testing.TB) database {
		dsn := server.Database()
		return func(tb testing.TB) *sqlx.DB {
			tb.Helper()
			return open(tb, "pgx", dsn)
		}
	}
}

func open(tb testing.TB, driver, dsn string) *sqlx.DB {
	tb.Helper()
	db, err := sqlx.Open(driver, dsn)
	if err != nil {
		tb.Fatalf("Open(%s): %v", driver, err)
	}
	tb.Cleanup(func() { closed(tb, db) })
	return db
}

func closed(tb testing.TB, c io.Closer) {
	tb.Helper()
	if err := c.Close(); err != nil {
		tb.Errorf("Close of a %T: %v", c, err)
	}
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	conformance(t, sqliteFile)
}

// Another process keeps everybody out for a moment, as one does that switches a new file to WAL.
func TestMigrate_waitsForALockedFile(t *testing.T) {
	t.Parallel()
	file := "file:" + filepath.Join(t.TempDir(), "brands.db")
	other := open(t, "sqlite", file)
	other.SetMaxOpenConns(1)
	exec(t, other, "BEGIN EXCLUSIVE")
	released := make(chan struct{})
	go func() {
		defer close(released)
		time.Sleep(100 * time.Millisecond)
		if _, err := other.ExecContext(t.Context(), "COMMIT"); err != nil {
			t.Error(err)
		}
	}()
	if err := loaders.Migrate(t.Context(), open(t, "sqlite", file)); err != nil { // no busy_timeout
		t.Errorf("Migrate beside a lock of 100 ms: %v", err)
	}
	<-released
	exec(t, other, "BEGIN EXCLUSIVE")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := loaders.Migrate(ctx, open(t, "sqlite", file)); err == nil || time.Since(began) > 2*time.Second {
		t.Errorf("Migrate of a file that stays locked: %v after %v; want an error when its context ends", err, time.Since(began))
	}
	exec(t, other, "COMMIT")
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	conformance(t, postgresDatabase(pgtest.Start(t)))
}

// conformance is what holds on every database; empty makes a new one.
func conformance(t *testing.T, empty func(testing.TB) database) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, database){
		"Migrate/again and at once":                     testMigrate,
		"Migrate/adds columns":                          testMigrateAddsColumns,
		"Migrate/another table of that name":            testMigrateRefusesAnotherTable,
		"Migrate/a table without a column that is read": testColumnsOfAllTables,
		"Open/views":                                  testViews,
		"warm/fractional scores":                      testFractionalScores,
		"warm/rows that cannot be read":               testUnreadableRows,
		"Get/typed ids":                               testTypedIDs,
		"Open/without the schema":                     testOpenWithoutSchema,
		"SeedDemo/same rows for the same seed":        testSeedReproducible,
		"SeedDemo/again":                              testSeedAgain,
		"SeedDemo/at once":                            testSeedAtOnce,
		"SeedDemo/cancelled leaves nothing":           testSeedCancelled,
		"SeedDemo/in the caller's transaction":        testSeedInTransaction,
		"warm/equals a naive computation":             testWarmEqualsModel,
		"warm/equals Get and GetMany":                 testWarmEqualsGet,
		"warm/ties break by name":                     testTies,
		"warm/over one connection":                    testOneConnection,
		"warm/an empty database":                      testEmpty,
		"Get/hostile keys":                            testHostileKeys,
		"Get/every status":                            testEveryStatus,
		"GetMany/5000 keys in chunks":                 testManyKeys,
		"Get/a cancelled context":                     testCancelled,
		"Get/a question and a user that were deleted": testDeleted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, empty(t))
		})
	}
}

// seeded opens a database with demo data.
func seeded(tb testing.TB, db database, reports int, seed uint64) *sqlx.DB {
	tb.Helper()
	pool := db(tb)
	if err := loaders.SeedDemo(tb.Context(), pool, reports, seed); err != nil {
		tb.Fatalf("SeedDemo(%d, seed %d): %v", reports, seed, err)
	}
	return pool
}

func openCaches(tb testing.TB, db loaders.DB, cfg loaders.Config) *loaders.Caches {
	tb.Helper()
	c, err := loaders.Open(tb.Context(), db, nil, cfg)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	tb.Cleanup(func() { closed(tb, c) })
	return c
}

func exec(tb testing.TB, db loaders.DB, query string, args ...any) {
	tb.Helper()
	if _, err := db.ExecContext(tb.Context(), db.Rebind(query), args...); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
}

func count(tb testing.TB, db loaders.DB, table string) int {
	tb.Helper()
	var n []int
	if err := db.SelectContext(tb.Context(), &n, "SELECT COUNT(*) FROM "+table); err != nil {
		tb.Fatalf("count %s: %v", table, err)
	}
	return n[0]
}
