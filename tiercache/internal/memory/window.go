package memory

import "sync"

// window is a shard's recency window, or that of all large entries: newest at the head, linked
// through the slots themselves.
//
// It is a clock: a hit marks its slot, and a slot that has come to the tail with a mark goes back
// to the head. So hits take no lock, where in a list by last use each would move its entry.
type window[K comparable, V any] struct {
	mu     sync.Mutex
	newest *slot[K, V] // the last one written, which only a later write may push out; nil: it left
	room   int64
	queue[K, V]
}

// queue is the slots of a window, whose lock guards it.
type queue[K comparable, V any] struct {
	head, tail *slot[K, V]
	n          int
	cost       int64
}

func (q *queue[K, V]) push(sl *slot[K, V]) {
	sl.windowed = true
	sl.next = q.head
	if q.head != nil {
		q.head.prev = sl
	} else {
		q.tail = sl
	}
	q.head = sl
	q.n++
	q.cost += sl.cost
}

func (q *queue[K, V]) remove(sl *slot[K, V]) {
	if sl.prev != nil {
		sl.prev.next = sl.next
	} else {
		q.head = sl.next
	}
	if sl.next != nil {
		sl.next.prev = sl.prev
	} else {
		q.tail = sl.prev
	}
	sl.prev, sl.next, sl.windowed = nil, nil, false
	q.n--
	q.cost -= sl.cost
}

// windowOf is where the slot is, or was, in order of age.
func (m *Tier[K, V]) windowOf(s *shard[K, V], sl *slot[K, V]) *window[K, V] {
	if sl.large {
		return &m.large.window
	}
	return &s.window
}

// enter takes in a slot that was written just now. It reports whether the admission buffer is full
// then.
func (m *Tier[K, V]) enter(s *shard[K, V], sl *slot[K, V]) (full bool) {
	w := m.windowOf(s, sl)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.newest = sl
	return m.admit(w, sl)
}

// admit pushes a slot. One that is dearer than the whole window passes it by: it would push all
// others out before it left itself. The window's lock is held.
func (m *Tier[K, V]) admit(w *window[K, V], sl *slot[K, V]) (full bool) {
	if sl.cost > w.room {
		sl.count()
		return m.toBuffer(sl)
	}
	w.push(sl)
	return m.overflow(w)
}

// renew notes that the slot was written again.
func (m *Tier[K, V]) renew(s *shard[K, V], sl *slot[K, V]) {
	w := m.windowOf(s, sl)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.newest = sl
	sl.reads.Store(max(1, sl.reads.Load())) // should the policy be about to give it up, it gets another chance
}

// readmit takes a slot back that was read or written since it fell out.
func (m *Tier[K, V]) readmit(s *shard[K, V], sl *slot[K, V]) (back, full bool) {
	w := m.windowOf(s, sl)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !sl.count() && !w.keeps(sl) {
		return false, false
	}
	return true, m.admit(w, sl)
}

// fit takes a slot back if there is room to spare for it.
func (m *Tier[K, V]) fit(s *shard[K, V], sl *slot[K, V]) bool {
	w := m.windowOf(s, sl)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cost+sl.cost > w.room {
		return false
	}
	w.push(sl)
	return true
}

// quit takes a slot out that leaves the index, and reports whether it was in the window.
func (m *Tier[K, V]) quit(s *shard[K, V], sl *slot[K, V]) (was bool) {
	w := m.windowOf(s, sl)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.newest == sl {
		w.newest = nil
	}
	if sl.windowed {
		w.remove(sl)
		return true
	}
	return false
}

// holds reports whether the slot is in the window.
func (m *Tier[K, V]) holds(s *shard[K, V], sl *slot[K, V]) bool {
	w := m.windowOf(s, sl)
	w.mu.Lock()
	defer w.mu.Unlock()
	return sl.windowed
}

// resize gives the window its room. What is too much for that stays until trim.
func (w *window[K, V]) resize(room int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.room = room
}

// trim moves what the window has no room for to the admission buffer, and reports whether that is
// full then.
func (m *Tier[K, V]) trim(w *window[K, V]) (full bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return m.overflow(w)
}

func (w *window[K, V]) empty() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue, w.newest = queue[K, V]{}, nil
}

// overflow moves what the window has no room for to the admission buffer, and reports whether that
// is full now. Readers may mark slots all the while, so each gets one more round at most. The
// window's lock is held.
//
// The newest entry stays, as far as the window has room for it at all: its writer is about to read
// it, and what the admission buffer and the policy give back beside that writer would else push it
// out, in favour of entries that are older.
func (m *Tier[K, V]) overflow(w *window[K, V]) (full bool) {
	for rounds := w.n; w.cost > w.room; {
		sl := w.tail
		w.remove(sl)
		if w.keeps(sl) {
			w.push(sl)
			continue
		}
		if sl.count() && rounds > 0 {
			rounds--
			w.push(sl)
			continue
		}
		full = m.toBuffer(sl)
	}
	return full
}

// keeps reports whether the slot is the newest, and the window has room for it. The window's lock
// is held.
func (w *window[K, V]) keeps(sl *slot[K, V]) bool {
	return sl == w.newest && sl.cost <= w.room
}

// count moves the slot's marks to what the policy is going to hear, and reports whether there were
// any.
func (sl *slot[K, V]) count() bool {
	n := sl.reads.Load()
	if n > 0 {
		sl.reads.Store(0)
		sl.counted = int8(min(int32(sl.counted)+int32(n), mostCounted))
	}
	return n > 0
}

// mostCounted is as far as Ristretto's counters go.
const mostCounted = 15
