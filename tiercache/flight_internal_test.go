package tiercache

import (
	"fmt"
	"slices"
	"testing"
)

// Flights whose keys share a hash, or that differ in nothing but a generation, are found and leave
// each by itself, in whatever order.
func TestFlights_shareAHash(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			t.Parallel()
			var table flights[string, int]
			c := new(Cache[string, int])
			all := []*flight[string, int]{{cache: &c.loads, key: "a", hash: 7}, {cache: &c.loads, key: "b", hash: 7}, {cache: &c.loads, key: "a", hash: 7, gen: 1}}
			for i, f := range all {
				if joined, leads := table.join(f); joined != f || !leads {
					t.Fatalf("flight %d joined another one", i)
				}
			}
			same := &flight[string, int]{cache: &c.loads, key: "b", hash: 7}
			if joined, leads := table.join(same); joined != all[1] || leads {
				t.Error("a second look-up of b does not join the first")
			}
			for n, i := range order {
				table.leave(all[i])
				table.leave(all[i]) // twice is nothing
				for j, f := range all {
					want := f
					if slices.Contains(order[:n+1], j) {
						want = nil
					}
					if got := table.find(f); got != want {
						t.Errorf("after %v left: flight %d is %p, want %p", order[:n+1], j, got, want)
					}
				}
			}
			if s := table.shard(7); len(s.m) != 0 {
				t.Errorf("%d entries are left", len(s.m))
			}
		})
	}
}
