package loaders

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite"
)

// oneConnection returns demo data behind a pool of a single connection.
func oneConnection(t *testing.T) *source {
	t.Helper()
	db, err := sqlx.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "brands.db"))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	db.SetMaxOpenConns(1)
	if err := SeedDemo(t.Context(), db, 1000, 1); err != nil {
		t.Fatalf("SeedDemo: %v", err)
	}
	s, err := newSource(t.Context(), db)
	if err != nil {
		t.Fatalf("newSource: %v", err)
	}
	return s
}

func TestWarm_holdsNoConnectionInEmit(t *testing.T) {
	t.Parallel()
	s := oneConnection(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	emitted := 0
	err := reports(s).warm(10)(ctx, func(key string, want ReportInfo) error {
		emitted++
		got, err := reports(s).load(ctx, key)
		if err == nil && got.ExecutionID != want.ExecutionID {
			err = fmt.Errorf("got %s", got.ExecutionID)
		}
		return err
	})
	if err != nil || emitted != 10 {
		t.Errorf("a load within emit, one connection: %v after %d of 10 reports", err, emitted)
	}
}

func TestWarm_stopsWhenEmitFails(t *testing.T) {
	t.Parallel()
	s := oneConnection(t)
	full := errors.New("full")
	calls := 0
	refuse := func() error {
		calls++
		if calls == 3 {
			return full
		}
		return nil
	}
	if err := reports(s).warm(100)(t.Context(), func(string, ReportInfo) error { return refuse() }); !errors.Is(err, full) || calls != 3 {
		t.Errorf("warm of reports = %v after %d calls; want emit's error after 3", err, calls)
	}
	calls = 2
	if err := (responses{s}).warm(t.Context(), func(string, APIResponse) error { return refuse() }); !errors.Is(err, full) || calls != 3 {
		t.Errorf("warm of responses = %v after %d calls; want emit's error after 1", err, calls-2)
	}
}

func TestInstant(t *testing.T) {
	t.Parallel()
	want := time.Date(2025, 2, 3, 4, 5, 6, 700_000_000, time.UTC)
	for _, src := range []any{
		want, want.In(time.FixedZone("", 3600)), "2025-02-03 04:05:06.700+00:00", "2025-02-03 05:05:06.7+01:00", "2025-02-03T04:05:06.7Z", "2025-02-03 04:05:06.7",
		[]byte("2025-02-03T04:05:06.700"), "2025-02-03 04:05:06.7 +0000 UTC m=+0.1",
		"2025-02-03 05:05:06.7 +0100 +0100", "2025-02-03 05:05:06.7 +0100 home",
	} {
		var got instant
		if err := got.Scan(src); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("Scan(%v) = %v, %v; want %v", src, got, err, want)
		}
	}
	for _, src := range []any{"yesterday", 5, true} {
		if err := new(instant).Scan(src); err == nil {
			t.Errorf("Scan(%v) succeeded", src)
		}
	}
	if got := (instant{want}); got.Scan(nil) != nil || !got.IsZero() {
		t.Errorf("Scan(nil) = %v; want the zero time", got)
	}
}
