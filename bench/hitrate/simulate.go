package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/warmcache/warmcache/bench/internal/dataset"
	"github.com/warmcache/warmcache/bench/internal/figures"
	"github.com/warmcache/warmcache/bench/internal/source"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
)

// file is a SQLite file that runs read, one after the other.
type file struct {
	path    string
	cat     *catalogue
	answers answers
}

func openFile(ctx context.Context, path string) (*file, error) {
	db, err := dataset.Open(path)
	if err != nil {
		return nil, err
	}
	cat, err := readCatalogue(ctx, db)
	f := &file{path: path, cat: cat, answers: newAnswers()}
	return f, errors.Join(err, db.Close())
}

// simulation is one run. It lives in a bubble of virtual time.
type simulation struct {
	host

	door   *door
	source *source.Source
	began  time.Time // of the requests

	mu     sync.Mutex
	nodes  []*node
	up     []chan struct{} // closed while the node answers
	opened []*loaders.Caches
	out    outcome
	open   bool // what is answered is measured
	err    error
	first  map[string]time.Duration
	flying sync.WaitGroup
}

// simulate runs an arm on the workload, in the bubble that tb belongs to.
func simulate(tb redistest.TB, f *file, j job) (out outcome, err error) {
	a, ok := armOf(j.Arm)
	if !ok {
		return out, fmt.Errorf("no arm is called %q", j.Arm)
	}
	ctx := context.WithoutCancel(tb.Context())
	db, err := dataset.Open(f.path)
	if err != nil {
		return out, err
	}
	defer db.Close() //nolint:errcheck // nothing was written
	d, err := openDoor(ctx, db, &f.answers)
	if err != nil {
		return out, err
	}
	defer d.close() //nolint:errcheck // it undoes what was written
	s := &simulation{
		host: host{cfg: j.Config, arm: a, server: redistest.Memory(tb), cat: f.cat, seed: j.Seed, traced: newTrace(j.Config, f.cat, j.Seed)},
		door: d, out: outcome{Arm: a.Name, Seed: j.Seed}, first: make(map[string]time.Duration),
		source: source.New(d, source.Config{
			Connections: j.Config.Connections, Median: time.Duration(j.Config.ServiceMedian), Sigma: j.Config.ServiceSigma, Seed: j.Seed,
		}),
	}
	s.db = s.source
	err = s.run(ctx)
	for _, n := range s.nodes {
		err = errors.Join(err, n.close(ctx))
	}
	return s.out, err
}

func (s *simulation) run(ctx context.Context) error {
	asked := time.Now()
	if err := s.start(ctx); err != nil {
		return err
	}
	s.out.ReadyMillis = millis(time.Since(asked))
	s.began = time.Now()
	var oracle sync.WaitGroup
	if s.arm.oracle {
		oracle.Go(func() { s.foresee(ctx) })
	}
	err := s.play(ctx)
	oracle.Wait()
	s.flying.Wait()
	s.firsts()
	return errors.Join(err, s.err)
}

