package memory

import (
	"math/rand/v2"
	"testing"
)

func TestGhosts_whoComesBackMovesTheBorder(t *testing.T) {
	const entries = 1600
	var g ghosts
	g.init(entries)
	back := func(hash uint64) float64 {
		before := g.share()
		g.back(hash, entries)
		return g.share() - before
	}
	const one, least = 1 << 40, ghostStep / entries * 0.999
	if d := back(one); d != 0 {
		t.Errorf("somebody who had never been there moved the share by %v", d)
	}
	g.leave(one, leftWindow)
	if d := back(one | 1<<50); d != 0 {
		t.Errorf("one with another hash in the same cell moved the share by %v", d)
	}
	if d := back(one); d < least {
		t.Errorf("one that the window had no room for moved the share by %v", d)
	}
	if d := back(one); d != 0 {
		t.Errorf("the same one moved it by another %v without having left again", d)
	}
	g.leave(one, leftPolicy)
	if d := back(one); d > -least {
		t.Errorf("one that Ristretto gave up moved the share by %v", d)
	}
	g.leave(one, leftWindow)
	for range 100 * entries {
		g.leave(rand.Uint64(), leftWindow)
	}
	if d := back(one); d != 0 {
		t.Errorf("one that had been gone for long moved the share by %v", d)
	}
	g.leave(one, leftPolicy)
	if d := back(one); d > -ghostWeight*least {
		t.Errorf("one of few that Ristretto gave up, beside many that the window had no room for, moved the share by %v", d)
	}
	for range 10 * entries {
		g.leave(one, leftWindow)
		g.back(one, entries)
	}
	if g.share() != mostShare {
		t.Errorf("the share went to %v, not %v", g.share(), mostShare)
	}
	for range 10 * entries {
		g.leave(one, leftPolicy)
		g.back(one, entries)
	}
	if g.share() != leastShare {
		t.Errorf("the share went to %v, not %v", g.share(), leastShare)
	}
}
