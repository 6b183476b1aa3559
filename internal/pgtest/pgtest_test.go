package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/warmcache/warmcache/internal/pgtest"
)

func TestStart(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	first, second := server.Database(), server.Database()
	if first == second {
		t.Fatalf("two databases have one connection string: %s", first)
	}
	for _, dsn := range []string{first, second} {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatalf("Connect(%s): %v", dsn, err)
		}
		defer func() {
			if err := conn.Close(t.Context()); err != nil {
				t.Errorf("Close: %v", err)
			}
		}()
		var bytewise bool
		if err := conn.QueryRow(t.Context(), `SELECT 'B' < 'a'`).Scan(&bytewise); err != nil || bytewise {
			t.Errorf("'B' < 'a' = %v, %v; want false: text is to sort by language", bytewise, err)
		}
	}
}
