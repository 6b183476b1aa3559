package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/warmcache/warmcache/internal/racetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The configuration is the frozen one, and its baseline has 40 % of fresh hits by the arithmetic
// of TTLs. A smaller catalogue is calibrated for the rest of the test: it takes less time to make.
func TestConfig(t *testing.T) {
	t.Parallel()
	_, hash, err := readConfig("config.json")
	if err != nil || hash != frozenHash("config.json") {
		t.Errorf("config.json has the hash %s, %v; want the frozen %s", hash, err, frozenHash("config.json"))
	}
}

// small is the frozen workload with few keys, hours and seeds, calibrated anew.
func small(tb testing.TB, fs *files) config {
	tb.Helper()
	cfg, _, err := readConfig("config.json")
	if err != nil {
		tb.Fatal(err)
	}
	cfg.Reports, cfg.Hours, cfg.Seeds = 5000, 2, 2
	f, err := fs.of(tb.Context(), cfg.Reports)
	if err != nil {
		tb.Fatal(err)
	}
	if cfg, err = calibrate(cfg, f.cat); err != nil {
		tb.Fatal(err)
	}
	return cfg
}

func TestMeasure(t *testing.T) {
	if racetest.Enabled {
		t.Skip("the simulation takes minutes under the race detector; `make test` runs it without")
	}
	fs := &files{folder: filepath.Join(t.TempDir(), "worker"), open: make(map[int]*file)}
	r := &results{Config: small(t, fs), ConfigHash: strings.Repeat("0", 64)}
	err := r.measure(func(jobs []job) ([]outcome, error) {
		var outs []outcome
		for _, j := range jobs {
			o, err := virtually(t, fs, j) // it checks what the source's log and the caches say
			if err != nil {
				return outs, err
			}
			outs = append(outs, o)
		}
		return outs, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	fresh := func(arm string) float64 { return r.Arms[arm].Fresh }
	if math.Abs(fresh("none")-target) > within {
		t.Errorf("the baseline has %.4f of fresh hits, want %v ± %v", fresh("none"), target, within)
	}
	for _, a := range arms() {
		if fresh(a.Name) > fresh("oracle") {
			t.Errorf("%s has more fresh hits than the oracle: %.4f, %.4f", a.Name, fresh(a.Name), fresh("oracle"))
		}
	}
	if math.Abs(fresh("placebo")-fresh("none")) > 0.03 {
		t.Errorf("random keys give %.4f, want what none gives, %.4f", fresh("placebo"), fresh("none"))
	}
	if fresh("default") < fresh("none")+0.1 || fresh("long lists") < fresh("default") {
		t.Errorf("none %.4f, default %.4f, long lists %.4f: want each to be better", fresh("none"), fresh("default"), fresh("long lists"))
	}
	checkShape(t, r)
}

// checkShape checks the names that other programs read.
func checkShape(t *testing.T, r *results) {
	t.Helper()
	folder := t.TempDir()
	if err := r.save(folder, nil); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "hitrate.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Hash     string `json:"config_hash"`
		Baseline struct {
			Fresh *float64 `json:"fresh"`
		} `json:"baseline"`
		Arms map[string]struct {
			Fresh *float64   `json:"fresh"`
			CI    *[]float64 `json:"ci"`
		} `json:"arms"`
		Grid json.RawMessage `json:"grid"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Hash == "" || got.Baseline.Fresh == nil || got.Grid == nil {
		t.Errorf("hitrate.json lacks config_hash, baseline.fresh or grid:\n%.300s", text)
	}
	for _, name := range []string{"none", "nightly", "default", "all", "oracle", "placebo"} {
		if a, ok := got.Arms[name]; !ok || a.Fresh == nil || a.CI == nil || len(*a.CI) != 2 {
			t.Errorf("hitrate.json lacks arm %s with fresh and ci", name)
		}
	}
	if err := again(folder); err != nil {
		t.Errorf("the report of kept results: %v", err)
	}
	for _, name := range []string{"hitrate.csv", "hitrate.md", "hitrate.svg", "hitrate.png", "hitrate-grid.svg", "hitrate-grid.png"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A disagreement between the three who count is an error.
func TestOutcome(t *testing.T) {
	t.Parallel()
	good := outcome{Requests: 1000, Memory: 400, Misses: 590, Joined: 10, CacheHits: 400, CacheMisses: 600, SourceAsked: 590}
	for name, tt := range map[string]struct {
		change func(*outcome)
		bad    bool
	}{
		"all agree":                       {func(*outcome) {}, false},
		"the source was asked more often": {func(o *outcome) { o.SourceAsked += 2 }, true},
		"the caches count more hits":      {func(o *outcome) { o.CacheHits += 2 }, true},
		"the caches count fewer misses":   {func(o *outcome) { o.CacheMisses -= 2 }, true},
		"a request failed":                {func(o *outcome) { o.Failed++ }, true},
	} {
		o := good
		tt.change(&o)
		if err := o.check(); (err != nil) != tt.bad {
			t.Errorf("%s: %v", name, err)
		}
	}
}
