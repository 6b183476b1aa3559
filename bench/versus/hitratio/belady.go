package main

import "container/heap"

// belady is the hit ratio of a cache that knows the future: it evicts what is read again last.
func belady(keys []uint64, size int) float64 {
	const never = 1 << 62
	next := make([]int, len(keys)) // where keys[i] is read again
	last := make(map[uint64]int)
	for i := len(keys) - 1; i >= 0; i-- {
		next[i] = never
		if at, ok := last[keys[i]]; ok {
			next[i] = at
		}
		last[keys[i]] = i
	}
	cached := make(map[uint64]int)
	var order furthest
	hits := 0
	for i, key := range keys {
		if _, ok := cached[key]; ok {
			hits++
		} else if len(cached) == size {
			for {
				far := heap.Pop(&order).(upcoming) //nolint:errcheck,forcetypeassert // it holds nothing else
				if cached[far.key] == far.at {     // else it was read meanwhile, and stands in the heap anew
					delete(cached, far.key)
					break
				}
			}
		}
		cached[key] = next[i]
		heap.Push(&order, upcoming{key, next[i]})
	}
	return float64(hits) / float64(len(keys))
}

type upcoming struct {
	key uint64
	at  int
}

type furthest []upcoming

func (f *furthest) Len() int           { return len(*f) }
func (f *furthest) Less(i, j int) bool { return (*f)[i].at > (*f)[j].at }
func (f *furthest) Swap(i, j int)      { (*f)[i], (*f)[j] = (*f)[j], (*f)[i] }
func (f *furthest) Push(x any)         { *f = append(*f, x.(upcoming)) } //nolint:errcheck,forcetypeassert // as above
func (f *furthest) Pop() any {
	all := *f
	x := all[len(all)-1]
	*f = all[:len(all)-1]
	return x
}
