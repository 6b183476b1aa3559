package loaders_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/loaders"
)

func testMigrate(t *testing.T, db database) {
	t.Helper()
	var all sync.WaitGroup
	for range 8 {
		pool := db(t)
		all.Go(func() {
			if err := loaders.Migrate(t.Context(), pool); err != nil {
				t.Errorf("Migrate: %v", err)
			}
		})
	}
	all.Wait()
	pool := db(t)
	exec(t, pool, `INSERT INTO users (user_id, name) VALUES (?, ?)`, "u", "kept")
	exec(t, pool, `DROP INDEX diagnosis_reports_recent`)
	if err := loaders.Migrate(t.Context(), pool); err != nil {
		t.Fatalf("Migrate of an incomplete schema: %v", err)
	}
	exec(t, pool, `DROP INDEX diagnosis_reports_recent`) // it is there again
	if got := count(t, pool, "users"); got != 1 {
		t.Errorf("%d users after Migrate, want the 1 that was there", got)
	}
}

func testOpenWithoutSchema(t *testing.T, db database) {
	t.Helper()
	pool := db(t)
	c, err := loaders.Open(t.Context(), pool, nil, loaders.Config{})
	if err == nil {
		closed(t, c)
		t.Fatal("Open of an empty database succeeded")
	}
	for _, part := range []string{"diagnosis_reports", "questions", "users", "loaders.Migrate"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("Open: %v; want it to name %s", err, part)
		}
	}
}

// dump is every row that SeedDemo writes, without the numbers that the database gives.
func dump(t *testing.T, db *sqlx.DB) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for table, query := range map[string]string{
		"users":     `SELECT user_id || '|' || name || '|' || CAST(created_at AS TEXT) FROM users ORDER BY user_id`,
		"questions": `SELECT question_id || '|' || text || '|' || CAST(created_at AS TEXT) FROM questions ORDER BY question_id`,
		"reports": `SELECT execution_id || '|' || COALESCE(brand_name, '-') || '|' || COALESCE(user_id, '-') || '|' || COALESCE(question_id, '-')
			|| '|' || status || '|' || COALESCE(CAST(score AS TEXT), '-') || '|' || CAST(created_at AS TEXT) FROM diagnosis_reports ORDER BY execution_id`,
	} {
		var rows []string
		if err := db.SelectContext(t.Context(), &rows, query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		all[table] = rows
	}
	return all
}

func testSeedReproducible(t *testing.T, db database) {
	t.Helper()
	pool := seeded(t, db, 1234, 7)
	first := dump(t, pool)
	if got := len(first["reports"]); got != 1234 {
		t.Errorf("%d reports, want 1234", got)
	}
	for _, table := range []string{"diagnosis_reports", "users", "questions", "demo_seeds"} {
		exec(t, pool, "DELETE FROM "+table)
	}
	if err := loaders.SeedDemo(t.Context(), pool, 1234, 7); err != nil {
		t.Fatalf("SeedDemo: %v", err)
	}
	if diff := cmp.Diff(first, dump(t, pool)); diff != "" {
		t.Errorf("the same seed gave other rows (-first +second):\n%s", diff)
	}
	for _, table := range []string{"diagnosis_reports", "users", "questions", "demo_seeds"} {
		exec(t, pool, "DELETE FROM "+table)
	}
	if err := loaders.SeedDemo(t.Context(), pool, 1234, 8); err != nil {
		t.Fatalf("SeedDemo: %v", err)
	}
	if cmp.Equal(first, dump(t, pool)) {
		t.Error("another seed gave the same rows")
	}
}

func testSeedAgain(t *testing.T, db database) {
	t.Helper()
	pool := seeded(t, db, 1000, 1)
	var heard []int
	if err := loaders.SeedDemo(t.Context(), pool, 1000, 1, func(done int) { heard = append(heard, done) }); err != nil {
		t.Errorf("SeedDemo of the same set: %v", err)
	}
	if got := count(t, pool, "diagnosis_reports"); got != 1000 || !cmp.Equal(heard, []int{1000}) {
		t.Errorf("after the same set again: %d reports, progress %v; want 1000 and [1000]", got, heard)
	}
	err := loaders.SeedDemo(t.Context(), pool, 1500, 1)
	if err == nil || !strings.Contains(err.Error(), "seed 1 already") {
		t.Errorf("SeedDemo of another number: %v; want an error that names the seed", err)
	}
	heard = nil
	if err := loaders.SeedDemo(t.Context(), pool, 1300, 2, nil, func(done int) { heard = append(heard, done) }); err != nil {
		t.Errorf("SeedDemo of another seed: %v", err)
	}
	if got := count(t, pool, "diagnosis_reports"); got != 2300 {
		t.Errorf("%d reports after 1000 and 1300", got)
	}
	if want := []int{500, 1000, 1300}; !cmp.Equal(heard, want) {
		t.Errorf("progress heard %v, want %v", heard, want)
	}
	for _, n := range []int{0, -1} {
		if err := loaders.SeedDemo(t.Context(), pool, n, 3); err == nil || !strings.Contains(err.Error(), "at least 1") {
			t.Errorf("SeedDemo(%d) = %v; want an error that says what is right", n, err)
		}
	}
}

// testSeedAtOnce has several processes fill one empty database, two of them with the same set.
func testSeedAtOnce(t *testing.T, db database) {
	t.Helper()
	var all sync.WaitGroup
	for _, seed := range []uint64{1, 2, 1, 3} {
		pool := db(t)
		all.Go(func() {
			if err := loaders.SeedDemo(t.Context(), pool, 600, seed); err != nil {
				t.Errorf("SeedDemo(seed %d): %v", seed, err)
			}
		})
	}
	all.Wait()
	if got := count(t, db(t), "diagnosis_reports"); got != 1800 {
		t.Errorf("%d reports of three sets of 600", got)
	}
}

func testSeedCancelled(t *testing.T, db database) {
	t.Helper()
	pool := db(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	last := 0
	err := loaders.SeedDemo(ctx, pool, 1_000_000, 1, func(done int) {
		last = done
		if done >= 2000 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("SeedDemo: %v, want context.Canceled", err)
	}
	if last > 3000 {
		t.Errorf("it went on to %d reports after it was cancelled at 2000", last)
	}
	for _, table := range []string{"diagnosis_reports", "users", "questions", "demo_seeds"} {
		if got := count(t, pool, table); got != 0 {
			t.Errorf("%s holds %d rows of a cancelled SeedDemo", table, got)
		}
	}
	exec(t, pool, `DROP INDEX diagnosis_reports_brand`) // the indexes are back
}

func testSeedInTransaction(t *testing.T, db database) {
	t.Helper()
	pool := db(t)
	if err := loaders.Migrate(t.Context(), pool); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	tx, err := pool.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatalf("Begin: %v", err)
	}
	if err := loaders.SeedDemo(t.Context(), tx, 700, 1); err != nil {
		t.Fatalf("SeedDemo: %v", err)
	}
	if got := count(t, tx, "diagnosis_reports"); got != 700 {
		t.Errorf("%d reports in the transaction, want 700", got)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatalf("Rollback: %v", err)
	}
	if got := count(t, pool, "diagnosis_reports"); got != 0 {
		t.Errorf("%d reports after the rollback", got)
	}
}
