package loaders_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
)

const insertReport = `INSERT INTO diagnosis_reports (execution_id, brand_name, user_id, question_id, status, score, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)`

// noon is written as time.Time, as a service would.
func noon() time.Time { return time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC) }

func migrated(t *testing.T, db database) *sqlx.DB {
	t.Helper()
	pool := db(t)
	if err := loaders.Migrate(t.Context(), pool); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	return pool
}

func testTies(t *testing.T, db database) {
	t.Helper()
	pool := migrated(t, db)
	// By bytes "Zeta" comes before "alpha" and "é" last; by the rules of a language they do not.
	order := []string{"Zeta", "alpha", "beta", "é"}
	for _, name := range []string{"é", "beta", "Zeta", "alpha"} {
		exec(t, pool, insertReport, "id-"+name, name, name, name, "completed", 50, noon())
	}
	c := openCaches(t, pool, loaders.Config{Brands: 3, Reports: 3, Questions: 3, Users: 3})
	wantIDs := []string{"id-Zeta", "id-alpha", "id-beta"}
	for _, loader := range []struct {
		got  []string
		want []string
	}{
		{emitted(t, c.Brands), order[:3]},
		{emitted(t, c.Questions), order[:3]},
		{emitted(t, c.Users), order[:3]},
		{emitted(t, c.Reports), wantIDs},
	} {
		if diff := cmp.Diff(loader.want, loader.got); diff != "" {
			t.Errorf("keys in the order of emission (-want +got):\n%s", diff)
		}
	}
}

// emitted runs the loaders of c and returns the keys in their order.
func emitted[V any](t *testing.T, c *tiercache.Cache[string, V]) []string {
	t.Helper()
	var keys []string
	for _, l := range c.Loaders() {
		result := c.WarmLoader(t.Context(), l.Name, tiercache.WarmOptions{Stored: func(key string) { keys = append(keys, key) }})
		if result.Err != nil {
			t.Fatalf("%s: %v", l.Name, result.Err)
		}
	}
	return keys
}

func testOneConnection(t *testing.T, db database) {
	t.Helper()
	pool := seeded(t, db, 2000, 3)
	conn, err := pool.Connx(t.Context())
	if err != nil {
		t.Fatalf("Conn: %v", err)
	}
	defer closed(t, conn)
	c := openCaches(t, conn, loaders.Config{})
	var all sync.WaitGroup
	for _, target := range c.Targets() {
		for _, l := range target.Loaders() {
			all.Go(func() {
				if r := target.WarmLoader(t.Context(), l.Name, tiercache.WarmOptions{}); r.Err != nil {
					t.Errorf("%s over a *sqlx.Conn: %v", l.Name, r.Err)
				}
			})
		}
		all.Go(func() {
			if _, err := c.Users.Get(t.Context(), target.Name()); !errors.Is(err, tiercache.ErrNotFound) {
				t.Errorf("Get beside them: %v, want ErrNotFound", err)
			}
		})
	}
	all.Wait()
}

func testEmpty(t *testing.T, db database) {
	t.Helper()
	c := openCaches(t, migrated(t, db), loaders.Config{})
	got := warmAll(t, c)
	if got.len() != 2 {
		t.Errorf("%d items warmed from an empty database, want the 2 responses", got.len())
	}
	want := `{"reports":0,"brands":0,"top":[],"other":0}`
	if data := string(got.Responses["brand_distribution"].Data); data != want {
		t.Errorf("brand_distribution = %s, want %s", data, want)
	}
	if _, err := c.Responses.Get(t.Context(), "nonsense"); !errors.Is(err, tiercache.ErrNotFound) {
		t.Errorf("Get of an unknown response: %v, want ErrNotFound", err)
	}
}

