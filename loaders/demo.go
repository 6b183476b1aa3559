package loaders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"
)

// SeedDemo adds realistic, reproducible demo data; progress, where given, hears how many reports
// are done.
//
// The same reports and seed give the same rows on every machine, at any time: reports are spread
// evenly over the year 2025 (UTC), and their users and questions come from the seed, too, so that
// sets of different seeds stand beside each other. Popularity of brands, questions and users
// follows Zipf's law; Nike is always the most popular brand. About 91 % of the reports are
// completed and have a score; 2 % name no brand.
//
// It creates the schema where it is missing. An empty table is filled without its indexes, which
// are built at the end. A set that is there already, of the same seed and number of reports, is
// left as it is, without an error; the same seed with another number is an error. All is added in
// one transaction, or, after an error or when ctx ends, nothing; a *sqlx.Tx is used as it is, and
// its owner decides. progress is called in the calling goroutine.
func SeedDemo(ctx context.Context, db DB, reports int, seed uint64, progress ...func(done int)) error {
	if reports < 1 {
		return fmt.Errorf("loaders: seed demo: %d reports: want at least 1", reports)
	}
	if err := Migrate(ctx, db); err != nil {
		return fmt.Errorf("loaders: seed demo: %w", err)
	}
	err := inTransaction(ctx, db, func(tx DB) error {
		s, err := newSource(ctx, tx)
		if err != nil {
			return err
		}
		added, err := claimSeed(ctx, s, reports, seed)
		if err != nil || !added {
			report(progress, reports)
			return err
		}
		return withoutIndexes(ctx, tx, s, func() error { return addDemo(ctx, tx, s, newDemo(reports, seed), progress) })
	})
	if err != nil {
		if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return fmt.Errorf("loaders: seed demo: %w", err)
	}
	return nil
}

// inTransaction runs add in a transaction where db can begin one.
func inTransaction(ctx context.Context, db DB, add func(DB) error) error {
	b, ok := db.(interface {
		BeginTxx(ctx context.Context, opts *sql.TxOptions) (*sqlx.Tx, error)
	})
	if !ok {
		return add(db)
	}
	tx, err := b.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has nothing to do; before, the first error counts
	if err := add(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// claimSeed reports whether this set is to be added. As it writes before anything is read, a second
// process waits here until the first is done, and then finds its row.
func claimSeed(ctx context.Context, s *source, reports int, seed uint64) (bool, error) {
	name := strconv.FormatUint(seed, 10)
	result, err := s.db.ExecContext(ctx, s.rebind(`INSERT INTO demo_seeds (seed, reports) VALUES (?, ?) ON CONFLICT DO NOTHING`), name, reports)
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err == nil, err
	}
	var there []int
	if err := s.db.SelectContext(ctx, &there, s.rebind(`SELECT reports FROM demo_seeds WHERE seed = ?`), name); err != nil {
		return false, err
	}
	if len(there) != 1 || there[0] != reports {
		return false, fmt.Errorf("the database has demo data of seed %d already, of %d reports, not %d: take another seed, or an empty database", seed, there, reports)
	}
	return false, nil
}

// withoutIndexes runs add with the indexes of diagnosis_reports dropped, where the table is empty,
// and builds them from the rows then: for a million rows that takes a fifth of the time of keeping
// them up to date row by row.
func withoutIndexes(ctx context.Context, tx DB, s *source, add func() error) error {
	if s.postgres { // in SQLite claimSeed has taken the one write lock there is
		if _, err := tx.ExecContext(ctx, lockPostgres); err != nil {
			return err
		}
	}
	var ids []int64
	if err := tx.SelectContext(ctx, &ids, `SELECT id FROM diagnosis_reports LIMIT 1`); err != nil {
		return err
	}
	if len(ids) > 0 {
		return add()
	}
	for _, index := range indexes() {
		if _, err := tx.ExecContext(ctx, "DROP INDEX IF EXISTS "+index); err != nil {
			return err
		}
	}
	if err := add(); err != nil {
		return err
	}
	return Migrate(ctx, tx)
}

func addDemo(ctx context.Context, tx DB, s *source, d *demo, progress []func(int)) error {
	users := inserter{rebind: s.rebind, table: "users", columns: []string{"user_id", "name", "created_at"}}
	for _, u := range d.users {
		if err := users.add(ctx, tx, u[0], u[1], demoStart.Format(instantLayout)); err != nil {
			return err
		}
	}
	questions := inserter{rebind: s.rebind, table: "questions", columns: []string{"question_id", "text", "created_at"}}
	for _, q := range d.questions {
		if err := questions.add(ctx, tx, q[0], q[1], demoStart.Format(instantLayout)); err != nil {
			return err
		}
	}
	if err := errors.Join(users.flush(ctx, tx), questions.flush(ctx, tx)); err != nil {
		return err
	}
	rows := inserter{
		rebind:  s.rebind,
		table:   "diagnosis_reports",
		columns: []string{"execution_id", "brand_name", "user_id", "question_id", "status", "score", "created_at"},
		flushed: func(done int) { report(progress, done) },
	}
	defer rows.close()
	for range d.reports {
		r := d.next()
		if err := rows.add(ctx, tx, r.executionID, r.brand, r.user, r.question, r.status, r.score, r.createdAt.Format(instantLayout)); err != nil {
			return err
		}
	}
	return rows.flush(ctx, tx)
}

func report(progress []func(int), done int) {
	for _, hear := range progress {
		if hear != nil {
			hear(done)
		}
	}
}

// batch is how many rows one INSERT holds: enough that the statement costs little a row, few enough
// that a cancelled context is noticed at once.
const batch = 500

// inserter adds rows to a table, many in one statement, which is prepared once.
type inserter struct {
	rebind  func(string) string
	table   string
	columns []string
	flushed func(done int) // optional

	args  []any
	done  int
	ready *sqlx.Stmt
}

func (i *inserter) add(ctx context.Context, tx DB, values ...any) error {
	i.args = append(i.args, values...)
	if len(i.args) < batch*len(i.columns) {
		return nil
	}
	return i.flush(ctx, tx)
}

func (i *inserter) flush(ctx context.Context, tx DB) error {
	rows := len(i.args) / len(i.columns)
	if rows == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := i.insert(ctx, tx, rows); err != nil {
		return fmt.Errorf("insert into %s: %w", i.table, err)
	}
	i.args = i.args[:0]
	i.done += rows
	if i.flushed != nil {
		i.flushed(i.done)
	}
	return nil
}

func (i *inserter) insert(ctx context.Context, tx DB, rows int) error {
	if i.ready != nil && rows == batch {
		_, err := i.ready.ExecContext(ctx, i.args...)
		return err
	}
	row := "(" + strings.Repeat("?, ", len(i.columns)-1) + "?)"
	query := i.rebind("INSERT INTO " + i.table + " (" + strings.Join(i.columns, ", ") + ") VALUES " + strings.Repeat(row+", ", rows-1) + row)
	p, ok := tx.(interface {
		PreparexContext(ctx context.Context, query string) (*sqlx.Stmt, error)
	})
	if !ok || rows != batch {
		_, err := tx.ExecContext(ctx, query, i.args...)
		return err
	}
	ready, err := p.PreparexContext(ctx, query)
	if err != nil {
		return err
	}
	i.ready = ready
	_, err = ready.ExecContext(ctx, i.args...)
	return err
}

func (i *inserter) close() {
	if i.ready != nil {
		i.ready.Close() //nolint:errcheck // nothing is written by closing a statement
	}
}
