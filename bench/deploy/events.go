package main

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/warmcache/warmcache/bench/internal/figures"
	"github.com/warmcache/warmcache/bench/internal/source"
	"github.com/warmcache/warmcache/internal/redistest"
)

// outcome is what one arm made of one event.
type outcome struct {
	Event   string        `json:"event"`
	Arm     string        `json:"arm"`
	Rate    int           `json:"rate"`
	Ready   time.Duration `json:"ready"` // from the event's start of a node until it got requests, the slowest
	Before  window        `json:"before"`
	After   []window      `json:"after"` // the first 1, 10 and 60 s
	Last    window        `json:"last"`  // the last quarter: whether it has recovered
	Seconds []second      `json:"seconds"`
}

// window is a span of time around the event.
type window struct {
	From     time.Duration `json:"from"`
	To       time.Duration `json:"to"`
	Requests int           `json:"requests"`
	P50      time.Duration `json:"p50"` // of all requests; one that failed took until it failed
	P95      time.Duration `json:"p95"`
	P99      time.Duration `json:"p99"`
	Errors   int           `json:"errors"`
	Queries  int           `json:"queries"` // that the source answered or gave up
	Waited   time.Duration `json:"waited"`  // for a connection of the source, a query
}

// second is one point of the plot.
type second struct {
	At      int           `json:"at"`
	P99     time.Duration `json:"p99"`
	Errors  float64       `json:"errors"` // share
	Queries int           `json:"queries"`
}

// answer is one request. due is counted from the event.
type answer struct {
	due, took time.Duration
	failed    bool
}

// event is what happens to a fleet.
type event struct {
	name string
	do   func(ctx context.Context, f *fleet) (ready time.Duration, err error)
}

func nothing(context.Context) error { return nil }

func events(cfg config) []event {
	return []event{
		{"one of three restarts", func(ctx context.Context, f *fleet) (time.Duration, error) { return f.restart(ctx, []int{0}, nothing) }},
		{"rolling deploy", func(ctx context.Context, f *fleet) (slowest time.Duration, err error) {
			for i := range f.nodes {
				if i > 0 {
					select {
					case <-time.After(cfg.Apart):
					case <-ctx.Done():
						return slowest, ctx.Err()
					}
				}
				took, err := f.restart(ctx, []int{i}, nothing)
				if err != nil {
					return slowest, err
				}
				slowest = max(slowest, took)
			}
			return slowest, nil
		}},
		{"both tiers flushed", flushed},
	}
}

func flushed(ctx context.Context, f *fleet) (time.Duration, error) {
	all := make([]int, len(f.nodes))
	for i := range all {
		all[i] = i
	}
	return f.restart(ctx, all, f.flush)
}

func measure(tb redistest.TB, cfg config) (result, error) {
	r := result{Config: cfg, Machine: figures.ThisMachine()}
	for _, e := range events(cfg) {
		all, err := observe(tb, cfg, e)
		if err != nil {
			return r, err
		}
		r.Events = append(r.Events, all...)
	}
	for _, rate := range cfg.Rates {
		cold := cfg
		cold.Rate, cold.After = rate, cfg.Cold
		all, err := observe(tb, cold, event{"cold start", flushed})
		if err != nil {
			return r, err
		}
		r.Cold = append(r.Cold, all...)
	}
	return r, nil
}

// observe lets an event happen to all arms at once.
func observe(tb redistest.TB, cfg config, e event) (all []outcome, err error) {
	all = make([]outcome, len(arms()))
	servers := make([]*redistest.Server, len(all))
	for i := range servers {
		servers[i] = redistest.Start(tb)
		defer servers[i].Kill()
	}
	group, ctx := errgroup.WithContext(tb.Context())
	for i, a := range arms() {
		group.Go(func() error {
			dial := func() *redis.Client { return redis.NewClient(&redis.Options{Addr: servers[i].Addr()}) }
			f, err := newFleet(ctx, newBackend(cfg, dial), a)
			if f != nil {
				defer f.close(context.WithoutCancel(ctx)) //nolint:errcheck // the figures are taken
			}
			if err != nil {
				return err
			}
			all[i], err = f.observe(ctx, e)
			return err
		})
	}
	return all, group.Wait()
}

