package httpcache

import (
	"hash/maphash"
	"strconv"
	"strings"
	"testing"
)

// A key that is remembered is the one that would be made, whatever else has been asked for.
func TestRecentKeys(t *testing.T) {
	t.Parallel()
	k := recentKeys{seed: maphash.MakeSeed()}
	long := "/" + strings.Repeat("x", longestRecent)
	uris := []string{"/", "/A", "/a", "/a?b", "/\n", "/a\x00", long, "/" + strings.Repeat("x", longestKey)}
	for i := range 2 * len(k.slots) { // several share a slot
		uris = append(uris, "/page/"+strconv.Itoa(i))
	}
	hosts := []string{"example.com", "Example.com", "example.com:80", "example.com:80:80", "example.com:443", "a", ""}
	for range 2 {
		for _, uri := range uris {
			slot := &k.slots[maphash.String(k.seed, uri)%uint64(len(k.slots))]
			for range 4 { // a slot is not always taken
				for _, host := range hosts {
					for _, scheme := range []string{"http", "https"} {
						want := string(appendURL(nil, scheme, host, uri))
						if len(want) > longestKey || strings.ContainsAny(want, partEnd+levelEnd) {
							want = ""
						}
						if got := k.of(scheme, host, uri); got != want {
							t.Fatalf("%s %s %q: key %q, want %q", scheme, host, uri, got, want)
						}
						if r := slot.Load(); r != nil && len(r.key) > longestRecent {
							t.Fatalf("%d bytes are remembered, want at most %d", len(r.key), longestRecent)
						}
					}
				}
			}
		}
	}
}

// What is asked for often keeps its slot though others come by.
func TestRecentKeys_often(t *testing.T) {
	t.Parallel()
	k := recentKeys{seed: maphash.MakeSeed()}
	const often = "/often"
	slot := &k.slots[maphash.String(k.seed, often)%uint64(len(k.slots))]
	kept, turns := 0, 0
	for i := 0; turns < 300; i++ {
		other := "/" + strconv.Itoa(i)
		if &k.slots[maphash.String(k.seed, other)%uint64(len(k.slots))] != slot {
			continue
		}
		for range recentTurns {
			k.of("http", "example.com", often)
		}
		if k.of("http", "example.com", other); slot.Load().uri == often {
			kept++
		}
		turns++
	}
	if kept < turns/2 {
		t.Errorf("kept in %d of %d turns", kept, turns)
	}
}
