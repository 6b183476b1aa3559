package main

import "math/rand/v2"

// generated is what no recording shows so purely: skew alone, popularity that drifts slowly and
// fast, or changes at a stroke, scans, loops that are too long, and reads that follow a write soon
// and then never again.
func generated(seed uint64, reads int) []trace {
	const catalogue = 50_000
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // reproducible
	flat, steep := rand.NewZipf(rng, 1.01, 1, catalogue), rand.NewZipf(rng, 1.2, 1, catalogue)
	medium := rand.NewZipf(rng, 1.05, 1, catalogue)
	elsewhere := func(n int) uint64 { return 1<<40 + uint64(n) }
	scanned := 0
	patterns := []struct {
		name string
		next func(i int) uint64
	}{
		{"zipf 1.01", func(int) uint64 { return flat.Uint64() }},
		{"zipf 1.2", func(int) uint64 { return steep.Uint64() }},
		{"drift", func(i int) uint64 { return medium.Uint64() + uint64(i/40) }},
		{"fast drift", func(i int) uint64 { return medium.Uint64() + uint64(i/4) }},
		{"new favourites", func(i int) uint64 { return uint64(i/(reads/4))<<40 + medium.Uint64()*7919%catalogue }},
		{"zipf and scans", func(i int) uint64 {
			if i/5000%4 == 3 {
				scanned++
				return elsewhere(scanned)
			}
			return medium.Uint64()
		}},
		{"zipf and loop", func(i int) uint64 {
			if i%3 == 0 {
				return elsewhere(i / 3 % 20_000)
			}
			return medium.Uint64()
		}},
		{"recency", func(i int) uint64 {
			back := int(rng.ExpFloat64() * 3000)
			if rng.IntN(4) == 0 || back > i {
				return uint64(i)
			}
			return uint64(i - back)
		}},
	}
	all := make([]trace, 0, len(patterns))
	for _, p := range patterns {
		keys := make([]uint64, reads)
		for i := range keys {
			keys[i] = p.next(i)
		}
		all = append(all, newTrace(p.name, keys))
	}
	return all
}