func testHostileKeys(t *testing.T, db database) {
	t.Helper()
	pool := migrated(t, db)
	hostile := []string{
		"", "'", `"`, `\`, "'; DROP TABLE diagnosis_reports; --", "x' OR '1'='1", "%", "_", "?", "$1", ":name", "a:b:c", "{x}", "\n\r\t", strings.Repeat("long", 10_000),
		"日本語", "👩‍👩‍👧", "e\u0301", "\u202Eabc",
	}
	unstorable := []string{"a\x00b", "\x00", "\xff\xfe", "caf\xe9"}
	c := openCaches(t, pool, loaders.Config{NegativeTTL: -1})
	for _, name := range slices.Concat(hostile, unstorable) {
		if got, err := c.Brands.Get(t.Context(), name); !errors.Is(err, tiercache.ErrNotFound) {
			t.Errorf("Get(%.40q) of an empty database = %v, %v; want ErrNotFound", name, got, err)
		}
		if got, err := c.Reports.Get(t.Context(), name); !errors.Is(err, tiercache.ErrNotFound) {
			t.Errorf("Reports.Get(%.40q) of an empty database = %v, %v; want ErrNotFound", name, got, err)
		}
	}
	for i, name := range hostile {
		if len(name) > 2000 {
			continue // longer than what PostgreSQL puts into an index
		}
		exec(t, pool, insertReport, fmt.Sprintf("id-%d", i), name, nil, nil, "completed", 50, noon())
	}
	found, err := c.Brands.GetMany(t.Context(), slices.Concat(hostile, unstorable))
	if err != nil {
		t.Errorf("GetMany: %v", err)
	}
	for _, name := range hostile {
		if len(name) > 2000 {
			continue
		}
		one, err := c.Brands.Refresh(t.Context(), name)
		if err != nil || one.BrandName != name || one.ReportCount != 1 {
			t.Errorf("Refresh(%q) = %+v, %v; want its one report", name, one, err)
		}
		if diff := cmp.Diff(one, found[name]); diff != "" {
			t.Errorf("GetMany of %q (-Refresh +GetMany):\n%s", name, diff)
		}
		delete(found, name)
	}
	if len(found) > 0 {
		t.Errorf("GetMany found %v beside what there is", found)
	}
}

func testEveryStatus(t *testing.T, db database) {
	t.Helper()
	pool := migrated(t, db)
	exec(t, pool, insertReport, "no-brand", nil, nil, nil, "completed", 50, noon())
	exec(t, pool, insertReport, "early", "Nike", nil, nil, "completed", nil, noon().Add(-time.Hour))
	exec(t, pool, insertReport, "late", "Nike", nil, nil, "completed", nil, noon().Add(500*time.Millisecond))
	for _, status := range []string{"failed", "running", "pending"} {
		exec(t, pool, insertReport, status, "Nike", nil, nil, status, nil, noon().Add(time.Hour))
	}
	c := openCaches(t, pool, loaders.Config{})
	if got, want := emitted(t, c.Reports), []string{"late", "no-brand", "early"}; !cmp.Equal(got, want) {
		t.Errorf("recent_reports warmed %v, want %v: completed ones, latest first", got, want)
	}
	for _, id := range []string{"failed", "running", "pending"} {
		got, err := c.Reports.Get(t.Context(), id)
		if err != nil || got.Status != id || !got.CreatedAt.Equal(noon().Add(time.Hour)) || got.CreatedAt.Location() != time.UTC {
			t.Errorf("Get(%s) = %+v, %v; want that report, its time in UTC", id, got, err)
		}
	}
	if got, err := c.Reports.Get(t.Context(), "no-brand"); err != nil || got.BrandName != nil {
		t.Errorf("Get(no-brand) = %+v, %v; want a nil BrandName", got, err)
	}
	nike, err := c.Brands.Get(t.Context(), "Nike")
	want := loaders.BrandStats{BrandName: "Nike", ReportCount: 5, TTL: 3600, Stats: loaders.ReportStats{
		Completed: 2, Failed: 1, LastReportAt: noon().Add(time.Hour),
	}}
	if diff := cmp.Diff(want, nike); err != nil || diff != "" {
		t.Errorf("Brands.Get(Nike): %v (-want +got):\n%s", err, diff)
	}
}

func testDeleted(t *testing.T, db database) {
	t.Helper()
	pool := migrated(t, db)
	exec(t, pool, insertReport, "1", nil, "gone", "gone", "completed", 80, noon())
	exec(t, pool, `INSERT INTO users (user_id, name) VALUES (?, ?)`, "idle", "Ida")
	c := openCaches(t, pool, loaders.Config{})
	warmed := warmAll(t, c)
	u, userErr := openCaches(t, pool, loaders.Config{}).Users.Get(t.Context(), "gone")
	q, questionErr := openCaches(t, pool, loaders.Config{}).Questions.Get(t.Context(), "gone")
	if userErr != nil || questionErr != nil || u.ReportCount != 1 || q.ReportCount != 1 || u.Name != "" || q.Text != "" {
		t.Errorf("Get of what was deleted = %+v, %v; %+v, %v; want statistics without a name", u, userErr, q, questionErr)
	}
	if diff := cmp.Diff(warmed.Users["gone"], u) + cmp.Diff(warmed.Questions["gone"], q); diff != "" {
		t.Errorf("warmed and loaded differ (-warmed +got):\n%s", diff)
	}
	if _, err := c.Users.Get(t.Context(), "idle"); !errors.Is(err, tiercache.ErrNotFound) {
		t.Errorf("Get of a user without reports: %v, want ErrNotFound", err)
	}
}

// counted counts the queries that reach the database, and remembers the most arguments of one.
type counted struct {
	*sqlx.DB

	queries, mostArgs atomic.Int64
}

func (c *counted) SelectContext(ctx context.Context, dest any, query string, args ...any) error {
	c.queries.Add(1)
	c.mostArgs.Store(max(c.mostArgs.Load(), int64(len(args))))
	return c.DB.SelectContext(ctx, dest, query, args...)
}

func testManyKeys(t *testing.T, db database) {
	t.Helper()
	pool := &counted{DB: seeded(t, db, 4000, 9)}
	c := openCaches(t, pool, loaders.Config{})
	var ids []string
	if err := pool.DB.SelectContext(t.Context(), &ids, `SELECT execution_id FROM diagnosis_reports`); err != nil {
		t.Fatalf("read ids: %v", err)
	}
	for i := range 1000 {
		ids = append(ids, fmt.Sprintf("unknown-%d", i))
	}
	pool.queries.Store(0)
	found, err := c.Reports.GetMany(t.Context(), ids)
	if err != nil || len(found) != 4000 {
		t.Errorf("GetMany of 5000 keys: %d found, %v; want 4000", len(found), err)
	}
	if q, a := pool.queries.Load(), pool.mostArgs.Load(); q != 10 || a != 500 {
		t.Errorf("%d queries of at most %d keys; want 10 of 500", q, a)
	}
	pool.queries.Store(0)
	if got := warmAll(t, openCaches(t, pool, loaders.Config{})).len(); got != 192 {
		t.Errorf("%d items warmed, want 192", got)
	}
	asks := int64(2) // SQLite has no version()
	if isPostgres(pool.DB) {
		asks = 1
	}
	if q := pool.queries.Load(); q != asks+2+6 {
		t.Errorf("Open and a warm run made %d queries; want one or two for what the database is, 2 for the schema, one for each of 4 loaders, 2 for the responses", q)
	}
}

func testCancelled(t *testing.T, db database) {
	t.Helper()
	pool := seeded(t, db, 500, 1)
	c := openCaches(t, pool, loaders.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Brands.Get(ctx, "Nike"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get with a cancelled context: %v", err)
	}
	for _, target := range c.Targets() {
		for _, l := range target.Loaders() {
			if r := target.WarmLoader(ctx, l.Name, tiercache.WarmOptions{}); !errors.Is(r.Err, context.Canceled) || r.Emitted != 0 {
				t.Errorf("%s with a cancelled context: %+v; want context.Canceled and nothing emitted", l.Name, r)
			}
		}
	}
	if _, err := loaders.Open(ctx, pool, nil, loaders.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with a cancelled context: %v", err)
	}
	if err := loaders.Migrate(ctx, pool); !errors.Is(err, context.Canceled) {
		t.Errorf("Migrate with a cancelled context: %v", err)
	}
}
