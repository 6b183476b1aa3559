package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/loaders"
)

// demoSeed makes every demo database the same.
const demoSeed = 1

// fill adds demo data where there is none. A database in which somebody else keeps something is
// left as it is: one with rows of its own is not filled.
func fill(ctx context.Context, db *sqlx.DB, reports int, log *slog.Logger, progress func(done int)) error {
	for _, table := range []string{"diagnosis_reports", "questions", "users"} {
		var some int
		if err := db.GetContext(ctx, &some, `SELECT COUNT(*) FROM (SELECT 1 FROM `+table+` LIMIT 1) AS first`); err != nil {
			return err
		}
		if some == 0 {
			continue
		}
		if table != "diagnosis_reports" {
			log.WarnContext(ctx, "no report is there, and no demo data is added: the database is somebody's own", slog.String("rows_in", table))
		}
		return nil
	}
	log.InfoContext(ctx, "filling the empty database with demo data, once", slog.Int("reports", reports))
	began := time.Now()
	bar := newBar(os.Stderr, reports)
	err := loaders.SeedDemo(ctx, db, reports, demoSeed, bar.show, progress)
	bar.end()
	if err != nil {
		return fmt.Errorf("fill with demo data: %w", err)
	}
	log.InfoContext(ctx, "database filled", slog.Duration("took", time.Since(began).Round(time.Millisecond)))
	return nil
}

// checkTables refuses a database of another application: one that has tables, but not ours.
func checkTables(ctx context.Context, db *sqlx.DB) error {
	query := `SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name`
	if db.DriverName() == "pgx" {
		query = `SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = ANY(current_schemas(false)) ORDER BY tablename`
	}
	var tables []string
	if err := db.SelectContext(ctx, &tables, query); err != nil {
		return err
	}
	if slices.Contains(tables, "diagnosis_reports") {
		return nil
	}
	// Some of ours alone are what an interrupted first start leaves.
	others := slices.DeleteFunc(tables, func(name string) bool {
		return slices.Contains([]string{"demo_seeds", "questions", "users"}, name)
	})
	if len(others) == 0 {
		return nil
	}
	const most = 5
	more := ""
	if len(others) > most {
		others, more = others[:most], " and more"
	}
	return errors.New("it belongs to another application: it has " + fmt.Sprintf("%q%s", others, more) +
		" and no table diagnosis_reports; nothing was changed, name an empty or a new one")
}
