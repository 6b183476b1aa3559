package topk

import (
	"cmp"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
)

// Sketch counts which keys are read most, from a sample of the reads. It forgets: a read counts
// half after a half-life.
//
// Keys that are candidates are counted exactly, under their own name; all others are counted in a
// HeavyKeeper (Gong et al., HeavyKeeper: An Accurate Algorithm for Finding Top-k Elephant Flows,
// USENIX ATC 2018), from which they rise to candidates. The order, a filter of exact counts before
// a sketch, is the Augmented Sketch's (Roy et al., SIGMOD 2016). Rejected: Space-Saving, where at
// low skew each newcomer inherits the count of whom it displaces, and a plain Count-Min, whose
// estimates the tail lifts.
//
// Sampling is random and not each 32nd read: a program that reads in a fixed order would else
// always, or never, be seen at one key.
type Sketch[K comparable] struct {
	interval atomic.Uint32 // one read in so many is sampled: a power of two, less one
	_        [60]byte      // every read looks at it
	shards   [sketchShards]sketchShard[K]
}

type sketchShard[K comparable] struct {
	mu    sync.Mutex
	found map[uint64]*Candidate[K] // by the key's hash
	most  int                      // candidates; over that, the lower half goes back into the rows
	floor float32                  // what a key must have been read to become one
	rows  [2][]bucket
	taken int // samples since the interval was last looked at
	_     [64]byte
}

// Candidate is a key that may be hot. Its reads are estimates: a sample counts for as many as it
// stands for.
type Candidate[K comparable] struct {
	Key   K
	hash  uint64
	Reads float32 // halved each half-life
	last  float32 // in the half-life before this one, and
	now   float32 // in this one, not halved
	Told  float32 // of reads, what Redis has heard of
}

// bucket is a place of the HeavyKeeper: one key's count, which the reads of others that share the
// place wear away.
type bucket struct {
	mark  uint32
	reads float32
}

const (
	sketchShards = 16
	// mostInterval is the sampling under load. A cache with few reads is sampled more densely, as
	// there is little to see.
	mostInterval = 32
	// densely is how many samples, in one shard and one step, show that there is enough to see for
	// sampling half as many.
	densely = 2048
	// StepsPerHalf is in how many steps a half-life is forgotten.
	StepsPerHalf = 4
	// leastSamples make a key worth naming: what was read once or twice is chance, or somebody who
	// reads everything.
	leastSamples = 3
	// fadeLimit bounds a key by so many times what it would count if it had always been read as in
	// this half-life and the one before: a key that is read no more is soon hot no more, however
	// hot it was.
	fadeLimit = 2
	// newsShare is the share of a key's count that must be new for Redis to be told.
	newsShare = 1. / 8
)

// wear is the chance that a foreign read takes one off a bucket which stands at i: HeavyKeeper's
// b^-i with b = 1.08.
//
//nolint:gochecknoglobals // a constant
var wear = func() (p [64]float32) {
	for i := range p {
		p[i] = float32(math.Pow(1.08, -float64(i)))
	}
	return p
}()

// New returns a Sketch that finds about the n hottest keys.
func New[K comparable](n int) *Sketch[K] {
	s := new(Sketch[K])
	buckets := rowSize(n) * 32 / sketchShards
	for i := range s.shards {
		sh := &s.shards[i]
		sh.found = make(map[uint64]*Candidate[K])
		sh.most = max(64, 4*n/sketchShards)
		sh.rows = [2][]bucket{make([]bucket, buckets), make([]bucket, buckets)}
	}
	return s
}

// rowSize returns the greatest power of two that is at most n, between 256 and 65,536.
func rowSize(n int) int {
	size := 256
	for size < 1<<16 && 2*size <= n {
		size *= 2
	}
	return size
}

// Sampled reports whether a read is to be counted. nth is any number that reads don't repeat, such
// as a count of them: mixed (by wyrand's multiplication), it is as good as a random number, which
// would cost more than all the rest.
func (s *Sketch[K]) Sampled(hash, nth uint64) bool {
	nth = (nth ^ hash) * 0xA0761D6478BD642F
	high, low := bits.Mul64(nth, nth^0xE7037ED1A0B428DB)
	return uint32(high^low)&s.interval.Load() == 0
}

// Add counts a sampled read. It is safe for concurrent use.
func (s *Sketch[K]) Add(hash uint64, key K) {
	interval := s.interval.Load()
	sh := &s.shards[hash%sketchShards]
	sh.mu.Lock()
	sh.add(hash, key, float32(interval+1))
	sh.taken++
	enough := interval < mostInterval-1 && sh.taken >= densely*(1+bits.Len32(interval))
	sh.mu.Unlock()
	if enough {
		s.interval.CompareAndSwap(interval, 2*interval+1)
	}
}

func (sh *sketchShard[K]) add(hash uint64, key K, weight float32) {
	if c := sh.found[hash]; c != nil {
		c.Reads += weight
		c.now += weight
		return
	}
	reads := sh.keep(hash, weight)
	if reads <= sh.floor {
		return
	}
	if len(sh.found) >= sh.most {
		sh.thin()
		if reads <= sh.floor {
			return
		}
	}
	sh.found[hash] = &Candidate[K]{Key: key, hash: hash, Reads: reads, now: reads}
}

