package dsn_test

import (
	"strings"
	"testing"

	"github.com/warmcache/warmcache/internal/dsn"
)

// parts are what stands in for a password: none of them may be shown.
func parts() []string { return []string{"hunter2", "4711", "swordfish"} }

func leaks(text string) bool {
	for _, part := range parts() {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

func TestParseDatabase_postgres(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"postgres://me:hunter2@db:5433/shop", "postgresql://me:hunter2@db:5433/shop?sslmode=disable", "Postgres://me:hunter2@db:5433/shop",
		"postgres://me:hunter2%2F%40%23@db:5433/shop", "postgres://me:hunter2%2F%40%23@db:5433/shop?application_name=x",
		"host=db port=5433 user=me password=hunter2 dbname=shop", "  user=me host = db port=5433 password='hunter2 swordfish' dbname=shop",
		"dbname=shop host=db port=5433 user=me password=hunter2 sslmode=disable", "HOST=db port=5433 dbname=shop user=me",
	} {
		d, err := dsn.ParseDatabase(text)
		if strings.HasPrefix(text, "HOST") { // pgx knows keywords in small letters alone
			if err == nil || d.Path != "" {
				t.Errorf("%q: %v, %v; want an error", text, d, err)
			}
			continue
		}
		if err != nil || d.Postgres == nil || d.Postgres.Host != "db" || d.Postgres.Port != 5433 || d.Postgres.User != "me" || d.String() != `PostgreSQL database "shop" on db:5433` {
			t.Errorf("%q: %v, %v; want PostgreSQL", text, d, err)
		}
	}
}

func TestParseDatabase_sqlite(t *testing.T) {
	t.Parallel()
	for text, readOnly := range map[string]bool{
		"/data/brands.db": false, "/data/brands.db?mode=ro": true, "sqlite:/data/brands.db": false, "sqlite:///data/brands.db": false, "file:/data/brands.db?mode=ro": true,
	} {
		if d, err := dsn.ParseDatabase(text); err != nil || d.Postgres != nil || d.Path != "/data/brands.db" || d.ReadOnly != readOnly {
			t.Errorf("%q: %+v, %v", text, d, err)
		}
	}
	for _, text := range []string{"brands.db", "./a b=c.db", "sqlite:a@b.db"} {
		if d, err := dsn.ParseDatabase(text); err != nil || d.Path == "" {
			t.Errorf("%q: %+v, %v; want a file", text, d, err)
		}
	}
}

// TestParse_refusedWithoutASecret: what is not understood, or could be understood so that a part of
// a password stands elsewhere, is refused, and no error repeats it.
func TestParse_refusedWithoutASecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"me:hunter2@tcp(db:3306)/shop", "me:hunter2@/shop", "sqlite:me:hunter2@tcp(db)/shop", "file:me:hunter2@db/shop", "sqlite://me:hunter2@db/shop", "sqlite://hunter2@db/shop",
		"mysql://me:hunter2@db/shop", "jdbc:postgresql://db/shop?password=hunter2", "sqlserver://sa:hunter2@db", "server=db;password=hunter2", "Server=db;Pwd=hunter2",
		"postgres:me:hunter2@db", "postgres:/me:hunter2@db/shop", "postgres//me:hunter2@db/shop", " postgres://me:hunter2@db/shop",
		"postgres://me:4711/hunter2@db/shop", "postgres://me:4711#hunter2@db/shop", "postgres://me:4711?hunter2@db/shop", "postgres://me:hunter2 swordfish@db/shop",
		"postgres://me:hunter2@db:port/shop", "postgres://me:hunter2%@db/shop", "postgres://me:hunter2@db/shop?hunter2=4711", "postgres://db/me%3Ahunter2%40x",
		"host=db password=hunter2 swordfish=4711", "host=db password=hunter2 swordfish", "host=db password='hunter2", "host=me:hunter2@db", "host=db user=me:hunter2", "host=a@hunter2,b",
		"host=db;user=me;password=hunter2;dbname=shop", "user=me;password=hunter2 host=db dbname=shop", "host=db dbname=shop;password=hunter2", "host=db,password=hunter2",
		"host=db dbname='host=x password=hunter2'", "postgres://db/shop;password=hunter2", "postgres://db/shop&password=hunter2", "postgres://db;password=hunter2/shop",
		"brands.db?_key=hunter2", "x.db?_pragma=key('hunter2')", "sqlite:x.db;key=hunter2", "brands.db;key=hunter2",
		"host=ok,me:hunter2@db", "", "sqlite:", ":memory:", "file::memory:", "file:x.db?key=hunter2",
	} {
		if d, err := dsn.ParseDatabase(text); err == nil {
			t.Errorf("DATABASE_URL=%q is taken for %v", text, d)
		} else if leaks(err.Error()) {
			t.Errorf("DATABASE_URL=%q: the error repeats a part of it: %v", text, err)
		}
	}
	for _, text := range []string{
		"redis:hunter2", "redis:hunter2@db:6379", "hunter2", "me:hunter2@db:6379", "http://me:hunter2@db", "redis://me:4711/hunter2@db:6379", "redis://me:4711#hunter2@db:6379/0",
		"redis://me:4711?hunter2@db:6379", "redis://me:hunter2@db:port", "redis://me:hunter2@db:6379/hunter2", "redis://me:hunter2@db:6379?hunter2=1", "redis:///0", "unix://me:4711/hunter2@/s",
		"redis://password=hunter2", "redis://db&password=hunter2", "redis://me:hunter2@a:6379,b:6379/0",
		"redis://me:hunter2@db:6379/0#swordfish", "redis://%zz:hunter2@db", "",
	} {
		if o, err := dsn.ParseRedis(text); err == nil {
			t.Errorf("REDIS_URL=%q is taken for %v", text, o.Addr)
		} else if leaks(err.Error()) {
			t.Errorf("REDIS_URL=%q: the error repeats a part of it: %v", text, err)
		}
	}
}

func TestParseRedis(t *testing.T) {
	t.Parallel()
	for text, addr := range map[string]string{
		"redis://me:hunter2@db:6380/2": "db:6380", "rediss://:hunter2%2F%40@db": "db:6379", "unix://me:hunter2@/run/redis.sock?db=1": "/run/redis.sock",
		"redis://db?protocol=2": "db:6379",
	} {
		if o, err := dsn.ParseRedis(text); err != nil || o.Addr != addr {
			t.Errorf("%q: %+v, %v; want %s", text, o, err, addr)
		}
	}
}
