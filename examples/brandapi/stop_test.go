package main_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/internal/redistest"
)

func TestStop(t *testing.T) {
	t.Parallel()
	t.Run("under load, beside an open event stream", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "DATABASE_URL="+filled(t), "REDIS_URL=redis://"+redistest.Start(t).Addr())
		s.warmed()
		streamed := stream(s)
		load := newLoad(s, "/api/brands/Nike", "/api/users/none", "/api/monitoring")
		redistest.Eventually(t, time.Minute, func() error {
			if load.answered.Load() < 100 {
				return errors.New("fewer than 100 requests were answered")
			}
			return nil
		})
		s.terminate()
		load.end()
		if n := load.broken.Load(); n != 0 {
			t.Errorf("%d answers were cut off or wrong", n)
		}
		select {
		case <-streamed:
		case <-time.After(30 * time.Second):
			t.Error("the event stream outlives the service")
		}
	})
	t.Run("in the middle of filling the database", func(t *testing.T) {
		t.Parallel()
		file := "DATABASE_URL=" + filepath.Join(t.TempDir(), "brands.db")
		p := launch(t, file, "DEMO_REPORTS=5000000")
		redistest.Eventually(t, time.Minute, func() error {
			if !strings.Contains(p.log.String(), "filling the empty database") {
				return errors.New("it does not fill the database")
			}
			return nil
		})
		p.terminate()
		again := serve(t, file)
		again.warmed()
		if a := again.get("/api/monitoring"); a.field("data", "reports") != 3000.0 {
			t.Errorf("monitoring after an interrupted and a whole filling: %s, want 3000 reports", a.body)
		}
		again.terminate()
	})
}

// checkStopWhileAllHangs locks the table that all queries read: a warm-up and a request hang in the
// database when SIGTERM comes.
func checkStopWhileAllHangs(s *service, db *sqlx.DB, redis *redistest.Server) {
	s.t.Helper()
	tx, err := db.Beginx()
	if err != nil {
		s.t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // it has written nothing
	if _, err := tx.Exec(`LOCK TABLE diagnosis_reports IN ACCESS EXCLUSIVE MODE`); err != nil {
		s.t.Fatal(err)
	}
	if a := s.do("POST", "/api/cache/warmup/execute", ""); a.code != http.StatusAccepted {
		s.t.Fatalf("execute: %d %s, want 202", a.code, a.body)
	}
	load := newLoad(s, "/api/brands/Somebody")
	redistest.Eventually(s.t, time.Minute, func() error {
		var waiting int
		if err := db.Get(&waiting, `SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'`); err != nil || waiting < 5 {
			return errors.Join(err, errors.New("fewer than four tasks and a request hang in the database"))
		}
		return nil
	})
	began := time.Now()
	s.terminate()
	s.t.Logf("stopped %v after SIGTERM while everything hung", time.Since(began))
	load.end()
	if !strings.Contains(s.log.String(), "warm-ups were cut short") {
		s.t.Error("the log does not say that a warm-up was cut short")
	}
	if redis.Calls("flushall")+redis.Calls("flushdb") > 0 {
		s.t.Error("the service flushed Redis")
	}
}

// stream opens an event stream; the channel is closed when it ends.
func stream(s *service) <-chan struct{} {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+"/api/cache/warmup/events", http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := s.client.Do(request) //nolint:bodyclose // the goroutine below closes it
	if err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer response.Body.Close() //nolint:errcheck // it was read to its end
		_, _ = io.Copy(io.Discard, response.Body)
	}()
	return ended
}

// load sends requests from four goroutines until it ends.
type load struct {
	answered, broken atomic.Int64
	cancel           context.CancelFunc
	senders          sync.WaitGroup
}

func newLoad(s *service, paths ...string) *load {
	ctx, cancel := context.WithCancel(s.t.Context())
	l := &load{cancel: cancel}
	for range 4 {
		l.senders.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				a, err := s.request(ctx, http.MethodGet, paths[i%len(paths)], "")
				switch {
				case err != nil && a.code != 0:
					l.broken.Add(1) // an answer that had begun
				case err != nil:
					return // the service is gone, or l
				case a.code == http.StatusOK, a.code == http.StatusNotFound:
					l.answered.Add(1)
				default:
					l.broken.Add(1)
				}
			}
		})
	}
	s.t.Cleanup(l.end)
	return l
}

func (l *load) end() {
	l.cancel()
	l.senders.Wait()
}
