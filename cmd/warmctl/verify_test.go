package main_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/loaders"
)

// database is an SQLite file with the schema and demo data.
func database(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "demo.db")
	db, err := sqlx.Open("sqlite", "file:"+path+"?_time_format=sqlite&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the program will say what is wrong with it
	if err := loaders.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if err := loaders.SeedDemo(t.Context(), db, 300, 1); err != nil {
		t.Fatal(err)
	}
	return path
}

// report is the JSON of verify.
type report struct {
	OK     bool `json:"ok"`
	Checks []struct {
		Name string `json:"name"`
		OK   bool   `json:"ok"`
	} `json:"checks"`
	Findings []struct {
		Check   string `json:"check"`
		Message string `json:"message"`
	} `json:"findings"`
	Jobs []struct {
		Name string   `json:"name"`
		Next []string `json:"next"`
	} `json:"jobs"`
	Plan struct {
		Tasks []struct {
			Name  string `json:"name"`
			Items int    `json:"items"`
			Bytes int    `json:"bytes"`
		} `json:"tasks"`
	} `json:"plan"`
}

func verify(t *testing.T, env ...string) (outcome, report) {
	t.Helper()
	got := call(t, env, "verify", "-json")
	var r report
	if err := json.Unmarshal([]byte(got.out), &r); err != nil {
		t.Fatalf("no JSON: %v\n%s%s", err, got.out, got.err)
	}
	return got, r
}

func TestVerify_allIsWell(t *testing.T) {
	t.Parallel()
	const password = "redis-pass-word"
	server := redistest.Start(t, "--requirepass", password)
	env := []string{"DATABASE_URL=" + database(t), "REDIS_URL=redis://:" + password + "@" + server.Addr() + "/0"}
	writes := func() (n int) { // NewRedis tries EVAL; a script of the cache is tried by EVALSHA first
		for _, command := range []string{"set", "del", "evalsha", "expire", "pexpire", "getex", "zadd"} {
			n += server.Calls(command)
		}
		return n
	}
	before := writes()
	got, r := verify(t, env...)
	got.want(t, 0)
	if !r.OK || len(r.Findings) != 0 {
		t.Errorf("findings: %+v", r.Findings)
	}
	var checks []string
	for _, c := range r.Checks {
		if !c.OK {
			t.Errorf("%s is not ok", c.Name)
		}
		checks = append(checks, c.Name)
	}
	want := []string{"configuration", "configuration", "schedule", "redis", "database", "loaders", "tasks", "dry run", "lint"}
	if diff := cmp.Diff(want, checks); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	items := make(map[string]int)
	for _, task := range r.Plan.Tasks {
		if items[task.Name] = task.Items; task.Bytes < 100*task.Items {
			t.Errorf("%s: %d items in %d bytes", task.Name, task.Items, task.Bytes)
		}
	}
	if items["popular_brands"] == 0 || items["recent_reports"] != 100 || items["api_responses"] != 2 || len(items) != 5 {
		t.Errorf("items of the dry run: %v", items)
	}
	if len(r.Jobs) != 2 || r.Jobs[0].Name != "daily_cache_warmup" || len(r.Jobs[0].Next) != 3 || !strings.HasSuffix(r.Jobs[0].Next[0], "T03:00:00Z") {
		t.Errorf("jobs: %+v", r.Jobs)
	}
	if n := writes(); n != before || server.Do("DBSIZE") != int64(0) {
		t.Errorf("verify wrote to Redis: %d commands, %v keys", n-before, server.Do("DBSIZE"))
	}

	text := call(t, env, "verify")
	text.want(t, 0, "ok  redis", "ok  database", "A run of all tasks would do this:", "popular_brands", "at 03:00", "every 1h 0m from the start on", "No findings.")
	if strings.Contains(text.out+text.err+got.out+got.err, password) {
		t.Errorf("the password is shown:\n%s%s", text.out, text.err)
	}
}

func TestVerify_finds(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "right-password")
	demo := "DATABASE_URL=" + database(t)
	for name, try := range map[string]struct {
		env  []string
		want []string // a part of each finding, in their order
	}{
		"no database":         {nil, []string{"DATABASE_URL is not set"}},
		"no such file":        {[]string{"DATABASE_URL=/no/such/file"}, []string{"there is no such file"}},
		"a database's schema": {[]string{"DATABASE_URL=" + empty(t)}, []string{"diagnosis_reports"}},
		"PostgreSQL away":     {[]string{"DATABASE_URL=postgres://u:pg-pass-word@127.0.0.1:1/x"}, []string{`PostgreSQL database "x" on 127.0.0.1:1 does not answer`}},
		"Redis away":          {[]string{demo, "REDIS_URL=redis://127.0.0.1:1/0"}, []string{"Redis on 127.0.0.1:1 does not answer"}},
		"a wrong password":    {[]string{demo, "REDIS_URL=redis://:wrong-pass-word@" + server.Addr()}, []string{"does not answer: WRONGPASS"}},
		"a bad URL":           {[]string{demo, "REDIS_URL=redis://:wrong-pass-word@x:port"}, []string{"REDIS_URL is not understood"}},
		"variables": {
			[]string{demo, "WARMUP_SCHEDULE=0 3 * * * # nightly", "WARMUP_THREAD_COUNT=none", "BRAND_STATS_TTL=0"},
			[]string{"WARMUP_SCHEDULE=", "WARMUP_THREAD_COUNT=", "BRAND_STATS_TTL="},
		},
		"an unknown task": {[]string{demo, "WARMUP_PRIORITY=popular_brands,unpopular_brands"}, []string{`no task is called "unpopular_brands"`}},
		"lint": {
			[]string{demo, "WARMUP_TASK_TIMEOUT=50s", "API_RESPONSE_TTL=30", "WARMUP_TIMEOUT=55s"},
			[]string{"api_responses: timeout 50s, next run in 24s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, r := verify(t, try.env...)
			got.want(t, 1)
			if r.OK || len(r.Findings) < len(try.want) || !slices.ContainsFunc(r.Checks, func(c struct {
				Name string `json:"name"`
				OK   bool   `json:"ok"`
			},
			) bool {
				return !c.OK
			}) {
				t.Fatalf("%+v, want findings with %q", r, try.want)
			}
			rest := r.Findings
			for _, want := range try.want {
				for len(rest) > 0 && !strings.Contains(rest[0].Message, want) {
					rest = rest[1:]
				}
				if len(rest) == 0 {
					t.Errorf("no finding with %q, or not in this order: %+v", want, r.Findings)
				}
			}
			if text := call(t, try.env, "verify"); text.code != 1 || strings.Contains(text.out+text.err+got.out+got.err, "pass-word") {
				t.Errorf("exit code %d, or a password is shown:\n%s%s", text.code, text.out, text.err)
			}
		})
	}
}

// empty is an SQLite file without tables.
func empty(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty.db")
	db, err := sqlx.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the program will say what is wrong with it
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE other (x)"); err != nil {
		t.Fatal(err)
	}
	return path
}
