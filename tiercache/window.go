package tiercache

// queue is a shard's recency window: newest at the head, linked through the slots themselves. Its shard's lock guards it.
type queue[K comparable, V any] struct {
	head, tail *slot[K, V]
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
	q.cost -= sl.cost
}
