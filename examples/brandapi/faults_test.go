package main_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/loaders"
)

// refused launches the program, which must end with the code 1 and all of these words in its last
// message.
func refused(t *testing.T, words []string, variables ...string) {
	t.Helper()
	p := launch(t, variables...)
	if code := p.wait(60 * time.Second); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	_, message, found := strings.Cut(p.log.String(), "brandapi: ")
	for _, word := range words {
		if !found || !strings.Contains(message, word) {
			t.Errorf("the message lacks %q: %s", word, p.log)
		}
	}
	if strings.Contains(p.log.String(), "panic") || strings.Contains(p.log.String(), "goroutine ") {
		t.Errorf("it panicked: %s", p.log)
	}
}

func TestBadVariables(t *testing.T) {
	t.Parallel()
	t.Run("all are named in one error", func(t *testing.T) {
		t.Parallel()
		refused(t, []string{
			"bad configuration", `ADDR="nowhere"`, "DATABASE_URL", "REDIS_URL", "ADMIN_TOKEN", `DEMO_REPORTS="many"`, `REDIS_TIMEOUT="0s"`,
			`CACHE_WARMUP_ENABLED="perhaps"`, `WARMUP_SCHEDULE="61 * * * *"`, `minute "61"`, `WARMUP_THREAD_COUNT="0"`,
			`BRAND_STATS_TTL="soon"`, `WARMUP_POPULAR_BRANDS_COUNT="-1"`,
		},
			"ADDR=nowhere", "DATABASE_URL=postgres://user:"+secret+"@host:port/name", "REDIS_URL=redis:"+secret+"@host:port", "ADMIN_TOKEN=two "+secret,
			"DEMO_REPORTS=many", "REDIS_TIMEOUT=0s", "CACHE_WARMUP_ENABLED=perhaps", "WARMUP_SCHEDULE=61 * * * *", "WARMUP_THREAD_COUNT=0",
			"BRAND_STATS_TTL=soon", "WARMUP_POPULAR_BRANDS_COUNT=-1")
	})
	for name, tt := range map[string]struct {
		words     []string
		variables []string
	}{
		"a schedule with a comment behind it":  {[]string{"WARMUP_SCHEDULE", "#"}, []string{"WARMUP_SCHEDULE=0 3 * * * # at night"}},
		"a schedule that never fires":          {[]string{"WARMUP_SCHEDULE", "0 0 31 2 *"}, []string{"WARMUP_SCHEDULE=0 0 31 2 *"}},
		"a task that does not exist":           {[]string{`"nobody"`, "known: popular_brands"}, []string{"WARMUP_PRIORITY=popular_brands,nobody"}},
		"a Redis without its slashes":          {[]string{"REDIS_URL", "redis://USER"}, []string{"REDIS_URL=redis:" + secret}},
		"a database of another kind":           {[]string{"DATABASE_URL", "postgres://USER"}, []string{"DATABASE_URL=mysql://user:" + secret + "@host/name"}},
		"MySQL's form of an address":           {[]string{"DATABASE_URL", "host=HOST"}, []string{"DATABASE_URL=user:" + secret + "@tcp(host)/name"}},
		"words of another database":            {[]string{"DATABASE_URL", "host=HOST"}, []string{"DATABASE_URL=server=host;password=" + secret}},
		"a password with a slash":              {[]string{"DATABASE_URL", "percent-encode"}, []string{"DATABASE_URL=postgres://user:1/" + secret + "@host/name"}},
		"a Redis password with a hash":         {[]string{"REDIS_URL", "percent-encode"}, []string{"REDIS_URL=redis://user:1#" + secret + "@host/0"}},
		"a database in memory":                 {[]string{"DATABASE_URL=:memory:"}, []string{"DATABASE_URL=:memory:"}},
		"an option that SQLite files have not": {[]string{"DATABASE_URL", "?mode=ro"}, []string{"DATABASE_URL=file:x.db?cache=shared"}},
		"an address without a port":            {[]string{`ADDR="127.0.0.1"`, "HOST:PORT"}, []string{"ADDR=127.0.0.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, tt.words, tt.variables...)
		})
	}
	t.Run("an address in use", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close() //nolint:errcheck // nothing is left to lose
		file := filepath.Join(t.TempDir(), "brands.db")
		refused(t, []string{"ADDR=", listener.Addr().String(), "address already in use"}, "ADDR="+listener.Addr().String(), "DATABASE_URL="+file)
		if _, err := os.Stat(file); err == nil {
			t.Error("a database was made for a service that cannot listen")
		}
	})
}