func (s *simulation) start(ctx context.Context) error {
	s.nodes, s.up = make([]*node, s.cfg.Nodes), make([]chan struct{}, s.cfg.Nodes)
	for i := range s.nodes {
		s.up[i] = make(chan struct{})
	}
	for i := range s.nodes {
		if err := s.bring(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// bring opens a node and waits until it is ready.
func (s *simulation) bring(ctx context.Context, i int) error {
	n, err := s.host.open(ctx, i)
	if err != nil {
		return err
	}
	<-n.engine.Ready()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[i] = n
	s.opened = append(s.opened, n.caches)
	close(s.up[i])
	return nil
}

// reach is the node that a request goes to: the next one that is up, or its own once that is.
func (s *simulation) reach(i int) *node {
	s.mu.Lock()
	for k := range s.nodes {
		at := (i + k) % len(s.nodes)
		select {
		case <-s.up[at]:
			defer s.mu.Unlock()
			return s.nodes[at]
		default:
		}
	}
	up := s.up[i]
	s.mu.Unlock()
	<-up
	return s.reach(i)
}

// play sends the trace's requests at their times.
func (s *simulation) play(ctx context.Context) error {
	from, to := s.cfg.measured()
	events := s.events(from, to)
	at := 0
	for _, r := range s.traced.requests {
		for ; at < len(events) && events[at].at <= r.at; at++ {
			if err := s.happen(ctx, events[at]); err != nil {
				return err
			}
		}
		s.until(r.at)
		s.flying.Go(func() { s.send(ctx, r) })
	}
	for ; at < len(events); at++ {
		if err := s.happen(ctx, events[at]); err != nil {
			return err
		}
	}
	s.flying.Wait()
	return nil
}

func (s *simulation) happen(ctx context.Context, e event) error {
	s.until(e.at)
	return e.do(ctx)
}

func (s *simulation) until(at time.Duration) {
	if wait := time.Until(s.began.Add(at)); wait > 0 {
		<-time.After(wait)
	}
}

// send is one request.
func (s *simulation) send(ctx context.Context, r request) {
	mark := &read{}
	began := time.Now()
	a, err := s.reach(r.node).get(context.WithValue(ctx, readKey{}, mark), r.cache, r.key)
	took := time.Since(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		s.out.add(r.cache, a, mark.asked.Load(), err)
	}
	if name := fmt.Sprint(r.cache, r.key); err == nil {
		if _, ok := s.first[name]; !ok {
			s.first[name] = took
		}
	}
}

// event is what happens at a moment, beside the requests.
type event struct {
	at time.Duration
	do func(context.Context) error
}

func (s *simulation) events(from, to time.Duration) []event {
	var all []event
	for _, r := range s.traced.reports {
		all = append(all, event{r.at, func(ctx context.Context) error { return s.door.publish(ctx, r) }})
	}
	for _, at := range restartTimes(s.cfg) {
		all = append(all, event{at.at, func(ctx context.Context) error { return s.restart(ctx, at.nodes, at.flush) }})
	}
	before := new(tiercache.Stats)
	var log source.Log
	var commands int
	var bytes int64
	all = append(all, event{from, func(context.Context) error {
		s.flying.Wait()
		*before, log, commands, bytes = s.stats(), s.source.Log(), s.server.CommandCount(), s.bytes()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open = true
		s.door.measured.Store(true)
		return nil
	}}, event{to, func(context.Context) error {
		s.flying.Wait()
		now, after := s.stats(), s.source.Log()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open = false
		o := &s.out
		o.CacheHits = int64(now.Hits() - before.Hits()) //nolint:gosec // far below
		o.CacheMisses = int64(now.Misses - before.Misses)
		o.SourceAsked = s.door.demand.Load()
		o.SourceQueries, o.SourceRows = after.Queries-log.Queries, after.Rows-log.Rows
		o.RedisCommands, o.RedisBytes = s.server.CommandCount()-commands, s.bytes()-bytes
		for _, n := range s.nodes {
			o.Entries += stats(n.caches).Entries
		}
		return nil
	}})
	slices.SortStableFunc(all, func(a, b event) int { return int(a.at - b.at) })
	return all
}

// bytes is what went to Redis and came from it.
func (s *simulation) bytes() int64 { return s.traffic.Sent.Load() + s.traffic.Received.Load() }

// fail keeps errors for the end of the run.
func (s *simulation) fail(errs ...error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = errors.Join(s.err, errors.Join(errs...))
}

// stats sums up the counters of all nodes there were.
func (s *simulation) stats() (sum tiercache.Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.opened {
		one := stats(c)
		sum.MemoryHits += one.MemoryHits
		sum.RedisHits += one.RedisHits
		sum.StaleHits += one.StaleHits
		sum.NegativeHits += one.NegativeHits
		sum.Misses += one.Misses
		sum.Joined += one.Joined
	}
	return sum
}

// firsts sums up the first requests.
func (s *simulation) firsts() {
	inList := make(map[string]bool)
	for cache, n := range [numCaches]int{20, 100, 20, 50, 2} {
		for _, key := range s.cat[cache][:min(n, len(s.cat[cache]))] {
			inList[fmt.Sprint(cache, key)] = true
		}
	}
	var all, listed []time.Duration
	for name, took := range s.first {
		if all = append(all, took); inList[name] {
			listed = append(listed, took)
		}
	}
	s.out.First, s.out.Listed = firstsOf(all), firstsOf(listed)
}

func firstsOf(took []time.Duration) firsts {
	f := firsts{N: len(took)}
	for _, d := range took {
		f.Mean += millis(d) / float64(len(took))
	}
	f.P50, f.P95, f.P99 = millis(figures.Percentile(took, 0.5)), millis(figures.Percentile(took, 0.95)), millis(figures.Percentile(took, 0.99))
	return f
}
