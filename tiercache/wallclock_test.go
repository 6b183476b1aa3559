package tiercache_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// tagsOfThings is a hash; its mark stands for it, as no tag was ended.
const tagsOfThings = "{things}:tags"

// content is what stands in a Redis: values and what is left of their lives.
type content map[string]struct {
	value string
	left  time.Duration
}

// Two nodes share what one of them wrote on 1 January 2000 by its clock, and the other reads today
// by its own: nothing is older, younger or more fresh for that. A bubble of virtual time is the
// other day.
func TestClocksYearsApartChangeNothing(t *testing.T) {
	const ttl, passed = time.Minute, 10 * time.Second
	config := func(r *tiercache.Redis, value string) tiercache.Config[string, string] {
		return tiercache.Config[string, string]{
			Name: "things", TTL: ttl, Redis: r,
			Load: func(context.Context, string) (string, error) { return value, nil },
			Tags: func(string, string) []string { return []string{"t"} },
		}
	}

	// What was written in 2000 is ten seconds old today, and fresh for fifty more.
	written := make(content)
	bubbletest.Test(t, func(t *testing.T) {
		m := redistest.Memory(t)
		c := newCache(t, config(bubbleRedis(t, m), "of 2000"))
		get(t, c, "k", "of 2000")
		pause(t.Context(), passed)
		for _, key := range m.Keys() {
			value, err := m.HGet(key, ""), error(nil)
			if key != tagsOfThings {
				value, err = m.Get(key)
			}
			if err != nil {
				t.Fatal(err)
			}
			entry := written[key]
			entry.value, entry.left = value, m.TTL(key)
			written[key] = entry
		}
	})
	server := redistest.Start(t)
	for key, entry := range written {
		if key == tagsOfThings {
			server.Do("HSET", key, "", entry.value)
		} else {
			server.Do("SET", key, entry.value)
		}
		server.Do("PEXPIRE", key, entry.left.Milliseconds())
	}
	today := newCache(t, config(newRedis(t, server), "of today"))
	e, err := today.GetEntry(t.Context(), "k")
	if err != nil || e.Value != "of 2000" || e.Stale || e.Source != tiercache.FromRedis || e.Age < passed || e.Age > passed+5*time.Second {
		t.Fatalf("today: %+v, %v; want it from Redis, %v old", e, err, passed)
	}
	if err := today.Delete(t.Context(), "k"); err != nil { // later than what was written, whatever the clocks
		t.Fatal(err)
	}
	get(t, today, "k", "of today")

	// And the other way round.
	read := make(content)
	client := server.Client()
	for _, key := range []string{"things:k", "{things}:clear", tagsOfThings} {
		value, err := client.HGet(t.Context(), key, "").Result()
		if key != tagsOfThings {
			value, err = client.Get(t.Context(), key).Result()
		}
		if err != nil {
			t.Fatal(key, err)
		}
		entry := read[key]
		entry.value, entry.left = value, client.PTTL(t.Context(), key).Val()
		read[key] = entry
	}
	bubbletest.Test(t, func(t *testing.T) {
		m := redistest.Memory(t)
		for key, entry := range read {
			if key == tagsOfThings {
				m.HSet(key, "", entry.value)
			} else if err := m.Set(key, entry.value); err != nil {
				t.Fatal(err)
			}
			m.SetTTL(key, entry.left)
		}
		c := newCache(t, config(bubbleRedis(t, m), "of 2000"))
		get(t, c, "k", "of today")
		pause(t.Context(), read["things:k"].left-time.Second)
		get(t, c, "k", "of today")
		pause(t.Context(), 2*time.Second)
		get(t, c, "k", "of 2000") // its minute is over
	})
}

func bubbleRedis(t *testing.T, m *redistest.InMemory) *tiercache.Redis {
	t.Helper()
	r, err := tiercache.NewRedis(m.Client(), tiercache.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	return r
}

// Go's times carry the monotonic clock until they are turned into a number of the wall clock.
// Nothing here does that, so a clock that is set cannot be seen.
func TestNothingReadsTheWallClock(t *testing.T) {
	wall := regexp.MustCompile(`\.(Unix|UnixNano|UnixMilli|UnixMicro|AppendFormat)\(\)|time\.(Date|Unix|UnixMilli|Parse)\(|\.Round\(0\)|\.In\(time|\.UTC\(\)`)
	serverTime := strings.NewReplacer(
		"a.now.UnixMilli()", "", "shows.UnixNano()", "", // the server's clock, as TIME tells it
		"Clocks.suspended(time.Now().UnixNano(),", "", // only its progress counts, against the monotonic clock's
	)
	files, err := filepath.Glob("*.go")
	rooms, _ := filepath.Glob("internal/*/*.go") // the pattern is a good one
	if err != nil || len(files) < 20 || len(rooms) < 20 {
		t.Fatal(files, rooms, err)
	}
	for _, file := range append(files, rooms...) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(source), "\n") {
			line = serverTime.Replace(line)
			if found := wall.FindString(line); found != "" && !strings.HasPrefix(strings.TrimSpace(line), "//") {
				t.Errorf("%s:%d: %s reads the wall clock", file, n+1, found)
			}
		}
	}
}
