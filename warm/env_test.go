package warm_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/warm"
)

func clearEnv(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"CACHE_WARMUP_ENABLED", "AUTO_WARMUP_ON_STARTUP", "SCHEDULED_WARMUP_ENABLED", "WARMUP_SCHEDULE", "WARMUP_TIMEZONE",
		"WARMUP_INTERVAL_MINUTES", "CONCURRENT_WARMUP_ENABLED", "WARMUP_THREAD_COUNT", "WARMUP_PRIORITY", "WARMUP_TASK_TIMEOUT", "WARMUP_TIMEOUT",
	} {
		t.Setenv(name, "") // set to nothing is as unset
	}
}

func TestConfigFromEnv(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want warm.Config
	}{
		{"nothing", nil, warm.Config{}},
		{
			"everything",
			map[string]string{
				"CACHE_WARMUP_ENABLED": "false", "AUTO_WARMUP_ON_STARTUP": "FALSE", "SCHEDULED_WARMUP_ENABLED": "0", "WARMUP_SCHEDULE": "*/5 * * * *",
				"WARMUP_TIMEZONE": "UTC", "WARMUP_INTERVAL_MINUTES": "5", "CONCURRENT_WARMUP_ENABLED": "False", "WARMUP_THREAD_COUNT": "256",
				"WARMUP_PRIORITY": "b, a", "WARMUP_TASK_TIMEOUT": "45", "WARMUP_TIMEOUT": "1m30s",
			},
			warm.Config{
				Disabled: true, SkipStartup: true, SkipSchedule: true, Schedule: "*/5 * * * *", Location: time.UTC, Interval: 5 * time.Minute,
				Sequential: true, Concurrency: 256, Priority: []string{"b", "a"}, TaskTimeout: 45 * time.Second, Timeout: 90 * time.Second,
			},
		},
		{"no interval", map[string]string{"WARMUP_INTERVAL_MINUTES": "0"}, warm.Config{Interval: -1}},
		{"the defaults, written out", map[string]string{"CACHE_WARMUP_ENABLED": "true", "CONCURRENT_WARMUP_ENABLED": "1", "WARMUP_TIMEZONE": "local"}, warm.Config{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clearEnv(t)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			got, err := warm.ConfigFromEnv()
			if err != nil {
				t.Fatalf("ConfigFromEnv: %v", err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b *time.Location) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, err := warm.New(got); err != nil {
				t.Errorf("New: %v", err)
			}
		})
	}
}

func TestConfigFromEnv_namesWhatIsBad(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"CACHE_WARMUP_ENABLED", "yes", "want true, false, 1 or 0"},
		{"AUTO_WARMUP_ON_STARTUP", " true", "want true, false, 1 or 0"},
		{"SCHEDULED_WARMUP_ENABLED", "on", "want true"},
		{"CONCURRENT_WARMUP_ENABLED", "2", "want true"},
		{"WARMUP_SCHEDULE", "0 3 * * * # nightly", `the comment "# nightly" is part of the value`},
		{"WARMUP_SCHEDULE", "0 25 * * *", `hour "25"`},
		{"WARMUP_SCHEDULE", "0 0 30 2 *", "never runs"},
		{"WARMUP_SCHEDULE", "0 0 0 1 1 * 1999", "never runs again"},
		{"WARMUP_SCHEDULE", strings.Repeat("0", 250) + " 3 * * *", "at most 256 bytes"},
		{"WARMUP_TIMEZONE", "Mars/Olympus", "IANA"},
		{"WARMUP_TIMEZONE", "../../etc/passwd", "IANA"},
		{"WARMUP_INTERVAL_MINUTES", "-1", "want an integer from 0 to 43200"},
		{"WARMUP_INTERVAL_MINUTES", "99999999999999999999", "want an integer"},
		{"WARMUP_INTERVAL_MINUTES", "1h", "want an integer"},
		{"WARMUP_THREAD_COUNT", "0", "want an integer from 1 to 256"},
		{"WARMUP_THREAD_COUNT", "257", "want an integer from 1 to 256"},
		{"WARMUP_PRIORITY", "a,,b", `""`},
		{"WARMUP_PRIORITY", "a,a", `"a" stands in the list twice`},
		{"WARMUP_PRIORITY", "b?,a,a", `: -; "a" stands in the list twice`},
		{"WARMUP_PRIORITY", "a;b", `"a;b"`},
		{"WARMUP_TASK_TIMEOUT", "0", "want a duration"},
		{"WARMUP_TASK_TIMEOUT", "-5s", "want a duration"},
		{"WARMUP_TIMEOUT", "1 minute", "want a duration"},
		{"WARMUP_TIMEOUT", "1000h", "from 1ms to 24h"},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.value[:min(len(tt.value), 20)], func(t *testing.T) {
			clearEnv(t)
			t.Setenv(tt.name, tt.value)
			got, err := warm.ConfigFromEnv()
			if err == nil {
				t.Fatalf("no error, but %+v", got)
			}
			if !strings.Contains(err.Error(), tt.name) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want it to name %s and to say %q", err, tt.name, tt.want)
			}
		})
	}
	t.Run("all in one error", func(t *testing.T) {
		clearEnv(t)
		for _, tt := range tests {
			t.Setenv(tt.name, tt.value)
		}
		_, err := warm.ConfigFromEnv()
		for _, tt := range tests {
			if err == nil || !strings.Contains(err.Error(), tt.name+"=") {
				t.Errorf("error %v, want it to name %s", err, tt.name)
			}
		}
	})
}

func FuzzConfigFromEnv(f *testing.F) {
	f.Add("true", "0 3 * * *", "60", "a,b", "30s", "UTC")
	f.Add("1", "0 0 0 1 1 * 1999", "1", "a", "1s", "UTC")
	f.Add("1", "CRON_TZ=UTC @reboot", "1", "a", "1s", "UTC")
	f.Add("0", "@every 1h # x", "0", ",", "9223372036854775807", "Local")
	f.Fuzz(func(t *testing.T, boolean, cron, number, list, duration, zone string) {
		for name, value := range map[string]string{
			"CACHE_WARMUP_ENABLED": boolean, "WARMUP_SCHEDULE": cron, "WARMUP_INTERVAL_MINUTES": number, "WARMUP_THREAD_COUNT": number,
			"WARMUP_PRIORITY": list, "WARMUP_TIMEOUT": duration, "WARMUP_TIMEZONE": zone,
		} {
			if strings.ContainsRune(value, 0) {
				t.Skip("no environment holds NUL")
			}
			t.Setenv(name, value)
		}
		cfg, err := warm.ConfigFromEnv()
		if err != nil {
			return
		}
		if _, err := warm.New(cfg); err != nil {
			t.Errorf("ConfigFromEnv takes what New refuses: %v", err)
		}
	})
}
