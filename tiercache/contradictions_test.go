package tiercache_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

type contradicted = tiercache.Config[string, string]

func TestNew_namesContradictions(t *testing.T) {
	t.Parallel()
	load := new(source).load
	reload := func(_ context.Context, _, old string) (string, error) { return old, nil }
	for name, test := range map[string]struct {
		cfg   contradicted
		names []string // each as the first word of a line; none: New takes it
	}{
		"RefreshAt without TTL":            {contradicted{Load: load, RefreshAt: 0.8}, []string{"RefreshAt"}},
		"StaleFor without TTL":             {contradicted{Load: load, StaleFor: time.Hour}, []string{"StaleFor"}},
		"SoftTimeout without StaleFor":     {contradicted{Load: load, TTL: time.Hour, SoftTimeout: time.Second}, []string{"SoftTimeout"}},
		"SoftTimeout over LoadTimeout":     {contradicted{TTL: time.Hour, StaleFor: 1, SoftTimeout: 2, LoadTimeout: 2}, []string{"SoftTimeout"}},
		"SoftTimeout over the default":     {contradicted{TTL: time.Hour, StaleFor: 1, SoftTimeout: 30 * time.Second}, []string{"SoftTimeout"}},
		"MemoryTTL over TTL":               {contradicted{Load: load, TTL: time.Minute, MemoryTTL: time.Minute + 1}, []string{"MemoryTTL"}},
		"Reload alone":                     {contradicted{Reload: reload}, []string{"Reload"}},
		"all of them":                      {contradicted{Reload: reload, RefreshAt: 0.5, SoftTimeout: time.Second}, []string{"Reload", "RefreshAt", "SoftTimeout"}},
		"beside a bad field":               {contradicted{Reload: reload, Jitter: 2}, []string{"Reload", "Jitter"}},
		"nothing set":                      {contradicted{}, nil},
		"without TTL":                      {contradicted{Load: load, MemoryTTL: time.Minute, NegativeTTL: time.Minute, Jitter: 0.1}, nil},
		"MemoryTTL as long as TTL":         {contradicted{Load: load, TTL: time.Minute, MemoryTTL: time.Minute}, nil},
		"no memory while degraded":         {contradicted{Load: load, TTL: time.Minute, DegradedTTL: -1}, nil},
		"switches that are off":            {contradicted{Load: load, HotHalfLife: time.Hour, Compression: tiercache.Zstd, Version: 2}, nil},
		"Reload beside LoadMany":           {contradicted{Reload: reload, LoadMany: func(context.Context, []string) (map[string]string, error) { return nil, nil }}, nil},
		"TTLs of the values themselves":    {contradicted{Expiry: func(string, string) time.Duration { return time.Hour }, RefreshAt: 0.5, StaleFor: time.Hour, SoftTimeout: time.Second}, nil},
		"longer TTLs than TTL":             {contradicted{TTL: time.Second, Expiry: func(string, string) time.Duration { return 0 }, MemoryTTL: time.Hour}, nil},
		"all that go well with each other": {contradicted{Load: load, Reload: reload, TTL: time.Hour, MemoryTTL: time.Minute, StaleFor: time.Hour, SoftTimeout: time.Second, RefreshAt: 0.8}, nil},
	} {
		test.cfg.Name = "c"
		c, err := tiercache.New(test.cfg)
		if err == nil {
			closing(t, c)
		}
		var names []string
		if err != nil {
			for line := range strings.Lines(strings.TrimPrefix(err.Error(), `tiercache: cache "c": `)) {
				field, _, _ := strings.Cut(line, " ")
				names = append(names, field)
			}
		}
		if len(names) != len(test.names) {
			t.Errorf("%s: %v; want errors of %q alone", name, err, test.names)
		}
		for _, field := range test.names {
			if err == nil || !strings.Contains(err.Error(), field) {
				t.Errorf("%s: %s is not named: %v", name, field, err)
			}
		}
	}
}

// A loader is run again at a share of its entries' TTL: without one, that is no moment.
func TestRegisterLoader_refreshAtWithoutTTL(t *testing.T) {
	t.Parallel()
	loader := tiercache.Loader[string, string]{Name: "l", RefreshAt: 0.8, Load: func(context.Context, func(string, string) error) error { return nil }}
	endless := newCache(t, contradicted{Name: "c"})
	if err := endless.RegisterLoader(loader); err == nil || !strings.Contains(err.Error(), "RefreshAt") || !strings.Contains(err.Error(), "TTL") {
		t.Errorf("without any TTL: %v", err)
	}
	loader.TTL = time.Hour
	if err := endless.RegisterLoader(loader); err != nil {
		t.Errorf("with the loader's own TTL: %v", err)
	}
	loader.TTL = 0
	if err := newCache(t, contradicted{Name: "d", TTL: time.Hour}).RegisterLoader(loader); err != nil {
		t.Errorf("with the cache's TTL: %v", err)
	}
}
