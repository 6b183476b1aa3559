package main

import (
	"container/heap"
	"slices"
)

// oracle is the bound: a cache that knows the future. Before each interval it loads what it will
// read first, as much as memory holds, and within it gives up what it reads again last (Belady). An
// interval ends with the shortest of the TTL, the settings' interval, and mostAhead reads, as it is
// held whole: a shorter one only makes the oracle better.
type oracle struct {
	cfg    settings
	ttl    int64
	length int64
	counts

	ahead  []read
	end    int64
	memory map[uint64]stored
	redis  map[uint64]stored
}

const mostAhead = 1 << 20

func newOracle(cfg settings, ttl int64) *oracle {
	o := &oracle{cfg: cfg, ttl: ttl, length: min(ttl, int64(cfg.Interval)), memory: make(map[uint64]stored)}
	if cfg.Redis {
		o.redis = make(map[uint64]stored)
	}
	return o
}

// read takes note of one read.
func (o *oracle) read(r read) {
	if len(o.ahead) == mostAhead || len(o.ahead) > 0 && r.at >= o.end {
		o.flush()
	}
	if len(o.ahead) == 0 {
		o.end = r.at + o.length
	}
	o.ahead = append(o.ahead, r)
}

// flush plays the reads that are held.
func (o *oracle) flush() {
	if len(o.ahead) == 0 {
		return
	}
	next := following(o.ahead)
	m := &belady{room: o.cfg.Capacity, at: make(map[uint64]int)}
	o.prefill(m)
	for i, r := range o.ahead {
		o.Reads++
		if _, ok := m.at[r.key]; ok {
			o.Memory++
		} else {
			o.fetch(r)
		}
		m.put(r.key, next[i], o.cost(r))
	}
	memory := make(map[uint64]stored, len(m.at))
	for key := range m.at {
		memory[key] = o.memory[key]
	}
	o.memory, o.ahead = memory, o.ahead[:0]
	o.forget()
}

// prefill loads, with one query, the keys that are read first.
func (o *oracle) prefill(m *belady) {
	now, rows := o.ahead[0].at, 0
	for i, r := range o.ahead {
		if _, ok := m.at[r.key]; ok {
			continue
		}
		if m.room < o.cost(r) {
			break
		}
		m.put(r.key, i, o.cost(r))
		had := o.memory[r.key]
		if far := o.redis[r.key]; far.at > had.at {
			had = far
		}
		if had.at == 0 || had.at+o.ttl <= o.end {
			had = stored{now, r.size}
			rows++
		}
		o.keep(r.key, had)
	}
	if rows > 0 {
		o.Queries++
		o.Rows += rows
		o.Warmed += rows
	}
}

// fetch answers a read that memory does not.
func (o *oracle) fetch(r read) {
	if far, ok := o.redis[r.key]; ok && r.at-far.at < o.ttl {
		o.Redis++
		o.memory[r.key] = far
		return
	}
	o.Misses++
	o.Queries++
	o.Rows++
	o.keep(r.key, stored{r.at, r.size})
}

func (o *oracle) keep(key uint64, v stored) {
	o.memory[key] = v
	if o.redis != nil {
		o.redis[key] = v
	}
}

// forget drops from Redis what has expired.
func (o *oracle) forget() {
	for key, v := range o.redis {
		if o.end-v.at >= o.ttl {
			delete(o.redis, key)
		}
	}
}

func (o *oracle) cost(r read) int64 {
	if o.cfg.Bytes {
		return max(1, int64(r.size))
	}
	return 1
}

// following says where each key is read again; never where it is not.
func following(reads []read) []int {
	next, last := make([]int, len(reads)), make(map[uint64]int)
	for i, r := range slices.Backward(reads) {
		next[i] = never
		if at, ok := last[r.key]; ok {
			next[i] = at
		}
		last[r.key] = i
	}
	return next
}

// belady is a memory that gives up what is read again last, the newcomer included.
type belady struct {
	room  int64
	at    map[uint64]int // where a key is read next
	order furthest       // may hold what has moved or gone
}

func (b *belady) put(key uint64, next int, cost int64) {
	if _, ok := b.at[key]; !ok {
		b.room -= cost
	}
	b.at[key] = next
	heap.Push(&b.order, upcoming{key, next, cost})
	for b.room < 0 {
		far := heap.Pop(&b.order).(upcoming) //nolint:errcheck,forcetypeassert // it holds nothing else
		if at, ok := b.at[far.key]; ok && at == far.next {
			delete(b.at, far.key)
			b.room += far.cost
		}
	}
}

type upcoming struct {
	key  uint64
	next int
	cost int64
}

type furthest []upcoming

func (f *furthest) Len() int           { return len(*f) }
func (f *furthest) Less(i, j int) bool { return (*f)[i].next > (*f)[j].next }
func (f *furthest) Swap(i, j int)      { (*f)[i], (*f)[j] = (*f)[j], (*f)[i] }
func (f *furthest) Push(x any)         { *f = append(*f, x.(upcoming)) } //nolint:errcheck,forcetypeassert // as above
func (f *furthest) Pop() any {
	all := *f
	x := all[len(all)-1]
	*f = all[:len(all)-1]
	return x
}
