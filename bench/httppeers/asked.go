package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

// asked is what the origin was asked for behind one peer.
type asked struct {
	Peer string `json:"peer"`
	// Cold is for one URL that many ask for at once, and that nobody has asked for.
	Cold       int64         `json:"cold"`
	ColdTook   time.Duration `json:"cold_took_ns"`
	ColdFailed int           `json:"cold_failed"`
	// Own is for one URL whose answers may not be stored: all of them, at the same time.
	Own       int64         `json:"uncacheable"`
	OwnMost   int64         `json:"uncacheable_at_once"`
	OwnTook   time.Duration `json:"uncacheable_took_ns"`
	OwnFailed int           `json:"uncacheable_failed"`
	// Restart is for pages that were asked for before a restart, and are asked for after it.
	Restart int64 `json:"restart"`
	// Warmed is for pages of the sitemap after a start with nothing.
	Warmed int64 `json:"cold_start"`
	Warms  bool  `json:"warms"` // it was told of the sitemap
}

// ask counts for all peers that are caches.
func (f *field) ask(ctx context.Context, cfg config, all []peer) ([]asked, error) {
	var out []asked
	for _, p := range all {
		if p.bare {
			continue
		}
		a, err := f.askOne(ctx, cfg, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		out = append(out, a)
	}
	return out, nil
}

func (f *field) askOne(ctx context.Context, cfg config, p peer) (a asked, err error) {
	a = asked{Peer: p.name, Warms: p.warms}
	at, err := f.place(ctx)
	if err != nil {
		return a, err
	}
	if p.redis {
		f.redis.Do("FLUSHALL") //nolint:contextcheck // its TB has it
		at.redis = f.redis.Addr()
	}
	// One after the other: at once, then a restart with what it keeps.
	err = f.with(ctx, p, at, func() error {
		if a.ColdTook, a.ColdFailed, err = once(ctx, at.addr, "/cold/1", cfg.clients); err != nil {
			return err
		}
		a.Cold = f.origin.asked.Load()
		f.origin.reset()
		if a.OwnTook, a.OwnFailed, err = once(ctx, at.addr, "/own/1", cfg.clients); err != nil {
			return err
		}
		a.Own, a.OwnMost = f.origin.asked.Load(), f.origin.most.Load()
		return f.readPages(ctx, at.addr)
	})
	if err != nil {
		return a, err
	}
	err = f.with(ctx, p, at, func() error {
		err := f.readPages(ctx, at.addr)
		a.Restart = f.origin.asked.Load()
		return err
	})
	if err != nil {
		return a, err
	}
	if at, err = f.place(ctx); err != nil { // empty
		return a, err
	}
	if p.redis {
		f.redis.Do("FLUSHALL") //nolint:contextcheck // its TB has it
		at.redis = f.redis.Addr()
	}
	if p.warms {
		at.warm = "http://" + f.origin.addr + "/sitemap.xml"
	}
	err = f.with(ctx, p, at, func() error {
		err := f.readPages(ctx, at.addr)
		a.Warmed = f.origin.asked.Load()
		return err
	})
	return a, err
}

// with runs a peer while do asks it. The origin counts from when the peer is ready.
func (f *field) with(ctx context.Context, p peer, at place, do func() error) error {
	s, err := p.start(ctx, at)
	if err != nil {
		return err
	}
	f.origin.reset()
	if err := do(); err != nil {
		return errors.Join(fmt.Errorf("%w\n%s", err, s.log), s.stop())
	}
	return s.stop()
}

// readPages asks for each page of the sitemap.
func (f *field) readPages(ctx context.Context, addr string) error {
	for i := range pages {
		if _, failed, err := once(ctx, addr, page(i), 1); err != nil || failed > 0 {
			return errors.Join(fmt.Errorf("page %d: it failed", i), err)
		}
	}
	return nil
}

func printAsked(all []asked) {
	rows := [][]string{{"origin requests", "one cold URL", "took", "one uncacheable URL", "at once", "took", "failed", "100 pages after a restart", "after a cold start"}}
	for _, a := range all {
		rows = append(rows, []string{
			a.Peer, strconv.FormatInt(a.Cold, 10), figures.Millis(a.ColdTook), strconv.FormatInt(a.Own, 10), strconv.FormatInt(a.OwnMost, 10),
			figures.Millis(a.OwnTook), strconv.Itoa(a.ColdFailed + a.OwnFailed), strconv.FormatInt(a.Restart, 10), strconv.FormatInt(a.Warmed, 10),
		})
	}
	fmt.Println(figures.Table(rows))
}
