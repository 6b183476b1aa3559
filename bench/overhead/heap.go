package main

import (
	"runtime/metrics"
	"time"
)

// heapWatch follows how large the heap's objects become while something runs.
type heapWatch struct {
	before, most uint64
	stop, done   chan struct{}
}

func watchHeap() *heapWatch {
	h := &heapWatch{stop: make(chan struct{}), done: make(chan struct{})}
	h.before = heap("/gc/heap/live:bytes")
	go func() {
		defer close(h.done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			h.most = max(h.most, heap("/memory/classes/heap/objects:bytes"))
			select {
			case <-h.stop:
				return
			case <-tick.C:
			}
		}
	}()
	return h
}

// grown is by how many bytes it grew at most, garbage included.
func (h *heapWatch) grown() uint64 {
	close(h.stop)
	<-h.done
	return h.most - min(h.most, h.before)
}

func heap(what string) uint64 {
	sample := []metrics.Sample{{Name: what}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
