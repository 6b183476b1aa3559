package main

import (
	"runtime"
	"slices"
	"time"
)

// footprint is what a million entries cost beside themselves.
type footprint struct {
	Cache string  `json:"cache"`
	Bytes float64 `json:"bytes_an_entry"` // of heap, key text excluded: all contenders share it
	Ratio float64 `json:"bytes_to_ristretto"`
	GC    float64 `json:"full_collection_ms"` // median of five
}

func footprints(entries int) ([]footprint, error) {
	keys := keysOf(entries)
	var all []footprint
	for _, who := range contenders() {
		before := heap()
		c, err := who.make(entries * 5 / 4) // so that those that keep shards or windows have room for all
		if err != nil {
			return nil, err
		}
		fill(c, keys)
		f := footprint{Cache: who.name, Bytes: float64(heap()-before) / float64(entries)}
		var pauses []time.Duration
		for range 5 {
			began := time.Now()
			runtime.GC()
			pauses = append(pauses, time.Since(began))
		}
		slices.Sort(pauses)
		f.GC = float64(pauses[2].Microseconds()) / 1000
		c.close()
		runtime.KeepAlive(c)
		if all = append(all, f); len(all) > 0 {
			all[len(all)-1].Ratio = f.Bytes / all[0].Bytes
		}
	}
	return all, nil
}

// heap is the live bytes after a collection.
func heap() uint64 {
	var m runtime.MemStats
	for range 2 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
