package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// outcome is one arm with one TTL.
type outcome struct {
	arm
	TTL      time.Duration `json:"ttl"`
	Capacity int64         `json:"capacity"`
	counts
	Fresh float64 `json:"fresh"` // shares of all reads
	Mem   float64 `json:"fresh_memory"`
	Stl   float64 `json:"stale_share"`
	Miss  float64 `json:"miss_share"`
}

// report is everything that is known after a run.
type report struct {
	File     string          `json:"file"`
	Trace    noted           `json:"trace"`
	Settings settings        `json:"settings"`
	TTLs     []time.Duration `json:"ttls"`
	Arms     []outcome       `json:"arms"`
	Sizes    []outcome       `json:"other_capacities"` // the plain cache with half, and twice, the capacity
	Again    []outcome       `json:"again"`            // the plain cache once more: what two runs of the same differ by means nothing
	Advice   []advice        `json:"advice"`           // for each TTL
}

// player replays reads for one arm.
type player struct {
	outcome
	again  bool
	node   *node   // or
	oracle *oracle // the one
}

func newPlayer(a arm, cfg settings, ttl time.Duration) (p *player, err error) {
	p = &player{outcome: outcome{arm: a, TTL: ttl, Capacity: cfg.Capacity}}
	if a.oracle {
		p.oracle = newOracle(cfg, int64(ttl))
		return p, nil
	}
	p.node, err = newNode(a, cfg, int64(ttl))
	return p, err
}

func (p *player) play(ctx context.Context, reads []read) error {
	for _, r := range reads {
		if p.oracle != nil {
			p.oracle.read(r)
		} else if err := p.node.read(ctx, r); err != nil {
			return fmt.Errorf("arm %s: %w", p.Name, err)
		}
	}
	return nil
}

// end returns what became of the reads.
func (p *player) end() (outcome, error) {
	var err error
	if p.oracle != nil {
		p.oracle.flush()
		p.counts = p.oracle.counts
	} else {
		p.counts, err = p.node.counts, p.node.close()
	}
	p.Fresh, p.Mem, p.Stl, p.Miss = p.fresh(), p.share(p.Memory), p.share(p.Stale), p.share(p.Misses)
	return p.outcome, err
}

// batchReads are handed to all arms at a time: the file is read once, and never held.
const batchReads = 8192

// replay plays a trace through every arm with every TTL.
func replay(ctx context.Context, r *reader, cfg settings, ttls []time.Duration) (rep report, err error) {
	rep = report{File: r.name, Settings: cfg, TTLs: ttls}
	players, err := cast(cfg, ttls)
	defer func() {
		for _, p := range players {
			if p.node != nil && p.node.memory != nil {
				err = errors.Join(err, p.node.close()) // a second time is nothing
			}
		}
	}()
	if err != nil {
		return rep, err
	}
	if err := playAll(ctx, r, players); err != nil {
		return rep, err
	}
	rep.Trace = r.noted
	for _, p := range players {
		out, err := p.end()
		if err != nil {
			return rep, err
		}
		switch {
		case p.again:
			rep.Again = append(rep.Again, out)
		case out.Capacity == cfg.Capacity:
			rep.Arms = append(rep.Arms, out)
		default:
			rep.Sizes = append(rep.Sizes, out)
		}
	}
	for _, ttl := range ttls {
		rep.Advice = append(rep.Advice, advise(rep, ttl))
	}
	return rep, nil
}

// cast is a player for each arm and TTL, and for the plain cache with other capacities.
func cast(cfg settings, ttls []time.Duration) (players []*player, err error) {
	add := func(a arm, cfg settings, ttl time.Duration) *player {
		p, failed := newPlayer(a, cfg, ttl)
		err = errors.Join(err, failed)
		players = append(players, p)
		return p
	}
	for _, ttl := range ttls {
		for _, a := range cfg.arms() {
			add(a, cfg, ttl)
		}
		add(cfg.arms()[0], cfg, ttl).again = true
		for _, other := range []int64{cfg.Capacity / 2, cfg.Capacity * 2} {
			sized := cfg
			if sized.Capacity = other; other > 0 {
				add(cfg.arms()[0], sized, ttl)
			}
		}
	}
	return players, err
}

func playAll(ctx context.Context, r *reader, players []*player) error {
	batch := make([]read, 0, batchReads)
	for ended := false; !ended; {
		batch = batch[:0]
		for len(batch) < batchReads {
			one, err := r.read()
			if errors.Is(err, io.EOF) {
				ended = true
				break
			}
			if err != nil {
				return err
			}
			batch = append(batch, one)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(runtime.GOMAXPROCS(0))
		for _, p := range players {
			group.Go(func() error { return p.play(ctx, batch) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}
