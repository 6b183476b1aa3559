package tiercache

// queue is a shard's recency window: newest at the head, linked through the slots themselves. Its
// shard's lock guards it.
//
// It is a clock: a hit marks its slot, and a slot that has come to the tail with a mark goes back
// to the head. So hits take no lock, where in a list by last use each would move its entry.
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

// overflow moves what the window has no room for to the lobby, and reports whether that is full
// now. Readers may mark slots all the while, so each gets one more round at most. The shard's lock
// is held.
//
// The newest entry stays, as far as the window has room for it at all: its writer is about to read
// it, and what the lobby and the policy give back beside that writer would else push it out, in
// favour of entries that are older.
func (m *memory[K, V]) overflow(s *shard[K, V]) (full bool) {
	room := m.room.Load()
	for rounds := s.window.n; s.window.cost > room; {
		sl := s.window.tail
		s.window.remove(sl)
		if s.keeps(sl, room) {
			s.window.push(sl)
			continue
		}
		if sl.count() && rounds > 0 {
			rounds--
			s.window.push(sl)
			continue
		}
		full = m.toLobby(sl)
	}
	return full
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
