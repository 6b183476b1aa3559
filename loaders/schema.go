package loaders

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

//go:embed queries/schema_sqlite.sql
var schemaSQLite string

//go:embed queries/schema_postgres.sql
var schemaPostgres string

//go:embed queries/lock_postgres.sql
var lockPostgres string

//go:embed queries/present_sqlite.sql
var presentSQLite string

//go:embed queries/present_postgres.sql
var presentPostgres string

//go:embed queries/columns_sqlite.sql
var columnsSQLite string

//go:embed queries/columns_postgres.sql
var columnsPostgres string

// The columns of diagnosis_reports: those that a table of reports has anyway, and those that Migrate adds to one that has no more than that.
func ownColumns() []string { return []string{"execution_id", "brand_name", "status", "created_at"} }

func addedColumns() []string { return []string{"user_id", "question_id", "score"} }

// tables are what the loaders cannot work without; demo_seeds serves SeedDemo alone.
func tables() []string { return []string{"diagnosis_reports", "questions", "users"} }

// indexes are those that the warm queries read.
func indexes() []string {
	return []string{"diagnosis_reports_brand", "diagnosis_reports_question", "diagnosis_reports_recent", "diagnosis_reports_user"}
}

// Migrate creates the tables and indexes that are missing, adds to a table diagnosis_reports that is there the columns user_id, question_id and score where it
// lacks them (they are NULL in its rows), and changes nothing else. Where all is there it only looks, so that a read-only
// database will do. Two processes may do it at once. After an error or a cancelled ctx some of it may stand, in SQLite; run it again.
func Migrate(ctx context.Context, db DB) error {
	s, err := newSource(db)
	if err != nil {
		return fmt.Errorf("loaders: migrate: %w", err)
	}
	missing, err := s.missingForUs(ctx)
	if err != nil {
		return fmt.Errorf("loaders: migrate: read what is there: %w", err)
	}
	if !slices.Contains(missing, "diagnosis_reports") {
		if err := s.addColumns(ctx); err != nil {
			return fmt.Errorf("loaders: migrate: %w", err)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	schema := schemaSQLite
	if s.postgres {
		schema = schemaPostgres
	}
	if _, err := s.db.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("loaders: migrate: create the missing %s: %w", strings.Join(missing, ", "), err)
	}
	return nil
}

// missingForUs is missing for all that Migrate creates. It looks again for a while where SQLite says that the database is locked: a connection that is about to switch a new file to
// WAL keeps out all others, and these don't wait for it, whatever their busy_timeout.
func (s *source) missingForUs(ctx context.Context) ([]string, error) {
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		missing, err := s.missing(ctx, slices.Concat(tables(), []string{"demo_seeds"}, indexes()))
		if !isLocked(err) || pause > 2*time.Second {
			return missing, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

// isLocked says whether err is SQLite's SQLITE_BUSY, by whichever driver.
func isLocked(err error) bool {
	const busy, primary = 5, 0xff // of https://sqlite.org/rescode.html
	var coded interface{ Code() int }
	return errors.As(err, &coded) && coded.Code()&primary == busy
}

// addColumns completes a table of reports that somebody else has made.
func (s *source) addColumns(ctx context.Context) error {
	own, added, err := s.missingColumns(ctx)
	if err != nil || len(own) > 0 {
		return errors.Join(err, lacks(own))
	}
	types := map[string]string{"user_id": "TEXT", "question_id": "TEXT", "score": "INTEGER"}
	if s.postgres {
		types["user_id"], types["question_id"] = `TEXT COLLATE "C"`, `TEXT COLLATE "C"`
	}
	for _, column := range added {
		_, err := s.db.ExecContext(ctx, "ALTER TABLE diagnosis_reports ADD COLUMN "+column+" "+types[column])
		if err == nil {
			continue
		}
		// Another process may have been quicker.
		if _, still, lookErr := s.missingColumns(ctx); lookErr != nil || slices.Contains(still, column) {
			return fmt.Errorf("add the missing column %s to diagnosis_reports: %w", column, err)
		}
	}
	return nil
}

// missingColumns returns which columns diagnosis_reports lacks of its own, and of those that Migrate adds.
func (s *source) missingColumns(ctx context.Context) (own, added []string, err error) {
	query := columnsSQLite
	if s.postgres {
		query = columnsPostgres
	}
	have, err := selectRows[string](ctx, s, query)
	if err != nil {
		return nil, nil, fmt.Errorf("read the columns of diagnosis_reports: %w", err)
	}
	has := func(name string) bool { return slices.Contains(have, name) }
	return slices.DeleteFunc(ownColumns(), has), slices.DeleteFunc(addedColumns(), has), nil
}

// lacks says that a table diagnosis_reports is none of ours.
func lacks(own []string) error {
	if len(own) == 0 {
		return nil
	}
	return fmt.Errorf("the table diagnosis_reports has no column %s", strings.Join(own, ", "))
}

// missing returns which of the named tables and indexes the database does not have.
func (s *source) missing(ctx context.Context, names []string) ([]string, error) {
	query := presentSQLite
	if s.postgres {
		query = presentPostgres
	}
	present, err := selectRows[string](ctx, s, query)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(present, name) }), nil
}

// checkSchema fails where a table is missing.
func (s *source) checkSchema(ctx context.Context) error {
	missing, err := s.missing(ctx, tables())
	switch {
	case err != nil:
		return fmt.Errorf("db: read its schema: %w", err)
	case len(missing) > 0:
		return fmt.Errorf("db has no table %s: create the schema with loaders.Migrate", strings.Join(missing, ", "))
	}
	own, added, err := s.missingColumns(ctx)
	switch {
	case err != nil || len(own) > 0:
		return errors.Join(err, lacks(own))
	case len(added) > 0:
		return fmt.Errorf("the table diagnosis_reports has no column %s: add it with loaders.Migrate", strings.Join(added, ", "))
	}
	return nil
}