func TestBadDatabase(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		content func(t *testing.T, path string) // makes what is at the path
		words   []string
		mode    string
	}{
		"a missing folder": {
			func(*testing.T, string) {},
			[]string{"database file", "missing/brands.db", "its folder", "does not exist"},
			"/missing/brands.db",
		},
		"a missing file that must not be made": {func(*testing.T, string) {}, []string{"database file", "it does not exist"}, "?mode=ro"},
		"a folder":                             {makeFolder, []string{"database file", "it is a folder"}, ""},
		"a device":                             {makeDevice, []string{"database file", "no regular file"}, ""},
		"no database": {
			func(t *testing.T, path string) {
				t.Helper()
				write(t, path, strings.Repeat("a long text\n", 99))
			},
			[]string{"database file", "file is not a database"},
			"",
		},
		"an empty file that nobody may write": {
			func(t *testing.T, path string) {
				t.Helper()
				write(t, path, "")
				if err := os.Chmod(path, 0o444); err != nil {
					t.Fatal(err)
				}
			},
			[]string{"database file", "no table diagnosis_reports"},
			"",
		},
		"another application's": {
			func(t *testing.T, path string) {
				t.Helper()
				execute(t, path, `CREATE TABLE orders (id INTEGER PRIMARY KEY)`, `INSERT INTO orders VALUES (7)`, `CREATE TABLE users (name TEXT)`)
			},
			[]string{"database file", "another application", `"orders"`, "nothing was changed"},
			"",
		},
		"one whose users are not like ours": {
			func(t *testing.T, path string) {
				t.Helper()
				execute(t, path, `CREATE TABLE diagnosis_reports (execution_id TEXT, brand_name TEXT, status TEXT, created_at TEXT)`, `CREATE TABLE users (user_id TEXT, full_name TEXT)`)
			},
			[]string{"database file", "the table users has no column name"},
			"",
		},
		"one whose table is not like ours": {
			func(t *testing.T, path string) {
				t.Helper()
				execute(t, path, `CREATE TABLE diagnosis_reports (number INTEGER)`, `INSERT INTO diagnosis_reports VALUES (7)`)
			},
			[]string{"database file", "diagnosis_reports", "column"},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "place")
			tt.content(t, path)
			before, bytes := rows(t, path), content(path)
			refused(t, tt.words, "DATABASE_URL=sqlite:"+path+tt.mode)
			if diff := cmp.Diff(before, rows(t, path)); diff != "" {
				t.Errorf("what was there has changed (-before +after):\n%s", diff)
			}
			if content(path) != bytes {
				t.Error("the file that was refused has changed: it may have been switched to WAL")
			}
		})
	}
	t.Run("a PostgreSQL that does not answer", func(t *testing.T) {
		t.Parallel()
		refused(t, []string{`PostgreSQL database "name" on 127.0.0.1:1`, "connection refused"}, "DATABASE_URL=postgres://user:"+secret+"@127.0.0.1:1/name")
	})
}

// content is the bytes of a file, "" where there is none.
func content(path string) string {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	text, _ := os.ReadFile(path)
	return string(text)
}

