package main

import (
	"encoding/json"
	"math"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestFleets is the program's way into virtual time. As a test it runs a small fleet.
func TestFleets(t *testing.T) {
	cfg := quick()
	cfg.VirtualNodes, cfg.Watched = []int{3}, 2*time.Second
	file := os.Getenv(fleetsEnv)
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &cfg); err != nil {
			t.Fatal(err)
		}
	}
	all := make([]fleet, 0, len(cfg.VirtualNodes))
	for _, n := range cfg.VirtualNodes {
		synctest.Test(t, func(t *testing.T) { // each from its own beginning of time
			some, err := growFleets(t.Context(), cfg, []int{n}, newMemoryMeter(t))
			if err != nil {
				t.Fatal(err)
			}
			some[0].Virtual = true
			all = append(all, some...)
		})
	}
	if file != "" {
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file+".out", text, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	f := all[0]
	if f.Sources != 1 || f.Rest.Coherent < 1 || f.Write.Writes == 0 {
		t.Errorf("%+v, want one call of the source, and three nodes that hear each other", f)
	}
	// A heartbeat each 400 ms, a digest each second, a notice each deletion.
	if math.Abs(f.Rest.Beats-7.5) > 1 || math.Abs(f.Rest.Digests-3) > 1 || math.Abs(f.Write.Notices-f.Write.Writes) > 1 {
		t.Errorf("heartbeats, digests, notices: %+v, %+v", f.Rest, f.Write)
	}
}
