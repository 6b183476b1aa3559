package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// handTrace is eleven reads of two keys. TTL is 10 s, entries are refreshed from 8 s of age on, or
// served stale until 20 s; warm runs are at 12 and 24 s; the process starts again at 30 s. Learned
// is who has been read three times, and the list has one key: both times A.
//
// What each arm makes of it was computed by hand. For example none: A is loaded at 0, 11 and 25,
// and B at 2, 13 and 32, as each is older than 10 s by then; that makes six misses. A is fresh in
// memory at 1, 9 and 20; at 31 memory is empty, and Redis has what was loaded at 25; at 33 memory
// has that, too.
const handTrace = `0 A
1 A
2 B
9 A
11 A
13 B
20 A
25 A
31 A
32 B
33 A`

func TestReplay_byHand(t *testing.T) {
	t.Parallel()
	want := map[string]counts{
		"none": {Memory: 4, Redis: 1, Misses: 6, Queries: 6, Rows: 6, AfterFresh: 1, AfterMiss: 1},
		// The read at 9 loads A behind it, so A is fresh at 11, but not at 20 and 31.
		"refresh": {Memory: 5, Misses: 6, Queries: 7, Rows: 7, AfterFresh: 1, AfterMiss: 2},
		// What none waits for a second time is served stale: A at 11 and 25, B at 13 and 32.
		"stale": {Memory: 4, Redis: 1, Stale: 4, Misses: 2, Queries: 6, Rows: 6, AfterFresh: 1},
		// At 12 A is fresh; at 24 it is not, and is loaded: so it is in memory at 25.
		"learned": {Memory: 5, Redis: 1, Misses: 5, Queries: 6, Rows: 6, Warmed: 1, AfterFresh: 1, AfterMiss: 1},
		// And it comes back from Redis at 30.
		"learned+hydrate": {Memory: 6, Misses: 5, Queries: 6, Rows: 6, Warmed: 1, AfterFresh: 2, AfterMiss: 1},
		// A is loaded at 12 and 24, and taken from Redis at 30, as that run is 6 s old.
		"scheduled": {Memory: 6, Misses: 5, Queries: 7, Rows: 7, Warmed: 2, AfterFresh: 2, AfterMiss: 1},
		// Also at 8 and 20, when it is 8 s old.
		"renewed": {Memory: 7, Misses: 4, Queries: 8, Rows: 8, Warmed: 4, AfterFresh: 2, AfterMiss: 1},
		// B is stale at 13 and 32, and the read at 33 loads A, which is 9 s old, behind it.
		"all": {Memory: 7, Stale: 2, Misses: 2, Queries: 9, Rows: 9, Warmed: 4, AfterFresh: 2},
		// Three spans of 10 s: from 0, 11 and 25. Before each it loads A and B.
		"oracle": {Memory: 11, Queries: 3, Rows: 6, Warmed: 6},
	}
	file := filepath.Join(t.TempDir(), "reads.csv")
	var csv strings.Builder
	for line := range strings.Lines(handTrace) {
		var second int
		var key string
		if _, err := fmt.Sscan(line, &second, &key); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&csv, "%d,%s\n", 1_700_000_000+second, key)
	}
	if err := os.WriteFile(file, []byte(csv.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	args := []string{"-csv", file, "-ttl", "10s", "-interval", "12s", "-restart", "30s", "-capacity", "10", "-top", "1", "-hot", "2", "-json"}
	if err := run(t.Context(), args, &text); err != nil {
		t.Fatal(err)
	}
	var rep report
	if err := json.Unmarshal(text.Bytes(), &rep); err != nil {
		t.Fatal(err)
	}
	for _, o := range rep.Arms {
		expect, ok := want[o.Name]
		delete(want, o.Name)
		if expect.Reads = 11; o.Name != "oracle" {
			expect.Restarts, expect.AfterReads = 1, 3
		}
		if !ok || o.counts != expect {
			t.Errorf("%s: %+v, by hand %+v", o.Name, o.counts, expect)
		}
	}
	if len(want) > 0 {
		t.Errorf("no such arms: %v", want)
	}
}

// BenchmarkReplay is the program on the log of its documentation.
func BenchmarkReplay(b *testing.B) {
	for b.Loop() {
		var text bytes.Buffer
		if err := run(b.Context(), []string{"-log", filepath.FromSlash("testdata/access.log.gz"), "-restart", "6h", "-capacity", "1000"}, &text); err != nil {
			b.Fatal(err)
		}
		if !strings.Contains(text.String(), "Advice for TTL 1h0m0s") {
			b.Errorf("it gives no advice:\n%s", text.String())
		}
	}
}