func makeFolder(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func makeDevice(t *testing.T, path string) {
	t.Helper()
	if err := os.Symlink(os.DevNull, path); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// execute runs statements on an SQLite file.
func execute(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sqlx.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // each statement was committed
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// rows is what is at a path: the number of rows of each table of an SQLite file, else the text.
func rows(t *testing.T, path string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "SQLite format 3") {
		return map[string]int{string(text): 1}
	}
	db, err := sqlx.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // nothing was written
	var names []string
	if err := db.Select(&names, `SELECT name FROM sqlite_master WHERE type = 'table'`); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, name := range names {
		var n int
		if err := db.Get(&n, `SELECT COUNT(*) FROM "`+name+`"`); err != nil {
			t.Fatal(err)
		}
		if n > 0 { // a table of ours that was added, and is empty, takes nothing away
			counts[name] = n
		}
	}
	return counts
}

func TestDatabaseInUse(t *testing.T) {
	t.Parallel()
	report := `INSERT INTO diagnosis_reports (execution_id, brand_name, status) VALUES ('mine', 'Acme', 'completed')`
	t.Run("one with reports is served and never filled", func(t *testing.T) {
		t.Parallel()
		file := filled(t)
		execute(t, file, `DELETE FROM demo_seeds`, `DELETE FROM diagnosis_reports`, `DELETE FROM users`, report)
		s := serve(t, "DATABASE_URL="+file)
		s.warmed()
		if a := s.get("/api/brands/Acme"); a.field("report_count") != 1.0 {
			t.Errorf("its own brand: %d %s", a.code, a.body)
		}
		if a := s.get("/api/monitoring"); a.field("data", "reports") != 1.0 {
			t.Errorf("monitoring: %s, want 1 report", a.body)
		}
		s.terminate()
	})
	t.Run("one with users alone is not filled", func(t *testing.T) {
		t.Parallel()
		file := filled(t)
		execute(t, file, `DELETE FROM demo_seeds`, `DELETE FROM diagnosis_reports`)
		s := serve(t, "DATABASE_URL="+file)
		s.warmed()
		if a := s.get("/api/monitoring"); a.field("data", "reports") != 0.0 || !strings.Contains(s.log.String(), "no demo data is added") {
			t.Errorf("monitoring: %s, want no report, and a log line that says so", a.body)
		}
		s.terminate()
	})
	t.Run("a read-only file is served", func(t *testing.T) {
		t.Parallel()
		file := filled(t)
		if err := os.Chmod(file, 0o444); err != nil {
			t.Fatal(err)
		}
		s := serve(t, "DATABASE_URL="+file)
		s.warmed()
		ask(s, readSQLite(t, file), "memory")
		s.terminate()
	})
	t.Run("a read-only file in a read-only folder", func(t *testing.T) {
		t.Parallel()
		file := filled(t)
		for path, mode := range map[string]os.FileMode{file: 0o444, filepath.Dir(file): 0o555, filepath.Dir(filepath.Dir(file)): 0o755} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { os.Chmod(filepath.Dir(file), 0o755) }) //nolint:errcheck // else it cannot be removed
		s := listen(asNobody(t, "DATABASE_URL="+file))
		s.warmed()
		if a := s.get("/api/brands/Nike"); a.field("brand_name") != "Nike" || !strings.Contains(s.log.String(), "must not change") {
			t.Errorf("from a read-only folder: %d %s", a.code, a.body)
		}
		s.terminate()
	})
	t.Run("a read-only folder beside a log of changes", func(t *testing.T) {
		t.Parallel()
		file := filled(t)
		write(t, file+"-wal", "changes")
		for path, mode := range map[string]os.FileMode{file: 0o444, filepath.Dir(file): 0o555, filepath.Dir(filepath.Dir(file)): 0o755} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { os.Chmod(filepath.Dir(file), 0o755) }) //nolint:errcheck // else it cannot be removed
		p := asNobody(t, "DATABASE_URL="+file)
		if code := p.wait(60 * time.Second); code != 1 || !strings.Contains(p.log.String(), "brandapi: database file "+file) || !strings.Contains(p.log.String(), "wal_checkpoint") {
			t.Errorf("exit code %d, want 1 and a message that says what to do: %s", code, p.log)
		}
	})
	t.Run("mode=ro without the demo's own table and without indexes", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "own.db")
		execute(t, file, `CREATE TABLE users (user_id TEXT, name TEXT)`, `CREATE TABLE questions (question_id TEXT, text TEXT)`,
			`CREATE TABLE diagnosis_reports (execution_id TEXT, brand_name TEXT, user_id TEXT, question_id TEXT, status TEXT, score REAL, created_at TEXT)`,
			`INSERT INTO diagnosis_reports VALUES ('e', 'Acme', 'u', 'q', 'completed', 1.5, '2026-01-02 03:04:05')`)
		before := content(file)
		s := serve(t, "DATABASE_URL=sqlite:"+file+"?mode=ro")
		s.warmed()
		if a := s.get("/api/brands/Acme"); a.field("report_count") != 1.0 {
			t.Errorf("its own brand: %d %s", a.code, a.body)
		}
		s.terminate()
		if content(file) != before {
			t.Error("mode=ro has changed the file")
		}
	})
	t.Run("a folder in which no file can be made", func(t *testing.T) {
		t.Parallel()
		folder := t.TempDir()
		for path, mode := range map[string]os.FileMode{folder: 0o555, filepath.Dir(folder): 0o755} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		p := asNobody(t, "DATABASE_URL="+filepath.Join(folder, "brands.db"))
		if code := p.wait(60 * time.Second); code != 1 || !strings.Contains(p.log.String(), "it cannot be made") ||
			!strings.Contains(p.log.String(), "permission denied") {
			t.Errorf("exit code %d, want 1 and a message that says why: %s", code, p.log)
		}
	})
}

