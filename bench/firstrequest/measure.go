package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"

	"github.com/warmcache/warmcache/bench/internal/dataset"
	"github.com/warmcache/warmcache/bench/internal/figures"
	"github.com/warmcache/warmcache/bench/internal/source"
	"github.com/warmcache/warmcache/internal/redistest"
)

// config is what the figures depend on.
type config struct {
	Starts  int           `json:"starts"` // of each arm
	Reports int           `json:"reports"`
	Seed    uint64        `json:"seed"`
	Source  source.Config `json:"source"` // times in nanoseconds
}

// arm is one way to start.
type arm string

const (
	off     arm = "warming off"
	atReady arm = "warming on, request when ready"
	atOnce  arm = "warming on, request at once"
)

func arms() []arm { return []arm{off, atReady, atOnce} }

// result is the raw data.
type result struct {
	Config   config          `json:"config"`
	Machine  figures.Machine `json:"machine"`
	Redis    string          `json:"redis"`
	Outcomes []outcome       `json:"outcomes"` // in the order in which they were measured
}

// brand is one of the brands that are warmed, with the weight of a request for it.
type brand struct {
	Name    string `db:"brand_name"`
	Reports int    `db:"report_count"`
}

// measure starts every arm cfg.Starts times. progress hears how many starts of each arm are done.
func measure(tb redistest.TB, cfg config, path string, progress func(done int)) (result, error) {
	server := redistest.Start(tb)
	res := result{Config: cfg, Machine: figures.ThisMachine(), Redis: server.Info("server", "redis_version")}
	brands, err := warmedBrands(tb.Context(), path)
	if err != nil {
		return res, err
	}
	rng := rand.New(rand.NewPCG(cfg.Seed, 0xf125))
	for i := range cfg.Starts {
		s := start{
			path: path, redis: server.Addr(), brand: choose(rng, brands), source: cfg.Source, log: slog.New(slog.DiscardHandler),
		}
		s.source.Seed = rng.Uint64()
		order := arms()
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, a := range order {
			server.Do("FLUSHALL", "SYNC")
			runtime.GC() // what the last start left behind is not this one's to clean up
			o, err := s.run(tb.Context(), a)
			if err != nil {
				return res, fmt.Errorf("start %d, %s: %w", i+1, a, err)
			}
			o.Start = i + 1
			res.Outcomes = append(res.Outcomes, o)
		}
		progress(i + 1)
	}
	return res, nil
}

// warmedBrands are those that the loader popular_brands warms by default.
func warmedBrands(ctx context.Context, path string) ([]brand, error) {
	db, err := dataset.Open(path)
	if err != nil {
		return nil, err
	}
	defer db.Close() //nolint:errcheck // nothing was written
	var brands []brand
	err = db.SelectContext(ctx, &brands, `SELECT brand_name, COUNT(*) AS report_count FROM diagnosis_reports
		WHERE brand_name IS NOT NULL GROUP BY brand_name ORDER BY report_count DESC, brand_name LIMIT 20`)
	if err == nil && len(brands) == 0 {
		err = errors.New("no report names a brand")
	}
	return brands, err
}

// choose picks a brand as often as it is reported on: who asks is as skewed as what is asked about.
func choose(rng *rand.Rand, brands []brand) string {
	total := 0
	for _, b := range brands {
		total += b.Reports
	}
	at := rng.IntN(total)
	for _, b := range brands {
		if at -= b.Reports; at < 0 {
			return b.Name
		}
	}
	return brands[0].Name
}
