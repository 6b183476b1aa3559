package tiercache_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

var longText = strings.Repeat(`{"brand":"Nike","reports":12345},`, 1000)

func signedRedis(t *testing.T, server *redistest.Server, secrets ...string) *tiercache.Redis {
	t.Helper()
	cfg := tiercache.RedisConfig{Timeout: 5 * time.Second, MaxValueBytes: 1 << 20}
	for _, s := range secrets {
		cfg.Secrets = append(cfg.Secrets, tiercache.Secret(s))
	}
	r, err := tiercache.NewRedis(server.Client(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	return r
}

// Caches that compress in different ways, or not at all, read each other's records.
func TestRecords_eachReadsWhatTheOthersCompressed(t *testing.T) {
	server := redistest.Start(t)
	all := []tiercache.Compression{tiercache.S2, tiercache.Zstd, tiercache.Uncompressed}
	sizes := make(map[tiercache.Compression]int64)
	for _, writer := range all {
		cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Redis: newRedis(t, server), Compression: writer}
		if err := newCache(t, cfg).Set(t.Context(), "k", longText); err != nil {
			t.Fatal(err)
		}
		sizes[writer], _ = server.Do("STRLEN", "c:k").(int64)
		for _, reader := range all {
			cfg.Redis, cfg.Compression = newRedis(t, server), reader
			read(t, newCache(t, cfg), longText, tiercache.FromRedis)
		}
	}
	if sizes[tiercache.S2] > int64(len(longText))/5 || sizes[tiercache.Zstd] > int64(len(longText))/5 || sizes[tiercache.Uncompressed] < int64(len(longText)) {
		t.Errorf("%d bytes became %v", len(longText), sizes)
	}
}

func TestRecords_signed(t *testing.T) {
	const one, two = "the first secret of the fleet", "the second secret of the fleet"
	server := redistest.Start(t)
	cache := func(t *testing.T, s *source, secrets ...string) *tiercache.Cache[string, string] {
		t.Helper()
		return newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Load: s.load, Redis: signedRedis(t, server, secrets...)})
	}
	for _, c := range []struct {
		name            string
		writer, readers []string
		want            tiercache.Source
	}{
		{"by one of the same secret", []string{one}, []string{one}, tiercache.FromRedis},
		{"while the secret changes", []string{one}, []string{two, one}, tiercache.FromRedis},
		{"by nobody", nil, []string{one}, tiercache.FromSource},
		{"by one of another secret", []string{two}, []string{one}, tiercache.FromSource},
		{"for one without a secret", []string{one}, nil, tiercache.FromRedis},
	} {
		t.Run(c.name, func(t *testing.T) {
			server.Do("FLUSHALL")
			read(t, cache(t, new(source), c.writer...), "v1", tiercache.FromSource)
			reader := cache(t, new(source), c.readers...)
			read(t, reader, "v1", c.want)
			wrong := reader.Stats().CorruptBy["signature"]
			if (c.want == tiercache.FromSource) != (wrong > 0) {
				t.Errorf("%d counted as wrongly signed", wrong)
			}
			read(t, cache(t, new(source), c.readers...), "v1", tiercache.FromRedis) // what was refused is overwritten
		})
	}
}

// Expire changes a record in place, which its signature must survive; a record moved to another
// cache or key must not.
func TestRecords_signedAndExpired(t *testing.T) {
	const secret = "the first secret of the fleet"
	server := redistest.Start(t)
	cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Minute, StaleFor: time.Minute, Redis: signedRedis(t, server, secret)}
	a := newCache(t, cfg)
	if err := a.Set(t.Context(), "k", "v1"); err != nil {
		t.Fatal(err)
	}
	if err := a.Expire(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	cfg.Redis = signedRedis(t, server, secret)
	cfg.Load = func(context.Context, string) (string, error) { return "", context.DeadlineExceeded }
	b := newCache(t, cfg)
	if e, err := b.GetEntry(t.Context(), "k"); err != nil || !e.Stale || e.Value != "v1" {
		t.Errorf("got %+v, %v; want v1, stale", e, err)
	}
	server.Do("COPY", "c:k", "d:k")
	cfg.Name, cfg.Redis = "d", signedRedis(t, server, secret)
	d := newCache(t, cfg)
	if e, err := d.GetEntry(t.Context(), "k"); err == nil {
		t.Errorf("another cache's record was served: %+v", e)
	}
	if n := d.Stats().CorruptBy["signature"]; n == 0 {
		t.Errorf("counted as %v", d.Stats().CorruptBy)
	}
}

// The limit is about what a value decodes to, however small it was made.
func TestRecords_limitBothWays(t *testing.T) {
	server := redistest.Start(t)
	small, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{Timeout: 5 * time.Second, MaxValueBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, small) })
	writer := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Minute, Redis: signedRedis(t, server)})
	if err := writer.Set(t.Context(), "k", longText); err != nil {
		t.Fatal(err)
	}
	reader := newCache(t, tiercache.Config[string, string]{
		Name: "c", TTL: time.Minute, Redis: small,
		Load: func(context.Context, string) (string, error) { return longText, nil },
	})
	read(t, reader, longText, tiercache.FromSource)
	s := reader.Stats()
	if s.CorruptBy["length"] == 0 || s.Oversized != 1 {
		t.Errorf("corrupt %v, %d oversized; want one of length, and one", s.CorruptBy, s.Oversized)
	}
	if left := server.Do("EXISTS", "c:k"); left != int64(0) {
		t.Errorf("what is out of date was left in Redis: %v", left)
	}
}

func TestConfig_compressionAndSecretsAreChecked(t *testing.T) {
	if _, err := tiercache.New(tiercache.Config[string, string]{Name: "c", Compression: 9}); err == nil || !strings.Contains(err.Error(), "Compression") {
		t.Errorf("Compression 9: %v", err)
	}
	server := redistest.Start(t)
	_, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{Secrets: []tiercache.Secret{[]byte("short-and-secret")[:5]}})
	if err == nil || !strings.Contains(err.Error(), "Secrets[0]") || strings.Contains(err.Error(), "short") {
		t.Errorf("a short secret: %v", err)
	}
}