// filled returns the path of a database as the program fills it: a copy of one that is made once,
// as that takes its time under the race detector.
func filled(t *testing.T) string {
	t.Helper()
	program.fill.Do(func() { program.database, program.fillErr = makeDatabase(t) })
	if program.fillErr != nil {
		t.Fatal(program.fillErr)
	}
	file := filepath.Join(t.TempDir(), "brands.db")
	write(t, file, string(program.database))
	return file
}

// makeDatabase returns the bytes of an SQLite file with the program's demo data.
func makeDatabase(t *testing.T) ([]byte, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "brands.db")
	db, err := sqlx.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_txlock=immediate&_time_format=sqlite")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(loaders.SeedDemo(t.Context(), db, 3000, 1), db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// asNobody launches the program so that file modes bind it: not as root.
func asNobody(t *testing.T, variables ...string) *process {
	t.Helper()
	p := prepare(t, variables...)
	if os.Getuid() == 0 {
		const nobody = 65534
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		p.cmd.Dir = os.TempDir()
	}
	p.begin()
	return p
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	t.Run("it comes up later", func(t *testing.T) {
		t.Parallel()
		redis := redistest.Start(t)
		redis.Kill()
		s := serve(t, "DATABASE_URL="+filled(t), "REDIS_URL=redis://user:"+secret+"@"+redis.Addr())
		s.warmed()
		// From memory at first, and from the source once memory has not heard other nodes for
		// DegradedTTL.
		if a := s.get("/api/brands/Nike"); a.code != http.StatusOK || a.header.Get("X-Cache") != "memory" && a.header.Get("X-Cache") != "source" {
			t.Errorf("without Redis: %d, X-Cache %q, want it from memory or the source", a.code, a.header.Get("X-Cache"))
		}
		if a := s.get("/api/users/none"); a.code != http.StatusNotFound {
			t.Errorf("a miss without Redis: %d %s", a.code, a.body)
		}
		if !strings.Contains(s.log.String(), "Redis does not answer") {
			t.Error("the log does not say that Redis does not answer")
		}
		redis.Restart()
		redis.Do("ACL", "SETUSER", "user", "on", ">"+secret, "allkeys", "allcommands", "allchannels")
		redistest.Eventually(t, 20*time.Second, func() error {
			a := s.do("POST", "/api/cache/warmup/execute", `{"wait":"30s"}`)
			if n, _ := redis.Do("EXISTS", "brand_stats:Nike", "api_response:monitoring").(int64); n != 2 {
				return errors.New("Redis is up and was not filled: " + a.body)
			}
			return nil
		})
		s.terminate()
	})
	t.Run("it swallows every packet", func(t *testing.T) {
		t.Parallel()
		file := filled(t)
		began := time.Now()
		s := serve(t, "DATABASE_URL="+file, "REDIS_URL=redis://:"+secret+"@"+redistest.Blackhole(t), "REDIS_TIMEOUT=", "AUTO_WARMUP_ON_STARTUP=false")
		if took := time.Since(began); took > 20*time.Second { // a dial of the system's own patience takes two minutes
			t.Errorf("it listens after %v", took)
		}
		if a := s.get("/api/brands/Nike"); a.code != http.StatusOK || a.header.Get("X-Cache") != "source" {
			t.Errorf("with a Redis that swallows all: %d %s, want it from the source", a.code, a.body)
		}
		s.terminate()
	})
	t.Run("it refuses the password", func(t *testing.T) {
		t.Parallel()
		redis := redistest.Start(t, "--requirepass", "another")
		refused(t, []string{"REDIS_URL", redis.Addr(), "refuses", "WRONGPASS"}, "REDIS_URL=redis://:"+secret+"@"+redis.Addr())
	})
	t.Run("it does not know AUTH, and repeats the password in saying so", func(t *testing.T) {
		t.Parallel()
		redis := redistest.Start(t, "--rename-command", "AUTH", "", "--rename-command", "HELLO", "")
		refused(t, []string{"REDIS_URL", redis.Addr(), "refuses", "unknown command"}, "DATABASE_URL="+filled(t), "REDIS_URL=redis://:"+secret+"@"+redis.Addr())
	})
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	t.Run("without a token, on a loopback address", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "DATABASE_URL="+filled(t), "AUTO_WARMUP_ON_STARTUP=false")
		for name, tt := range map[string]struct {
			body   string
			header []string
			code   int
			word   string
		}{
			"an unknown task":         {`{"tasks":["popular_brands","nobody"]}`, nil, 400, "nobody"},
			"no JSON":                 {`{"tasks":`, nil, 400, "JSON"},
			"an unknown field":        {`{"taks":[]}`, nil, 400, "taks"},
			"a field of another type": {`{"tasks":"popular_brands"}`, nil, 400, "tasks"},
			"a bad wait":              {`{"wait":"soon"}`, nil, 400, "soon"},
			"a huge body":             {`{"tasks":["` + strings.Repeat("x", 70_000) + `"]}`, nil, 413, "larger"},
			"another site's page":     {``, []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403, "another site"},
			"a name bent to us":       {``, []string{"Host", "evil.example:80"}, 403, "not allowed"},
		} {
			a := s.do("POST", "/api/cache/warmup/execute", tt.body, tt.header...)
			if text, _ := a.field("error").(string); a.code != tt.code || !strings.Contains(text, tt.word) {
				t.Errorf("%s: %d %s, want %d with %q", name, a.code, a.body, tt.code, tt.word)
			}
		}
		if a := s.get("/api/cache/warmup/status"); a.field("warmup", "last_metrics") != nil || a.yes("warmup", "running") {
			t.Errorf("something ran: %s", a.body)
		}
		for _, host := range []string{"LOCALHOST", "localhost.:80", "LocalHost.", "[::1]", "[::1]:80", "127.0.0.2:80"} {
			if a := s.do("POST", "/api/cache/warmup/execute", `{"dry_run":true}`, "Host", host); a.code/100 != 2 {
				t.Errorf("Host %s: %d %s, want 202", host, a.code, a.body)
			}
		}
		for _, host := range []string{"localhost.evil.example", "127.0.0.1.evil.example", "[::2]", "::1.evil.example:80"} {
			if a := s.do("POST", "/api/cache/warmup/execute", `{"dry_run":true}`, "Host", host); a.code != http.StatusForbidden {
				t.Errorf("Host %s: %d %s, want 403", host, a.code, a.body)
			}
		}
		s.terminate()
	})
	t.Run("without a token, on all addresses", func(t *testing.T) {
		t.Parallel()
		p := launch(t, "DATABASE_URL="+filled(t), "ADDR=0.0.0.0:0")
		s := listen(p)
		if a := s.do("POST", "/api/cache/warmup/execute", ""); a.code != http.StatusForbidden {
			t.Errorf("execute: %d %s, want 403", a.code, a.body)
		}
		s.terminate()
	})
	t.Run("with a token", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "DATABASE_URL="+filled(t), "ADMIN_TOKEN="+secret, "AUTO_WARMUP_ON_STARTUP=false")
		for header, code := range map[string]int{"": 401, "Bearer wrong": 401, secret: 401, "Bearer " + secret: 202} {
			if a := s.do("POST", "/api/cache/warmup/execute", "", "Authorization", header); a.code != code {
				t.Errorf("execute with Authorization %q: %d %s, want %d", header, a.code, a.body, code)
			}
		}
		s.terminate()
	})
	t.Run("warming switched off", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "DATABASE_URL="+filled(t), "CACHE_WARMUP_ENABLED=false")
		if a := s.do("POST", "/api/cache/warmup/execute", ""); a.code != http.StatusServiceUnavailable {
			t.Errorf("execute: %d %s, want 503", a.code, a.body)
		}
		if a := s.get("/api/brands/Nike"); a.code != http.StatusOK || a.header.Get("X-Cache") != "source" {
			t.Errorf("a brand: %d, X-Cache %q, want it from the source", a.code, a.header.Get("X-Cache"))
		}
		s.terminate()
	})
}
