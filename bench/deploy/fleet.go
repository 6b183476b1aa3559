package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// fleet is the nodes of one arm behind a load balancer that knows which of them are ready.
type fleet struct {
	b     *backend
	arm   arm
	nodes []node

	mu      sync.Mutex
	serving []*serving // those that get requests
	turn    int
	changed chan struct{} // closed when serving changes
}

// serving is a node with the requests that it answers at the moment.
type serving struct {
	node
	requests sync.WaitGroup
}

func newFleet(ctx context.Context, b *backend, a arm) (*fleet, error) {
	f := &fleet{b: b, arm: a, nodes: make([]node, b.cfg.Nodes), serving: make([]*serving, b.cfg.Nodes), changed: make(chan struct{})}
	for i := range f.nodes {
		if err := f.start(ctx, i); err != nil {
			return f, err
		}
		if _, err := f.admit(ctx, i); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *fleet) start(ctx context.Context, i int) (err error) {
	f.nodes[i], err = f.arm.start(ctx, f.b)
	return err
}

// admit waits until the node is ready, and sends it requests from then on.
func (f *fleet) admit(ctx context.Context, i int) (took time.Duration, err error) {
	began := time.Now()
	select {
	case <-f.nodes[i].ready():
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	took = time.Since(began)
	f.change(func() { f.serving[i] = &serving{node: f.nodes[i]} })
	return took, nil
}

func (f *fleet) change(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
	close(f.changed)
	f.changed = make(chan struct{})
}

// stop takes the node out, lets it end what it answers, and closes it.
func (f *fleet) stop(ctx context.Context, i int) error {
	var old *serving
	f.change(func() { old, f.serving[i] = f.serving[i], nil })
	if old != nil {
		old.requests.Wait()
	}
	if f.nodes[i] == nil {
		return nil
	}
	n := f.nodes[i]
	f.nodes[i] = nil
	return n.close(ctx)
}

// get sends one request to the node whose turn it is. Where none is ready it waits for one.
func (f *fleet) get(ctx context.Context, key int) error {
	for {
		n, changed := f.next()
		if n != nil {
			defer n.requests.Done()
			return n.get(ctx, key)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("no node was ready: %w", ctx.Err())
		}
	}
}

func (f *fleet) next() (*serving, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range f.serving {
		f.turn = (f.turn + 1) % len(f.serving)
		if n := f.serving[f.turn]; n != nil {
			n.requests.Add(1)
			return n, nil
		}
	}
	return nil, f.changed
}

// restart stops some nodes, does what is to be done meanwhile, and starts them; it returns how long
// the slowest took to be ready.
func (f *fleet) restart(ctx context.Context, which []int, meanwhile func(context.Context) error) (slowest time.Duration, err error) {
	for _, i := range which {
		if err := f.stop(ctx, i); err != nil {
			return 0, err
		}
	}
	if err := meanwhile(ctx); err != nil {
		return 0, err
	}
	for _, i := range which {
		if err := f.start(ctx, i); err != nil {
			return 0, err
		}
	}
	var mu sync.Mutex
	var all errgroup.Group
	for _, i := range which {
		all.Go(func() error {
			took, err := f.admit(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			slowest = max(slowest, took)
			return err
		})
	}
	return slowest, all.Wait()
}

// flush empties Redis.
func (f *fleet) flush(ctx context.Context) error {
	client := f.b.dial()
	return errors.Join(client.FlushAll(ctx).Err(), client.Close())
}

func (f *fleet) close(ctx context.Context) (err error) {
	for i := range f.nodes {
		err = errors.Join(err, f.stop(ctx, i))
	}
	return err
}
