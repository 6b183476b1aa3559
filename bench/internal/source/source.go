// Package source makes a database take its time, as one across a network does: each query holds one
// of a few connections for a service time drawn from a lognormal distribution, so that a load of
// queries raises the latency of each.
package source

import (
	"context"
	"database/sql"
	"math"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/warmcache/warmcache/loaders"
)

// Config describes a source. A zero field has the default beside it.
type Config struct {
	Connections int           // queries at a time; default 10
	Median      time.Duration // of the service time; default 40 ms
	Sigma       float64       // of the logarithm of the service time; default 0.8
	Seed        uint64        // the same seed draws the same service times, in the order in which queries get a connection
}

// WithDefaults returns cfg with every zero field filled in.
func (cfg Config) WithDefaults() Config {
	if cfg.Connections == 0 {
		cfg.Connections = 10
	}
	if cfg.Median == 0 {
		cfg.Median = 40 * time.Millisecond
	}
	if cfg.Sigma == 0 {
		cfg.Sigma = 0.8
	}
	return cfg
}

// Log is what a source has been asked. It counts at the source's own door, so that it can
// contradict what a cache says of its loads.
type Log struct {
	Queries int           // that got a connection
	Rows    int           // that they returned
	Failed  int           // of the queries, those that returned an error, the end of their context included
	Waited  time.Duration // for a connection, over all queries
	Busy    time.Duration // connections were held, over all connections
}

// Source is a [loaders.DB] over another one. It is safe for concurrent use where that is. It has no
// goroutine and needs no closing.
type Source struct {
	db          loaders.DB
	cfg         Config
	connections chan struct{}

	mu  sync.Mutex
	rng *rand.Rand
	log Log
}

// New returns a source over db, which must allow cfg.Connections queries at a time.
func New(db loaders.DB, cfg Config) *Source {
	cfg = cfg.WithDefaults()
	return &Source{
		db: db, cfg: cfg, connections: make(chan struct{}, cfg.Connections),
		rng: rand.New(rand.NewPCG(cfg.Seed, 0x50eed)),
	}
}

// Log returns what the source has been asked so far.
func (s *Source) Log() Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log
}

// Rebind is the database's.
func (s *Source) Rebind(query string) string { return s.db.Rebind(query) }

// ExecContext runs a statement on a connection of the source.
func (s *Source) ExecContext(ctx context.Context, query string, args ...any) (result sql.Result, err error) {
	err = s.serve(ctx, func() (int, error) {
		result, err = s.db.ExecContext(ctx, query, args...)
		return 0, err
	})
	return result, err
}

// SelectContext runs a query on a connection of the source. dest is a pointer to a slice, as for
// sqlx.
func (s *Source) SelectContext(ctx context.Context, dest any, query string, args ...any) error {
	return s.serve(ctx, func() (int, error) {
		err := s.db.SelectContext(ctx, dest, query, args...)
		return reflect.Indirect(reflect.ValueOf(dest)).Len(), err
	})
}

// serve waits for a connection and holds it until the query is answered and its service time is
// over, whichever takes longer: the drawn time stands for all that a query costs, the database's
// own work is a part of it.
func (s *Source) serve(ctx context.Context, query func() (rows int, err error)) error {
	asked := time.Now()
	select {
	case s.connections <- struct{}{}:
		defer func() { <-s.connections }()
	case <-ctx.Done():
		return ctx.Err()
	}
	began := time.Now()
	timer := time.NewTimer(s.draw())
	defer timer.Stop()
	rows, err := query()
	if err == nil {
		select {
		case <-timer.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	s.note(rows, began.Sub(asked), time.Since(began), err)
	return err
}

func (s *Source) draw() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(float64(s.cfg.Median) * math.Exp(s.cfg.Sigma*s.rng.NormFloat64()))
}

func (s *Source) note(rows int, waited, busy time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.Queries++
	s.log.Rows += rows
	s.log.Waited += waited
	s.log.Busy += busy
	if err != nil {
		s.log.Failed++
	}
}
