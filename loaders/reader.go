package loaders

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// reader reads one kind of value in the three ways a cache asks for it. All three turn a row into a value by the same function, and
// both queries select the same columns: that is what makes a warmed value the same as a loaded one.
type reader[R, V any] struct {
	source *source
	what   string // for errors: brands
	ranked string // the rows worth warming, best first; its one placeholder is the LIMIT
	byKey  string // the rows of given keys; its one placeholder is the IN list
	entry  func(R) (key string, value V)
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
	rows, err := selectIn[R](ctx, r.source, r.byKey, keys)
	if err != nil {
		err = fmt.Errorf("loaders: read %d %s: %w", len(keys), r.what, err)
	}
	found := make(map[string]V, len(rows))
	for _, row := range rows {
		key, value := r.entry(row)
		found[key] = value
	}
	return found, err
}

// warm returns a warmup loader of the first limit rows; negative is none.
func (r reader[R, V]) warm(limit int) func(context.Context, func(string, V) error) error {
	return func(ctx context.Context, emit func(string, V) error) error {
		if limit <= 0 {
			return nil
		}
		rows, err := selectRows[R](ctx, r.source, r.ranked, limit)
		if err != nil {
			return fmt.Errorf("loaders: read the first %d %s: %w", limit, r.what, err)
		}
		for _, row := range rows {
			if err := emit(r.entry(row)); err != nil {
				return err
			}
		}
		return nil
	}
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
	ScoreSum     int64   `db:"score_sum"`
	LastReportAt instant `db:"last_report_at"`
}

func (r statsRow) stats() ReportStats {
	return ReportStats{
		Completed: r.Completed, Failed: r.Failed, Scored: r.Scored,
		AverageScore: mean(r.ScoreSum, r.Scored), LastReportAt: r.LastReportAt.Time,
	}
}

// mean is to two decimals, and made here of integers: databases differ in the last digit of an AVG.
func mean(sum, n int64) float64 {
	if n == 0 {
		return 0
	}
	return math.Round(float64(sum)/float64(n)*100) / 100
}
