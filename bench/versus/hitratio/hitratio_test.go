package main

import (
	"bufio"
	"math"
	"strings"
	"testing"
)

func TestBelady_keepsWhatIsReadNext(t *testing.T) {
	// 1 2 3 miss; room for two: 3 pushes out whichever of 1 and 2 is read later, which is 2.
	keys := []uint64{1, 2, 3, 1, 3, 1, 2}
	if got, want := belady(keys, 2), 3.0/7; math.Abs(got-want) > 1e-9 {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestFormats(t *testing.T) {
	for ext, text := range map[string]string{
		".be32": "\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\x09", ".lirs": "7\n*\n8\n9\n", ".arc": "7 3 0 0\n",
		".be64": "\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x09",
	} {
		var keys []uint64
		err := formats()[ext](bufio.NewReader(strings.NewReader(text)), func(k uint64) bool { keys = append(keys, k); return true })
		if err != nil || len(keys) != 3 || keys[0] != 7 || keys[2] != 9 {
			t.Errorf("%s: %v, %v", ext, keys, err)
		}
	}
}

// Nobody knows more than Belady: a contender above it would hold more than its size. What works in
// the background may do so for a moment.
func TestContenders_respectTheirSize(t *testing.T) {
	tr := generated(1, 20_000)[0]
	const size = 500
	bound := belady(tr.keys, size)
	for _, who := range contenders() {
		c, err := who.make(size)
		if err != nil {
			t.Fatal(err)
		}
		got := replay(c, tr.keys, 0)
		c.close()
		if got > bound || got < bound/10 {
			t.Errorf("%s: %.3f, Belady %.3f", who.name, got, bound)
		}
	}
}