// observe sends requests before an event, during and after it.
func (f *fleet) observe(ctx context.Context, e event) (o outcome, err error) {
	cfg := f.b.cfg
	for _, n := range f.nodes {
		if err := n.prime(ctx, cfg.Primed); err != nil {
			return o, err
		}
	}
	o = outcome{Event: e.name, Arm: f.arm.name, Rate: cfg.Rate}
	began := time.Now().Add(cfg.Before)
	var load []source.Log // so far, second by second
	group, ctx := errgroup.WithContext(ctx)
	var answers []answer
	group.Go(func() error {
		answers = f.requests(ctx, began)
		return nil
	})
	group.Go(func() error {
		load = f.sourceLoad(ctx, began)
		return nil
	})
	group.Go(func() (err error) {
		select {
		case <-time.After(time.Until(began)):
		case <-ctx.Done():
			return ctx.Err()
		}
		o.Ready, err = e.do(ctx, f)
		return err
	})
	if err := group.Wait(); err != nil {
		return o, err
	}
	o.judge(cfg, answers, load)
	return o, nil
}

// requests sends the requests, each at its own time, and returns what became of them.
func (f *fleet) requests(ctx context.Context, began time.Time) []answer {
	cfg := f.b.cfg
	rng := rand.New(rand.NewPCG(cfg.Seed, 2)) //nolint:gosec // requests, not secrets
	draw := zipf(cfg.Keys, cfg.Alpha)
	var mu sync.Mutex
	var answers []answer
	var all sync.WaitGroup
	for due := -cfg.Before; due < cfg.After; due += time.Duration(rng.ExpFloat64() * float64(time.Second) / float64(cfg.Rate)) {
		key := draw(rng)
		if wait := time.Until(began.Add(due)); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			ctx, cancel := context.WithDeadline(ctx, began.Add(due+cfg.Deadline))
			defer cancel()
			err := f.get(ctx, key)
			took := time.Since(began.Add(due))
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, answer{due, took, err != nil})
		})
	}
	all.Wait()
	return answers
}

// sourceLoad reads the source's own log once a second.
func (f *fleet) sourceLoad(ctx context.Context, began time.Time) (load []source.Log) {
	for at := -f.b.cfg.Before; at <= f.b.cfg.After; at += time.Second {
		select {
		case <-time.After(time.Until(began.Add(at))):
		case <-ctx.Done():
			return load
		}
		load = append(load, f.b.source.Log())
	}
	return load
}

// zipf draws ranks with probabilities that fall with rank to the power of alpha.
func zipf(keys int, alpha float64) func(*rand.Rand) int {
	sums := make([]float64, keys)
	sum := 0.0
	for rank := range sums {
		sum += math.Pow(float64(rank+1), -alpha)
		sums[rank] = sum
	}
	return func(rng *rand.Rand) int {
		rank, _ := slices.BinarySearch(sums, rng.Float64()*sum)
		return min(rank, keys-1)
	}
}

// judge sums up the answers.
func (o *outcome) judge(cfg config, answers []answer, load []source.Log) {
	at := func(from, to time.Duration) window {
		w := window{From: from, To: to}
		var took []time.Duration
		for _, a := range answers {
			if a.due < from || a.due >= to {
				continue
			}
			if took = append(took, a.took); a.failed {
				w.Errors++
			}
		}
		w.Requests, w.P50, w.P95, w.P99 = len(took), figures.Percentile(took, 0.5), figures.Percentile(took, 0.95), figures.Percentile(took, 0.99)
		first, last := int((from+cfg.Before)/time.Second), int((to+cfg.Before)/time.Second)
		if last < len(load) {
			w.Queries = load[last].Queries - load[first].Queries
			w.Waited = (load[last].Waited - load[first].Waited) / time.Duration(max(1, w.Queries))
		}
		return w
	}
	o.Before = at(-cfg.Before, 0)
	for _, to := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
		if to <= cfg.After {
			o.After = append(o.After, at(0, to))
		}
	}
	o.Last = at(cfg.After-cfg.After/4, cfg.After)
	for s := -int(cfg.Before / time.Second); s < int(cfg.After/time.Second); s++ {
		w := at(time.Duration(s)*time.Second, time.Duration(s+1)*time.Second)
		o.Seconds = append(o.Seconds, second{s, w.P99, float64(w.Errors) / float64(max(1, w.Requests)), w.Queries})
	}
}
