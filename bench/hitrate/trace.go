package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// request is a read that is to be sent at a moment of virtual time, counted from the start.
type request struct {
	at    time.Duration
	cache int
	key   string
	node  int
}

// report is one that is written while the simulation runs.
type report struct {
	at       time.Duration
	id       string
	brand    string
	user     string
	question string
}

// trace is what happens to the service from outside.
type trace struct {
	requests []request
	reports  []report
}

// popularity is which key is read how much: rank r of keys has the weight (r+1)^-α.
type popularity struct {
	keys []string
	sums []float64 // of the weights, up to each rank
}

func newPopularity(keys []string, alpha float64, more int) *popularity {
	p := &popularity{keys: slices.Clone(keys), sums: make([]float64, len(keys)+more)}
	sum := 0.0
	for r := range p.sums {
		sum += math.Pow(float64(r+1), -alpha)
		p.sums[r] = sum
	}
	return p
}

func (p *popularity) draw(rng *rand.Rand) string {
	x := rng.Float64() * p.sums[len(p.keys)-1]
	return p.keys[min(sort.SearchFloat64s(p.sums, x), len(p.keys)-1)]
}

// drift gives a share of the ranks to other keys, drawn at random from all.
func (p *popularity) drift(rng *rand.Rand, share float64) {
	for r := range p.keys {
		if rng.Float64() < share {
			other := rng.IntN(len(p.keys))
			p.keys[r], p.keys[other] = p.keys[other], p.keys[r]
		}
	}
}

// unknownIDs is how many ids there are that the database does not have, and that are asked for.
const unknownIDs = 20

// world draws a trace. All that is random in it comes from its seed alone: arms that are run with
// one seed meet the same requests.
type world struct {
	cfg   config
	rng   *rand.Rand
	all   [numCaches]*popularity
	fresh int // reports written so far
	trace trace
	flash request
}

func newTrace(cfg config, cat *catalogue, seed uint64) *trace {
	w := &world{cfg: cfg, rng: rand.New(rand.NewPCG(seed, 0x7ace))}
	hours := cfg.BurnInHours + cfg.Hours
	for cache, keys := range cat {
		w.all[cache] = newPopularity(keys, cfg.Alpha, hours*cfg.NewReportsHour)
	}
	// Unannounced: a brand of the less popular half.
	brands := cat[brandCache]
	w.flash = request{cache: brandCache, key: brands[len(brands)/2+w.rng.IntN(len(brands)/2)]}
	for hour := range hours {
		if hour > 0 {
			w.move()
		}
		w.hour(hour)
	}
	slices.SortStableFunc(w.trace.requests, func(a, b request) int { return int(a.at - b.at) })
	return &w.trace
}

// move is what changes from one hour to the next. Reports age by themselves.
func (w *world) move() {
	for _, cache := range []int{brandCache, questionCache, userCache} {
		w.all[cache].drift(w.rng, w.cfg.DriftPerHour)
	}
}

// hour draws the requests of an hour. Reports are written when it begins, as diagnoses come in
// batches.
func (w *world) hour(hour int) {
	from, to := w.cfg.hours(float64(hour)), w.cfg.hours(float64(hour+1))
	if hour > 0 {
		for range w.cfg.NewReportsHour {
			w.publish(from)
		}
	}
	w.arrivals(from, to, w.cfg.RequestsPerHour-w.cfg.BurstsPerHour*float64(w.cfg.BurstRequests), w.one)
	w.arrivals(from, to, w.cfg.BurstsPerHour, w.burst)
}

// arrivals calls back at the moments of a Poisson process with so many an hour.
func (w *world) arrivals(from, to time.Duration, perHour float64, arrive func(at time.Duration)) {
	if perHour <= 0 {
		return
	}
	mean := float64(w.cfg.hours(1)) / perHour
	for at := from + time.Duration(w.rng.ExpFloat64()*mean); at < to; at += time.Duration(w.rng.ExpFloat64() * mean) {
		arrive(at)
	}
}

func (w *world) one(at time.Duration) {
	r := request{at: at, node: w.rng.IntN(w.cfg.Nodes)}
	began := w.cfg.hours(float64(w.cfg.BurnInHours) + w.cfg.FlashAtHour)
	if at >= began && at < began+w.cfg.virtual(time.Duration(w.cfg.FlashLasts)) && w.rng.Float64() < w.cfg.FlashShare {
		r.cache, r.key = w.flash.cache, w.flash.key
	} else {
		r.cache = w.pick()
		r.key = w.all[r.cache].draw(w.rng)
		if r.cache != responseCache && w.rng.Float64() < w.cfg.UnknownShare {
			r.key = fmt.Sprintf("unknown-%d", w.rng.IntN(unknownIDs))
		}
	}
	w.trace.requests = append(w.trace.requests, r)
}

func (w *world) pick() int {
	x, shares := w.rng.Float64(), w.cfg.Mix.shares()
	for cache, share := range shares {
		if x -= share; x < 0 {
			return cache
		}
	}
	return responseCache
}

// burst sends some requests at nearly the same time.
func (w *world) burst(at time.Duration) {
	for range w.cfg.BurstRequests {
		w.one(at + time.Duration(w.rng.Int64N(int64(w.cfg.BurstLasts)))) // as short as it is: it is to meet loads under way
	}
}

// publish writes a report, which is the most read one from now on.
func (w *world) publish(at time.Duration) {
	w.fresh++
	r := report{
		at: at, id: fmt.Sprintf("new-%08d", w.fresh),
		brand: w.all[brandCache].draw(w.rng), user: w.all[userCache].draw(w.rng), question: w.all[questionCache].draw(w.rng),
	}
	w.trace.reports = append(w.trace.reports, r)
	w.all[reportCache].keys = slices.Insert(w.all[reportCache].keys, 0, r.id)
}