// keep counts a read in the HeavyKeeper and returns what it knows of the key now.
func (sh *sketchShard[K]) keep(hash uint64, weight float32) (reads float32) {
	mark := uint32(hash >> 32)
	for i := range sh.rows {
		c := sh.bucket(i, hash)
		switch {
		case c.mark == mark || c.reads == 0:
			c.mark = mark
			c.reads += weight
		case chance(c.reads/weight) <= rand.Float32(): //nolint:gosec // nothing is guarded by it
			continue
		case c.reads > weight:
			c.reads -= weight
			continue
		default:
			*c = bucket{mark, weight}
		}
		reads = max(reads, c.reads)
	}
	return reads
}

func chance(samples float32) float32 {
	if samples >= float32(len(wear)) {
		return 0
	}
	return wear[int(samples)]
}

// bucket is the key's place in a row. Shard, places and mark take different bits of the hash, or
// mixed ones.
func (sh *sketchShard[K]) bucket(row int, hash uint64) *bucket {
	const mix = 0x9E3779B97F4A7C15
	buckets := sh.rows[row]
	if row == 0 {
		hash /= sketchShards
	} else {
		hash = hash * mix >> 40
	}
	return &buckets[hash&uint64(len(buckets)-1)]
}

// thin leaves the upper half of the candidates. The others' counts go where those of other keys
// are, as far as they are the higher ones there.
func (sh *sketchShard[K]) thin() {
	all := sh.sorted()
	kept := sh.most / 2
	sh.floor = all[kept-1].Reads
	for _, c := range all[kept:] {
		sh.giveBack(c)
	}
}

func (sh *sketchShard[K]) giveBack(c *Candidate[K]) {
	delete(sh.found, c.hash)
	for i := range sh.rows {
		if place := sh.bucket(i, c.hash); place.reads < c.Reads {
			*place = bucket{uint32(c.hash >> 32), c.Reads}
		}
	}
}

func (sh *sketchShard[K]) sorted() []*Candidate[K] {
	all := make([]*Candidate[K], 0, len(sh.found))
	for _, c := range sh.found {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *Candidate[K]) int { return cmp.Compare(b.Reads, a.Reads) })
	return all
}

// Forget takes a key out, and reports whether it was a candidate.
func (s *Sketch[K]) Forget(hash uint64) bool {
	sh := &s.shards[hash%sketchShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	known := sh.found[hash] != nil
	delete(sh.found, hash)
	for i := range sh.rows {
		if place := sh.bucket(i, hash); place.mark == uint32(hash>>32) {
			*place = bucket{}
		}
	}
	return known
}

// Age is one step of forgetting: the stepsPerHalf-th ends a half-life.
func (s *Sketch[K]) Age(step int) {
	taken := 0
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		sh.age(step%StepsPerHalf, float32(s.interval.Load()+1))
		taken += sh.taken
		sh.taken = 0
		sh.mu.Unlock()
	}
	if interval := s.interval.Load(); taken < densely*sketchShards/4 {
		s.interval.CompareAndSwap(interval, interval/2)
	}
}

func (sh *sketchShard[K]) age(part int, weight float32) {
	fade := float32(math.Exp2(-1. / StepsPerHalf))
	gone := weight / 4
	span := 1 + float32(part)/StepsPerHalf // half-lives over which last and now were counted
	if part == 0 {
		span = 2
	}
	sh.floor *= fade
	for hash, c := range sh.found {
		// a steady key counts 1/ln 2 times its reads of a half-life
		c.Reads = min(c.Reads*fade, fadeLimit*(c.last+c.now)/span/math.Ln2)
		c.Told *= fade
		if c.Reads < gone && c.Told < gone {
			delete(sh.found, hash)
		}
		if part == 0 {
			c.last, c.now = c.now, 0
		}
	}
	for _, row := range sh.rows {
		for i := range row {
			if row[i].reads *= fade; row[i].reads < gone {
				row[i] = bucket{}
			}
		}
	}
}

// Top returns copies of the n hottest keys, the hottest first.
func (s *Sketch[K]) Top(n int) []Candidate[K] {
	least := leastSamples * float32(s.interval.Load()+1)
	all := s.collect(func(c *Candidate[K]) bool { return c.Reads >= least })
	slices.SortFunc(all, func(a, b Candidate[K]) int { return cmp.Or(cmp.Compare(b.Reads, a.Reads), cmp.Compare(a.hash, b.hash)) })
	return all[:min(n, len(all))]
}

// News is those of the n hottest keys about which there is something new, and what was told of and
// is fading.
func (s *Sketch[K]) News(n int) []Candidate[K] {
	rising := slices.DeleteFunc(s.Top(n), func(c Candidate[K]) bool { return c.Reads-c.Told < c.Reads*newsShare })
	return append(rising, s.collect(func(c *Candidate[K]) bool { return c.Told-c.Reads > c.Told*newsShare })...)
}

func (s *Sketch[K]) collect(wanted func(*Candidate[K]) bool) (all []Candidate[K]) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for _, c := range sh.found {
			if wanted(c) {
				all = append(all, *c)
			}
		}
		sh.mu.Unlock()
	}
	return all
}

// Heard notes that Redis has heard of these counts.
func (s *Sketch[K]) Heard(told []Candidate[K]) {
	for _, hot := range told {
		sh := &s.shards[hot.hash%sketchShards]
		sh.mu.Lock()
		if c := sh.found[hot.hash]; c != nil {
			c.Told = hot.Reads
		}
		sh.mu.Unlock()
	}
}
