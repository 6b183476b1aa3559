package loaders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// reader reads one kind of value in the three ways a cache asks for it. All three turn a row into a
// value by the same function, and both queries select the same columns: that is what makes a warmed
// value the same as a loaded one.
type reader[R, V any] struct {
	source *source
	what   string // for errors: brands
	ranked string // the rows worth warming, best first; its one placeholder is the LIMIT
	byKey  string // the rows of given keys; its one placeholder is the IN list
	key    string // the column of the keys
	entry  func(R) (key string, value V, err error)
}

func (r reader[R, V]) load(ctx context.Context, key string) (V, error) {
	found, err := r.loadMany(ctx, []string{key})
	value, ok := found[key]
	if err == nil && !ok {
		err = tiercache.ErrNotFound
	}
	return value, err
}

func (r reader[R, V]) loadMany(ctx context.Context, keys []string) (map[string]V, error) {
	rows, err := selectIn[R](ctx, r.source, r.byKey, r.key, keys)
	if err != nil {
		err = fmt.Errorf("loaders: read %d %s: %w", len(keys), r.what, err)
	}
	found := make(map[string]V, len(rows))
	left, _ := r.each(rows, func(key string, value V) error { // nothing here fails
		found[key] = value
		return nil
	})
	return found, errors.Join(err, left.err(r.what))
}

// warm returns a warmup loader of the first limit rows; negative is none. A row that cannot be read
// is left out and logged, and fails nothing, as long as another can be.
func (r reader[R, V]) warm(limit int) func(context.Context, func(string, V) error) error {
	return func(ctx context.Context, emit func(string, V) error) error {
		if limit <= 0 {
			return nil
		}
		rows, err := selectRows[R](ctx, r.source, r.source.fit(r.ranked), limit)
		if err != nil {
			return fmt.Errorf("loaders: read the first %d %s: %w", limit, r.what, err)
		}
		left, err := r.each(rows, emit)
		switch {
		case err != nil:
			return err
		case left.n > 0 && left.n == len(rows):
			return left.err(r.what)
		case left.n > 0:
			r.source.log.WarnContext(ctx, "rows that cannot be read are left out", slog.String("of", r.what), slog.Int("rows", left.n), slog.Any("error", left.first))
		}
		return nil
	}
}

// each calls use for every row that can be read, until use fails.
func (r reader[R, V]) each(rows []R, use func(string, V) error) (unreadable, error) {
	var left unreadable
	for _, row := range rows {
		key, value, err := r.entry(row)
		if err != nil {
			left.add(err)
			continue
		}
		if err := use(key, value); err != nil {
			return left, err
		}
	}
	return left, nil
}

// unreadable is how many rows cannot be read, and why the first ones cannot.
type unreadable struct {
	n     int
	first error
}

// mostNamed bounds how many rows an error names.
const mostNamed = 5

func (u *unreadable) add(err error) {
	if u.n++; u.n <= mostNamed {
		u.first = errors.Join(u.first, err)
	}
}

func (u *unreadable) err(what string) error {
	if u.n == 0 {
		return nil
	}
	return fmt.Errorf("loaders: %d of the rows of %s cannot be read, such as: %w", u.n, what, u.first)
}

// ReportStats sums up the reports of one brand, question or user.
type ReportStats struct {
	Completed    int64     `json:"completed"`
	Failed       int64     `json:"failed"`
	Scored       int64     `json:"scored"`         // reports that have a score
	AverageScore float64   `json:"average_score"`  // of these, 0 to 100, to two decimals; 0 where there are none
	LastReportAt time.Time `json:"last_report_at"` // UTC
}

// statsRow is the columns that all statistics share.
type statsRow struct {
	ReportCount  int64   `db:"report_count"`
	Completed    int64   `db:"completed"`
	Failed       int64   `db:"failed"`
	Scored       int64   `db:"scored"`
	ScoreSum     float64 `db:"score_sum"` // exact where scores are whole numbers
	LastReportAt moment  `db:"last_report_at"`
}

// stats is of the brand, question or user that is called name.
func (r statsRow) stats(name string) (ReportStats, error) {
	if r.LastReportAt.fault != nil {
		return ReportStats{}, fmt.Errorf("%q: created_at: %w", name, r.LastReportAt.fault)
	}
	return ReportStats{
		Completed: r.Completed, Failed: r.Failed, Scored: r.Scored,
		AverageScore: mean(r.ScoreSum, r.Scored), LastReportAt: r.LastReportAt.Time,
	}, nil
}

// mean is to two decimals, and made here of the sum: databases differ in the last digit of an AVG.
// It is 0 where there is no such number.
func mean(sum float64, n int64) float64 {
	m := math.Round(sum/float64(n)*100) / 100
	if math.IsNaN(m) || math.IsInf(m, 0) {
		return 0
	}
	return m
}
