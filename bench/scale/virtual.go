package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Virtual time is for tests (testing/synctest), so fleets in it are simulated by this package's
// test binary: TestFleets reads a configuration from the file that fleetsEnv names, and writes
// what it measured beside it.
const fleetsEnv = "SCALE_FLEETS"

// growVirtual measures fleets in virtual time.
func growVirtual(ctx context.Context, cfg config) (all []fleet, err error) {
	folder, err := os.MkdirTemp("", "scale")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // only litter is left
	file := filepath.Join(folder, "config")
	cfg.Watched = cfg.VirtualWatched
	text, err := json.Marshal(cfg)
	if err := errors.Join(err, os.WriteFile(file, text, 0o600)); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout=0", "-run=^TestFleets$", "github.com/warmcache/warmcache/bench/scale")
	cmd.Env = append(os.Environ(), fleetsEnv+"="+file)
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("simulating fleets: %w\n%s", err, said)
	}
	if text, err = os.ReadFile(file + ".out"); err != nil {
		return nil, err
	}
	return all, json.Unmarshal(text, &all)
}
