package main

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/warmcache/warmcache/internal/racetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestReplay runs the program on an access log of two days, as its documentation does.
func TestReplay(t *testing.T) {
	if racetest.Enabled {
		t.Skip("the simulation takes minutes under the race detector; `make test` runs it without")
	}
	t.Parallel()
	args := []string{"-log", filepath.FromSlash("testdata/access.log.gz"), "-ttl", "5m,1h", "-restart", "6h", "-capacity", "1000"}
	var text bytes.Buffer
	if err := run(t.Context(), append(args, "-json"), &text); err != nil {
		t.Fatal(err)
	}
	var rep report
	if err := json.Unmarshal(text.Bytes(), &rep); err != nil {
		t.Fatalf("%v in\n%s", err, text.String())
	}
	if tr := rep.Trace; tr.Lines != 20_000 || tr.Reads != 19_593 || tr.Broken != 1 || !strings.HasPrefix(tr.Examples[0], "line 778: ") {
		t.Errorf("%+v, want 19593 reads of 20000 lines and line 778 broken", tr)
	}
	if len(rep.Arms) != 18 || len(rep.Sizes) != 4 || len(rep.Advice) != 2 {
		t.Fatalf("%d arms, %d sizes, %d advices, want nine arms, two sizes and one advice for each of two TTLs", len(rep.Arms), len(rep.Sizes), len(rep.Advice))
	}
	for _, o := range rep.Arms {
		checkCounts(t, o)
	}
	for _, a := range rep.Advice {
		if _, err := parser.ParseExpr("func() {\n" + a.Config + "}"); err != nil {
			t.Errorf("the advice for TTL %v is no Go: %v\n%s", a.TTL, err, a.Config)
		}
		if len(a.Why) < 2 {
			t.Errorf("the advice for TTL %v gives no reasons: %q", a.TTL, a.Why)
		}
	}
}

// checkCounts checks what must hold of every arm, whatever the trace.
func checkCounts(t *testing.T, o outcome) {
	t.Helper()
	if sum := o.Memory + o.Redis + o.Stale + o.Misses; sum != o.Reads {
		t.Errorf("%s, TTL %v: %d hits, stale hits and misses of %d reads", o.Name, o.TTL, sum, o.Reads)
	}
	if o.Rows < o.Misses || o.Rows < o.Warmed || o.Queries > o.Rows+o.Reads {
		t.Errorf("%s, TTL %v: %+v: each miss is a row, and so is each warmed key", o.Name, o.TTL, o.counts)
	}
	if o.Stale > 0 && o.Name != "stale" && o.Name != "all" {
		t.Errorf("%s, TTL %v: %d stale reads", o.Name, o.TTL, o.Stale)
	}
}

// TestReplay_order holds the arms against each other on several traces.
func TestReplay_order(t *testing.T) {
	if racetest.Enabled {
		t.Skip("the simulation takes minutes under the race detector; `make test` runs it without")
	}
	t.Parallel()
	for _, args := range [][]string{
		{"-log", "testdata/access.log.gz", "-ttl", "1h", "-restart", "6h", "-capacity", "300"},
		{"-keys", "../testdata/traces/lirs_gli.lirs.gz", "-ttl", "30s", "-capacity", "500", "-restart", "20s"},
		{"-keys", "../testdata/traces/lirs_multi1.lirs.gz", "-ttl", "1m", "-capacity", "1000", "-restart", "1m", "-redis=false"},
	} {
		t.Run(filepath.Base(args[1]), func(t *testing.T) {
			t.Parallel()
			var text bytes.Buffer
			if err := run(t.Context(), append(args, "-json"), &text); err != nil {
				t.Fatal(err)
			}
			var rep report
			if err := json.Unmarshal(text.Bytes(), &rep); err != nil {
				t.Fatal(err)
			}
			a := adviser{rep: rep, ttl: rep.TTLs[0]}
			none, oracle := a.arm("none"), a.arm("oracle")
			for _, o := range rep.Arms {
				checkCounts(t, o)
				if o.Mem > oracle.Mem {
					t.Errorf("memory answers %.3f with %s and %.3f with the oracle, which is the bound", o.Mem, o.Name, oracle.Mem)
				}
				if o.Name != "oracle" && o.Miss > none.Miss+0.05 {
					t.Errorf("%.3f misses with %s, %.3f without any warming: more than the policy varies by", o.Miss, o.Name, none.Miss)
				}
			}
			if none.Rows != none.Misses || none.Warmed != 0 {
				t.Errorf("without warming each row is a miss: %+v", none.counts)
			}
			if with := a.arm("learned+hydrate"); with.Name != "" && with.AfterFresh < none.AfterFresh {
				t.Errorf("after a restart memory answers %d with hydration and %d without", with.AfterFresh, none.AfterFresh)
			}
		})
	}
}

func TestRun_badOptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"no file", nil, []string{"name a file"}},
		{"two files", []string{"-log", "a", "-csv", "b"}, []string{"name one file"}},
		{"a file without its flag", []string{"access.log"}, []string{`"access.log"`, "-log"}},
		{"every bad flag is named", []string{
			"-log", "a", "-capacity", "0", "-ttl", "1h,5", "-restart", "-1h", "-rate", "0", "-refresh-at", "1", "-interval", "0s", "-hot", "-1", "-broken", "2",
		}, []string{"-capacity", "-ttl", "-restart", "-rate", "-refresh-at", "-interval", "-hot", "-broken"}},
		{"a unit that is none", []string{"-log", "a", "-capacity", "5XB"}, []string{"-capacity"}},
		{"more than there is", []string{"-log", "a", "-capacity", "9000000000GiB"}, []string{"-capacity"}},
		{"a format that is none", []string{"-log", "testdata/access.log.gz", "-format", "xml"}, []string{"-format", "access.log.gz"}},
		{"no such file", []string{"-log", "testdata/none"}, []string{"testdata/none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), tt.args, &bytes.Buffer{})
			if err == nil {
				t.Fatalf("run(%q) succeeded", tt.args)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("run(%q): %v, want %q in it", tt.args, err, want)
				}
			}
		})
	}
}

func TestCapacityOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"100000": 100_000, "64MiB": 64 << 20, "1GB": 1e9, "5B": 5} {
		n, inBytes, err := capacityOf(text)
		if err != nil || n != want || inBytes != strings.HasSuffix(text, "B") {
			t.Errorf("capacityOf(%q) = %d, %t, %v, want %d", text, n, inBytes, err, want)
		}
	}
}
