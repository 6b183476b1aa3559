package main

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// journal is what a node remembers of its own invalidations.
type journal struct {
	Deletes int     `json:"deletes"` // of distinct keys, at up to 20,000 a second
	Rate    float64 `json:"a_second"`
	Heap    float64 `json:"heap_bytes"` // more than before, after they were done
	Each    float64 `json:"bytes_a_delete"`
	After   float64 `json:"heap_bytes_after_5s"`
}

const (
	journalRate  = 20_000
	journalBatch = 100 // keys of a Delete
)

func growJournal(ctx context.Context, cfg config, s server) (j journal, err error) {
	p, err := newPair(s, "journal")
	if err != nil {
		return j, err
	}
	defer p.close() //nolint:errcheck // the figures are taken
	before, began := heap(), time.Now()
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range 8 {
		group.Go(func() error {
			names := make([]string, journalBatch)
			for time.Since(began) < cfg.Journal && ctx.Err() == nil {
				first := int(next.Add(journalBatch)) - journalBatch
				if wait := time.Until(began.Add(time.Duration(first) * time.Second / journalRate)); wait > 0 {
					select {
					case <-time.After(wait):
					case <-ctx.Done():
					}
				}
				for i := range names {
					names[i] = nameOf(first + i)
				}
				if err := p.writer.Delete(ctx, names...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return j, err
	}
	j.Deletes = int(next.Load())
	j.Rate = float64(j.Deletes) / time.Since(began).Seconds()
	j.Heap = heap() - before
	j.Each = j.Heap / float64(j.Deletes)
	<-time.After(5 * time.Second)
	j.After = heap() - before
	return j, nil
}
