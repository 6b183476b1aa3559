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

// readColumns are those of each table that the loaders read: what a database of somebody's own must
// have.
func readColumns() map[string][]string {
	return map[string][]string{
		"diagnosis_reports": {"execution_id", "brand_name", "status", "created_at"},
		"questions":         {"question_id", "text"},
		"users":             {"user_id", "name"},
	}
}

// addedColumns are those that Migrate adds to a table of reports that has no more than the others.
func addedColumns() []string { return []string{"user_id", "question_id", "score"} }

// tables are what the loaders cannot work without; demo_seeds serves SeedDemo alone.
func tables() []string { return []string{"diagnosis_reports", "questions", "users"} }

// indexes are those that the warm queries read.
func indexes() []string {
	return []string{"diagnosis_reports_brand", "diagnosis_reports_question", "diagnosis_reports_recent", "diagnosis_reports_user"}
}

// Migrate creates the tables and indexes that are missing, adds to a table diagnosis_reports that
// is there the columns user_id, question_id and score where it lacks them (they are NULL in its
// rows), and changes nothing else. A view of that name is left as it is, and must have all columns.
// Where a table lacks another column that is read, nothing is changed and the error names it. Where
// all is there it only looks, so that a read-only database will do. Two processes may do it at
// once. After an error or a cancelled ctx some of it may stand, in SQLite; run it again.
func Migrate(ctx context.Context, db DB) error {
	s, err := newSource(ctx, db)
	if err == nil {
		err = s.migrate(ctx)
	}
	if err != nil {
		return fmt.Errorf("loaders: migrate: %w", err)
	}
	return nil
}

func (s *source) migrate(ctx context.Context) error {
	missing, view, err := s.missingForUs(ctx)
	if err != nil {
		return fmt.Errorf("read what is there: %w", err)
	}
	if err := s.readTypes(ctx); err != nil {
		return err
	}
	add := s.lacking(addedColumns(), "diagnosis_reports")
	if !view {
		err = s.checkColumns(nil)
	} else {
		err = s.checkColumns(addedColumns())
	}
	if err != nil {
		return err
	}
	if len(add) > 0 && !slices.Contains(missing, "diagnosis_reports") {
		if err := s.addColumns(ctx, add); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	schema := schemaSQLite
	if s.postgres {
		schema = schemaPostgres
	}
	if view {
		schema, _, _ = strings.Cut(schema, "-- Each aggregate") // a view has no indexes
	}
	if _, err := s.db.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("create the missing %s: %w", strings.Join(missing, ", "), err)
	}
	return nil
}

// missingForUs is missing for all that Migrate creates. It looks again for a while where SQLite
// says that the database is locked: a connection that is about to switch a new file to WAL keeps
// out all others, and these don't wait for it, whatever their busy_timeout.
func (s *source) missingForUs(ctx context.Context) (missing []string, view bool, err error) {
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		missing, view, err = s.missing(ctx, slices.Concat(tables(), []string{"demo_seeds"}, indexes()))
		if view {
			missing = slices.DeleteFunc(missing, func(name string) bool { return slices.Contains(indexes(), name) || name == "demo_seeds" })
		}
		if !isLocked(err) || pause > 2*time.Second {
			return missing, view, err
		}
		select {
		case <-ctx.Done():
			return nil, false, err
		case <-time.After(pause):
		}
	}
}

// isLocked reports whether err is SQLite's SQLITE_BUSY, by whichever driver.
func isLocked(err error) bool {
	const busy, primary = 5, 0xff // of https://sqlite.org/rescode.html
	var coded interface{ Code() int }
	return errors.As(err, &coded) && coded.Code()&primary == busy
}

// addColumns completes a table of reports that somebody else has made.
func (s *source) addColumns(ctx context.Context, add []string) error {
	types := map[string]string{"user_id": "TEXT", "question_id": "TEXT", "score": "INTEGER"}
	if s.postgres {
		types["user_id"], types["question_id"] = `TEXT COLLATE "C"`, `TEXT COLLATE "C"`
	}
	for _, column := range add {
		_, err := s.db.ExecContext(ctx, "ALTER TABLE diagnosis_reports ADD COLUMN "+column+" "+types[column])
		if err == nil {
			continue
		}
		// Another process may have been quicker.
		if lookErr := s.readTypes(ctx); lookErr != nil || len(s.lacking([]string{column}, "diagnosis_reports")) > 0 {
			return fmt.Errorf("add the missing column %s to diagnosis_reports: %w", column, err)
		}
	}
	return nil
}

// readTypes reads the columns of the tables that are there, and their types.
func (s *source) readTypes(ctx context.Context) error {
	query := columnsSQLite
	if s.postgres {
		query = columnsPostgres
	}
	type row struct {
		Relation string `db:"relation"`
		Name     string `db:"name"`
		Type     string `db:"type"`
	}
	rows, err := selectRows[row](ctx, s, query)
	if err != nil {
		return fmt.Errorf("read the columns: %w", err)
	}
	s.types = make(map[string]map[string]string)
	for _, r := range rows {
		if s.types[r.Relation] == nil {
			s.types[r.Relation] = make(map[string]string)
		}
		s.types[r.Relation][r.Name] = r.Type
	}
	return nil
}

// lacking returns which of the columns a table does not have.
func (s *source) lacking(columns []string, table string) []string {
	return slices.DeleteFunc(slices.Clone(columns), func(name string) bool {
		_, has := s.types[table][name]
		return has
	})
}

// checkColumns fails where a table that is there lacks a column that is read, or the reports one of
// more, or where a column cannot be summed up.
func (s *source) checkColumns(more []string) error {
	var errs []error
	for _, table := range tables() {
		want := readColumns()[table]
		if table == "diagnosis_reports" {
			want = append(want, more...)
		}
		if lacks := s.lacking(want, table); len(s.types[table]) > 0 && len(lacks) > 0 {
			errs = append(errs, fmt.Errorf("the table %s has no column %s", table, strings.Join(lacks, ", ")))
		}
	}
	if s.class("diagnosis_reports", "score") == textual {
		errs = append(errs, errors.New("the column score of diagnosis_reports is text: want a number"))
	}
	return errors.Join(errs...)
}

// missing returns which of the named tables and indexes the database does not have, and whether the
// reports are a view.
func (s *source) missing(ctx context.Context, names []string) (missing []string, view bool, err error) {
	query := presentSQLite
	if s.postgres {
		query = presentPostgres
	}
	type row struct {
		Name   string `db:"name"`
		IsView bool   `db:"is_view"`
	}
	present, err := selectRows[row](ctx, s, query)
	if err != nil {
		return nil, false, err
	}
	view = slices.Contains(present, row{"diagnosis_reports", true})
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(present, func(r row) bool { return r.Name == name })
	}), view, nil
}

// checkSchema fails where a table or a column is missing.
func (s *source) checkSchema(ctx context.Context) error {
	missing, _, err := s.missing(ctx, tables())
	switch {
	case err != nil:
		return fmt.Errorf("db: read its schema: %w", err)
	case len(missing) > 0:
		return fmt.Errorf("db has no table %s: create the schema with loaders.Migrate", strings.Join(missing, ", "))
	}
	if err := s.readTypes(ctx); err != nil {
		return err
	}
	if err := s.checkColumns(nil); err != nil {
		return err
	}
	if lacks := s.lacking(addedColumns(), "diagnosis_reports"); len(lacks) > 0 {
		return fmt.Errorf("the table diagnosis_reports has no column %s: add it with loaders.Migrate", strings.Join(lacks, ", "))
	}
	return nil
}
