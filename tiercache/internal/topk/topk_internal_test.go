package topk

import (
	"hash/maphash"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"testing"
)

// popularity draws keys 0 to n-1 with Zipf's frequencies, and feeds a sketch with them.
type popularity struct {
	share []float64 // of each rank
	sum   []float64
	rand  *rand.Rand
	seed  maphash.Seed
	nth   uint64
}

func zipf(n int, alpha float64) *popularity {
	p := &popularity{share: make([]float64, n), sum: make([]float64, n), rand: rand.New(rand.NewPCG(1, 2)), seed: maphash.MakeSeed()} //nolint:gosec // reproducible
	var all float64
	for i := range n {
		p.share[i] = math.Pow(float64(i+1), -alpha)
		all += p.share[i]
	}
	var sum float64
	for i := range n {
		p.share[i] /= all
		sum += p.share[i]
		p.sum[i] = sum
	}
	return p
}

// read reads one key.
func (p *popularity) read(s *Sketch[int], key int) {
	p.nth++
	if hash := maphash.Comparable(p.seed, key); s.Sampled(hash, p.nth) {
		s.Add(hash, key)
	}
}

// feed makes reads of keys that are shift away from their rank.
func (p *popularity) feed(s *Sketch[int], reads, shift int) {
	for range reads {
		rank := min(sort.SearchFloat64s(p.sum, p.rand.Float64()), len(p.sum)-1)
		p.read(s, (rank+shift)%len(p.share))
	}
}

// covered is the traffic of what was learned as a share of that of the true top n.
func (p *popularity) covered(s *Sketch[int], n, shift int) float64 {
	var got, want float64
	for _, c := range s.Top(n) {
		got += p.share[(c.Key-shift+len(p.share))%len(p.share)]
	}
	for _, share := range p.share[:n] {
		want += share
	}
	return got / want
}

// keys counts how often each key stands among the n hottest.
func keys(s *Sketch[int], n int) []int {
	var all []int
	for _, c := range s.Top(n) {
		all = append(all, c.Key)
	}
	return all
}

// halfLife is n reads, spread over the steps of a half-life.
func (p *popularity) halfLife(s *Sketch[int], step *int, reads, shift int) {
	for range StepsPerHalf {
		p.feed(s, reads/StepsPerHalf, shift)
		*step++
		s.Age(*step)
	}
}

func TestSketch_coversTheTop(t *testing.T) {
	t.Parallel()
	for _, alpha := range []float64{0.8, 1, 1.2} {
		t.Run(strconv.FormatFloat(alpha, 'g', -1, 64), func(t *testing.T) {
			t.Parallel()
			p, s, step := zipf(100_000, alpha), New[int](500), 0
			const reads = 400_000
			p.halfLife(s, &step, reads, 0)
			p.halfLife(s, &step, reads, 0)
			if got := p.covered(s, 500, 0); got < 0.97 {
				t.Errorf("the learned keys have %.4f of the true top 500's traffic, want at least 0.97", got)
			}
			if interval := s.interval.Load() + 1; interval < 4 {
				t.Errorf("under load one read in %d is sampled, want at least 4 by now", interval)
			}
			if n := len(s.Top(math.MaxInt)); n > 4*500+16*64 {
				t.Errorf("%d candidates", n)
			}

			const shift = 50_000 // the whole popular set changes
			p.halfLife(s, &step, reads, shift)
			p.halfLife(s, &step, reads, shift)
			if got := p.covered(s, 500, shift); got < 0.97 {
				t.Errorf("two half-lives after all keys have changed they have %.4f, want at least 0.97", got)
			}
		})
	}
}

// A program that reads in a fixed order must not always, or never, be seen at the same keys.
func TestSketch_periodicReads(t *testing.T) {
	t.Parallel()
	for _, period := range []int{16, 32, 64, 987} { // strides of the sampling, a multiple, a Fibonacci number
		p, s := zipf(1, 1), New[int](2000)
		s.interval.Store(mostInterval - 1)
		const rounds = 4000
		for range rounds {
			for key := range period {
				p.read(s, key)
			}
		}
		all := s.Top(period)
		if len(all) != period {
			t.Errorf("period %d: only %d keys were seen", period, len(all))
		}
		for _, c := range all {
			if c.Reads < rounds/2 || c.Reads > rounds*2 {
				t.Errorf("period %d: key %d counts %.0f reads, want about %d", period, c.Key, c.Reads, rounds)
			}
		}
	}
}

func TestSketch_forgets(t *testing.T) {
	t.Parallel()
	p, s, step := zipf(10, 1), New[int](500), 0
	for range 1000 {
		p.read(s, 1)
	}
	for range 200 {
		p.read(s, 2)
	}
	half := func(reads int) (first, second float32) {
		for range StepsPerHalf {
			for range reads / StepsPerHalf {
				p.read(s, 2)
			}
			step++
			s.Age(step)
		}
		for _, c := range s.Top(10) {
			switch c.Key {
			case 1:
				first = c.Reads
			case 2:
				second = c.Reads
			}
		}
		return first, second
	}
	if first, second := half(200); math.Abs(float64(first)-500) > 5 || math.Abs(float64(second)-232) > 5 {
		t.Errorf("after a half-life 1000 reads count %.1f, and 200 with 200 more %.1f; want about 500 and 232", first, second)
	}
	half(200)
	if first, _ := half(200); first != 0 {
		t.Errorf("a key that was not read in two whole half-lives counts %.1f reads", first)
	}
}

func TestSketch_chanceIsNotHot(t *testing.T) {
	t.Parallel()
	p, s := zipf(10, 1), New[int](100)
	for key := range 50 { // somebody reads everything, twice
		p.read(s, key)
		p.read(s, key)
	}
	for range 3 {
		p.read(s, 77)
	}
	if got := keys(s, 100); !slices.Equal(got, []int{77}) {
		t.Errorf("hot are %v, want [77] alone", got)
	}
	s.Forget(maphash.Comparable(p.seed, 77))
	if got := keys(s, 100); len(got) != 0 {
		t.Errorf("hot are %v after it was forgotten", got)
	}
}

// Reads of very many keys, once each, neither grow the sketch nor push out what is read often.
func TestSketch_scan(t *testing.T) {
	t.Parallel()
	p, s := zipf(100, 0.5), New[int](100)
	p.feed(s, 40_000, 0)
	for key := range 1_000_000 {
		p.read(s, 1000+key)
	}
	hot := 0
	for _, key := range keys(s, 100) {
		if key < 100 {
			hot++
		}
	}
	if hot < 97 {
		t.Errorf("after a scan only %d of the 100 hot keys are left", hot)
	}
	for i := range s.shards {
		if n := len(s.shards[i].found); n > s.shards[i].most {
			t.Errorf("shard %d has %d candidates, bound %d", i, n, s.shards[i].most)
		}
	}
}

// The interval follows the load, both ways.
func TestSketch_interval(t *testing.T) {
	t.Parallel()
	p, s := zipf(1000, 0.6), New[int](100)
	p.feed(s, 2_000, 0)
	if got := s.interval.Load() + 1; got != 1 {
		t.Errorf("few reads: one in %d is sampled, want each", got)
	}
	p.feed(s, 3_000_000, 0)
	if got := s.interval.Load() + 1; got != mostInterval {
		t.Errorf("many reads: one in %d is sampled, want one in %d", got, mostInterval)
	}
	for step := range 6 {
		s.Age(step)
	}
	if got := s.interval.Load() + 1; got != 1 {
		t.Errorf("no reads: one in %d is sampled, want each", got)
	}
}
