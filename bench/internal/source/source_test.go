package source_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/warmcache/warmcache/bench/internal/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rows is a database that answers every query at once with three rows.
type rows struct{ err error }

func (r rows) ExecContext(context.Context, string, ...any) (sql.Result, error) { return nil, r.err }
func (r rows) Rebind(query string) string                                      { return query }
func (r rows) SelectContext(_ context.Context, dest any, _ string, _ ...any) error {
	if list, ok := dest.(*[]int); ok {
		*list = []int{1, 2, 3}
	}
	return r.err
}

// query runs n queries at once and returns how long each took, shortest first.
func query(t *testing.T, s *source.Source, n int) []time.Duration {
	t.Helper()
	took := make([]time.Duration, n)
	var all sync.WaitGroup
	for i := range took {
		all.Go(func() {
			began := time.Now()
			var dest []int
			if err := s.SelectContext(t.Context(), &dest, "SELECT 1"); err != nil {
				t.Errorf("SelectContext: %v", err)
			}
			took[i] = time.Since(began)
		})
	}
	all.Wait()
	slices.Sort(took)
	return took
}

func TestSource(t *testing.T) {
	t.Parallel()
	t.Run("service times have the median and the spread asked for", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			const n = 4000
			took := query(t, source.New(rows{}, source.Config{Connections: n, Seed: 1}), n)
			// A lognormal distribution has its 84th percentile at median × e^σ.
			for _, q := range []struct {
				at   float64
				want time.Duration
			}{{0.5, 40 * time.Millisecond}, {0.8413, 89 * time.Millisecond}, {0.1587, 18 * time.Millisecond}} {
				got := took[int(q.at*n)]
				if got < q.want*93/100 || got > q.want*107/100 {
					t.Errorf("quantile %v of %d service times is %v, want %v ± 7 %%", q.at, n, got, q.want)
				}
			}
		})
	})
	t.Run("load raises latency", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := source.New(rows{}, source.Config{Seed: 1})
			few, many := query(t, s, 10), query(t, s, 100)
			if few[5]*3 > many[50] {
				t.Errorf("median with 10 queries at once is %v, with 100 %v: want at least three times as much", few[5], many[50])
			}
		})
	})
	t.Run("the log counts queries and rows", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := source.New(rows{}, source.Config{Connections: 2, Seed: 1})
			took := query(t, s, 20)
			log := s.Log()
			if log.Queries != 20 || log.Rows != 60 || log.Failed != 0 {
				t.Errorf("log of 20 queries of 3 rows: %+v", log)
			}
			var sum time.Duration
			for _, d := range took {
				sum += d
			}
			if log.Waited+log.Busy != sum || log.Waited == 0 {
				t.Errorf("waited %v and busy %v must add up to what the callers saw, %v", log.Waited, log.Busy, sum)
			}
		})
	})
	t.Run("the same seed draws the same times", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			draw := func(seed uint64) time.Duration {
				return query(t, source.New(rows{}, source.Config{Seed: seed}), 1)[0]
			}
			if a, b, c := draw(7), draw(7), draw(8); a != b || a == c {
				t.Errorf("seeds 7, 7, 8 drew %v, %v, %v: want the first two the same, the third another", a, b, c)
			}
		})
	})
	t.Run("an error comes at once and a context ends a wait", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			broken := errors.New("broken")
			s := source.New(rows{err: broken}, source.Config{Seed: 1})
			began := time.Now()
			if _, err := s.ExecContext(t.Context(), "DELETE"); !errors.Is(err, broken) || time.Since(began) != 0 {
				t.Errorf("ExecContext: %v after %v, want %v at once", err, time.Since(began), broken)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			var dest []int
			err := source.New(rows{}, source.Config{Seed: 1}).SelectContext(ctx, &dest, "SELECT 1")
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Millisecond {
				t.Errorf("SelectContext with 1ms: %v after %v", err, time.Since(began))
			}
			if log := s.Log(); log.Failed != 1 || log.Queries != 1 {
				t.Errorf("log of one failed statement: %+v", log)
			}
		})
	})
}
