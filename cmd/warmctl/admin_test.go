package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/warm"
)

func TestRun(t *testing.T) {
	t.Parallel()
	s := serve(t)
	got := s.call(t, "run", "numbers")
	got.want(t, 0, "numbers ok: 3 items in ", "(1 of 1 tasks over)", "1 of 1 tasks ok, 3 items in ", "MEMORY")
	if strings.Contains(got.out, "\x1b") || strings.Contains(got.out, "\r") {
		t.Errorf("no terminal, and yet lines are redrawn: %q", got.out)
	}
	s.gate <- struct{}{}
	s.call(t, "run", "-sequential").want(t, 1, "slow ok: 7 items", "broken failed: 0 items", "3 of 4 tasks ok", "broken: the loader returned an error")
	s.call(t, "run", "nobody").want(t, 1, `the service says 400: warm: unknown task "nobody"; known: hot:numbers, numbers, slow, broken`)

	got = s.call(t, "run", "-json", "broken")
	got.want(t, 1)
	var r warm.RunStatus
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || len(r.Tasks) != 1 || r.Tasks[0].Status != warm.TaskFailed {
		t.Errorf("%v\n%s", err, got.out)
	}
	if n := s.cache.Stats().Entries; n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
}

func TestRun_dry(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.call(t, "run", "-dry-run").want(t, 0, "FRESH IN MEMORY", "EVICTS", "slow: a function cannot be run without writing")
	got := s.call(t, "run", "-dry-run", "-json", "numbers")
	got.want(t, 0)
	var p warm.Plan
	if err := json.Unmarshal([]byte(got.out), &p); err != nil || len(p.Tasks) != 1 {
		t.Fatalf("%v\n%s", err, got.out)
	}
	p.Tasks[0].DurationSeconds = 0
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	outcome{out: string(text)}.golden(t, `{
		"tasks": [{
			"name": "numbers", "cache": "numbers", "after": [], "status": "ok", "duration_seconds": 0.0, "items": 3, "bytes": 0, "cost": 3,
			"fresh_memory": 0, "fresh_redis": 0, "no_room": 0, "failed": 0, "keys": ["one", "two", "three"]
		}],
		"caches": [{"name": "numbers", "capacity": 1000, "used": 0, "takes": 3, "evicts": 0}],
		"findings": []
	}`)
	if n := s.cache.Stats().Entries; n != 0 {
		t.Errorf("a dry run brought %d entries", n)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.call(t, "status").want(t, 0, "warm-up    not ready, waits for hot:numbers", "scheduler  on", "daily_cache_warmup", "USEFUL")
	s.call(t, "run", "broken", "numbers").want(t, 1)
	s.call(t, "status").want(t, 0, "numbers      numbers  ok", "broken: failed: the loader returned an error", "interval_cache_warmup")

	got := s.call(t, "status", "-json")
	got.want(t, 0)
	var all struct {
		Warmup struct {
			Registered json.RawMessage `json:"registered_tasks"`
		} `json:"warmup"`
	}
	if err := json.Unmarshal([]byte(got.out), &all); err != nil {
		t.Fatal(err)
	}
	outcome{out: string(all.Warmup.Registered)}.golden(t, `["hot:numbers", "numbers", "slow", "broken"]`)
}

func TestHot(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.call(t, "hot", "numbers").want(t, 0, "nothing is learned yet")
	for key, n := range map[string]int{"plain": 30, "": 20, "tricky \x1b[31mkey\n": 10} {
		for range n {
			if _, err := s.cache.Get(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := s.call(t, "hot", "numbers")
	got.want(t, 0, "1     30     50.0 %  plain", `2     20     33.3 %  ""`, `3     10     16.7 %  "tricky \x1b[31mkey\n"`)
	if strings.Contains(got.out, "\x1b") {
		t.Errorf("a key's control characters reach the terminal: %q", got.out)
	}
	s.call(t, "hot", "-n", "2", "numbers", "-json").golden(t, `{"cache": "numbers", "keys": [{"key": "plain", "reads": 30}, {"key": "", "reads": 20}]}`)
	s.call(t, "hot", "nobody").want(t, 1, "known: numbers")
}

func TestHot_direct(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env := []string{"REDIS_URL=redis://" + server.Addr()}
	call(t, env, "hot", "-direct", "brands").want(t, 0, "nothing is learned yet")
	now := float64(time.Now().UnixMilli()) / float64((10 * time.Minute).Milliseconds())
	server.Do("ZADD", "{brands}:hot", now+5, "Nike", now+4, "Asics")
	call(t, env, "hot", "-direct", "brands").want(t, 0, "1     32     66.7 %  Nike", "2     16     33.3 %  Asics")
	call(t, env, "hot", "-direct", "bad name").want(t, 2, `Name "bad name"`)
	call(t, nil, "hot", "-direct", "brands").want(t, 2, "REDIS_URL is not set")
}

func TestExplain(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.call(t, "explain", "numbers", "absent").want(t, 0, `numbers "absent": A read loads from the source (Load): memory has nothing.`)
	s.call(t, "explain", "-json", "numbers", "absent").golden(t, `{
		"cache": "numbers", "key": "absent", "verdict": "A read loads from the source (Load): memory has nothing.",
		"memory": {
			"present": false, "not_found": false, "fresh": false, "servable": false, "age": 0, "fresh_for": 0, "stale_for": 0, "epoch_valid": false,
			"tags_valid": false, "trusted": true, "degraded_for": 0, "back_off": 0, "refresh_is_due": false
		},
		"source": {"loader": "Load", "loading": false}
	}`)
	s.call(t, "explain", "nobody", "k").want(t, 1, "unknown cache")
	call(t, []string{"ADMIN_TOKEN=" + token}, "explain", "-addr", s.addr, "--", "numbers", "-key").want(t, 0, `numbers "-key"`)
}

func TestToken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	call(t, nil, "hot", "numbers", "-addr", s.addr).want(t, 1, "set ADMIN_TOKEN")
	call(t, []string{"ADMIN_TOKEN=another"}, "run", "-addr", s.addr).want(t, 1, "does not accept the token")
	call(t, nil, "status", "-addr", s.addr).want(t, 0, "numbers") // it shows no key
	got := call(t, []string{"ADMIN_TOKEN=" + token}, "status", "-addr", s.addr+"/"+token)
	got.want(t, 1, "the service says 404")
	if strings.Contains(got.out+got.err, token) {
		t.Errorf("the token is shown: %s%s", got.out, got.err)
	}
}

// The token goes to the address that was given, and to no other.
func TestRedirect(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer elsewhere.Close()
	for _, code := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		here := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/admin", code))
		for _, args := range [][]string{{"status"}, {"run"}, {"hot", "numbers"}, {"explain", "numbers", "k"}} {
			call(t, []string{"ADMIN_TOKEN=" + token}, append(args, "-addr", here.URL)...).want(t, 1, "leads to "+elsewhere.URL)
		}
		here.Close()
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d requests went on to another address", n)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer other.Close()
	call(t, nil, "status", "-addr", other.URL).want(t, 1, "does not answer in JSON")
}
