package main_test

import (
	"fmt"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/internal/pgtest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/loaders"
)

// No service runs: the commands do by themselves what one would.
func TestDirect(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env := []string{"REDIS_URL=redis://" + server.Addr(), "DATABASE_URL=" + database(t)}

	call(t, env, "status", "-direct").want(t, 0, "popular_brands", "not ready, waits for the start")
	call(t, env, "explain", "-direct", "brand_stats", "Nike").want(t, 0, `brand_stats "Nike": A read loads from the source`)
	call(t, env, "run", "-direct", "-dry-run", "popular_brands").want(t, 0, "popular_brands")
	if n := server.Do("EXISTS", "brand_stats:Nike"); n != int64(0) {
		t.Fatalf("a dry run wrote: %v", n)
	}
	call(t, env, "run", "-direct", "popular_brands", "user_stats").want(t, 0, "popular_brands ok", "2 of 2 tasks")
	if n := server.Do("EXISTS", "brand_stats:Nike"); n != int64(1) {
		t.Errorf("the run wrote nothing: %v", n)
	}
	if keys := fmt.Sprint(server.Do("KEYS", "*warm*")); !strings.Contains(keys, "popular_brands") {
		t.Errorf("the fleet's ledger does not know of the run: %s", keys)
	}
	call(t, env, "explain", "-direct", "brand_stats", "Nike").want(t, 0, "A read is answered from Redis")
	got := call(t, env, "run", "-direct", "-json", "api_responses")
	got.want(t, 0, `"name": "api_responses"`, `"status": "ok"`)

	call(t, env, "explain", "-direct", "nobody", "k").want(t, 1, "known: api_response, brand_stats, question_stats, report_info, user_stats")
	call(t, env, "run", "-direct", "nobody").want(t, 1, `"nobody"`)
	call(t, env[1:], "run", "-direct").want(t, 2, "REDIS_URL is not set")
	call(t, env[:1], "status", "-direct").want(t, 1, "DATABASE_URL is not set")
	bad := call(t, append([]string{"WARMUP_SCHEDULE=61 * * * *"}, env...), "run", "-direct")
	bad.want(t, 1, "WARMUP_SCHEDULE")
	if strings.Contains(bad.out, "popular_brands") {
		t.Errorf("it ran all the same: %s", bad.out)
	}
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	address := pgtest.Start(t).Database()
	db, err := sqlx.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the program will say what is wrong with it
	server := redistest.Start(t)
	env := []string{"REDIS_URL=redis://" + server.Addr(), "DATABASE_URL=" + address}
	call(t, env, "verify").want(t, 1, "loaders") // there is no schema
	if err := loaders.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if err := loaders.SeedDemo(t.Context(), db, 300, 1); err != nil {
		t.Fatal(err)
	}
	call(t, env, "verify").want(t, 0, "PostgreSQL database", "No findings.")
	call(t, env, "run", "-direct").want(t, 0, "popular_brands ok")
	call(t, env, "explain", "-direct", "brand_stats", "Nike").want(t, 0, "A read is answered from Redis")
}
