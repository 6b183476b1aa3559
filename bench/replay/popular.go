package main

import (
	"cmp"
	"math"
	"slices"
)

// popular counts reads, each of which counts half after a half-life, and keeps the keys that have
// most. It is the learner of the cache without its sampling, and the table by which a source orders
// its "most popular".
type popular struct {
	half   float64 // nanoseconds
	most   int     // keys that top may be asked for
	score  map[uint64]float64
	origin int64 // a read at this time scores one; a later one more
}

func newPopular(most int, half float64) *popular {
	return &popular{half: half, most: most, score: make(map[uint64]float64)}
}

// weight is what a read at that time scores.
func (p *popular) weight(now int64) float64 { return math.Exp2(float64(now-p.origin) / p.half) }

func (p *popular) add(key uint64, now int64) {
	if len(p.score) == 0 {
		p.origin = now
	}
	w := p.weight(now)
	if w > 1e200 { // the scores are brought down before they overflow
		for k, s := range p.score {
			p.score[k] = s / w
		}
		p.origin, w = now, 1
	}
	p.score[key] += w
	if len(p.score) > max(1<<16, 16*p.most) {
		p.prune()
	}
}

// prune drops the lower half, so that the table stays bounded.
func (p *popular) prune() {
	scores := make([]float64, 0, len(p.score))
	for _, s := range p.score {
		scores = append(scores, s)
	}
	slices.Sort(scores)
	middle := scores[len(scores)/2]
	excess := len(scores) / 2
	for k, s := range p.score {
		if s < middle || s == middle && excess > 0 {
			delete(p.score, k)
			excess--
		}
	}
}

// top is the keys with most reads, the most first; only those with at least so many by now.
func (p *popular) top(now int64, least float64) []uint64 {
	type scored struct {
		key   uint64
		score float64
	}
	all := make([]scored, 0, len(p.score))
	bar := least * p.weight(now)
	for k, s := range p.score {
		if s >= bar {
			all = append(all, scored{k, s})
		}
	}
	slices.SortFunc(all, func(a, b scored) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.key, b.key)) })
	keys := make([]uint64, min(len(all), p.most))
	for i := range keys {
		keys[i] = all[i].key
	}
	return keys
}
