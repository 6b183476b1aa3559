package tiercache

import (
	"container/list"
	"slices"
	"sync"
	"time"
)

// undertaking is one invalidation of this node: of a key, of a tag, or of the whole cache. It is remembered for HoldLife, for three reasons. Until
// Redis has confirmed it the node does not read there what it is about. When another server takes Redis's place, what it was told in the last
// minute may not have reached that one, and is said again. And a record whose source was read before the invalidation is not to be believed, wherever it comes from.
type undertaking struct {
	key    undertakingKey
	notice notice // as it is, or will be, published; the number is kept through all tries
	at     int64  // when it was made last
	state  undertakingState
	since  int64         // when it came into this state
	said   int64         // when it was last listed to be said again
	age    *list.Element // its place among the settled and unsettled, by at
}

type undertakingState uint8

const (
	trying    undertakingState = iota // the first try is running
	settled                           // Redis has confirmed it, once; or twice where a try had failed
	unsettled                         // a try failed: Redis may or may not have done it
	confirmed                         // done after a failure; it is done once more, as the try that timed out may still lie in a frozen server's socket
)

// ledger is all that one cache has undertaken.
type ledger struct {
	hold int64

	mu       sync.Mutex
	m        map[undertakingKey]*undertaking
	byAge    *list.List // of *undertaking, oldest first
	bypassed int        // how many are unsettled or confirmed
	overflow int64      // when something was forgotten before its time; 0 is never
}

type undertakingKey struct {
	kind   noticeKind
	rest   string
	number uint64 // 0, but for a failed try that a later undertaking of the same has overtaken
}

func keyOf(n notice) undertakingKey { return undertakingKey{kind: n.kind, rest: n.rest} }

const (
	// mostUndertakings bounds the ledger. What is forgotten too early is covered by clearing the whole cache when it matters.
	mostUndertakings = 100_000
	// mostUnsettled is how many may wait for Redis; on more, the whole cache is cleared there instead.
	mostUnsettled = 10_000
	replayPause   = time.Second
	replayAge     = time.Minute
)

func newLedger(hold time.Duration) *ledger {
	return &ledger{hold: int64(hold), m: make(map[undertakingKey]*undertaking), byAge: list.New()}
}

// begin enters an invalidation and returns the notice to publish. number gives the next number; where an earlier try of the same is unsettled, its
// number is used again, so that the others see no gap.
func (l *ledger) begin(kind noticeKind, cache, rest string, now int64, number func(noticeKind, string, string) notice) notice {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.enter(kind, cache, rest, now, number)
}

func (l *ledger) enter(kind noticeKind, cache, rest string, now int64, number func(noticeKind, string, string) notice) notice {
	l.forget(now)
	if l.bypassed >= mostUnsettled {
		l.condense(cache, now, number)
	}
	key := undertakingKey{kind: kind, rest: rest}
	u := l.m[key]
	if u == nil {
		u = &undertaking{key: key, notice: number(kind, cache, rest), since: now}
		u.age = l.byAge.PushBack(u)
		l.m[key] = u
	} else {
		l.byAge.MoveToBack(u.age)
		if !u.waits() {
			u.notice = number(kind, cache, rest)
			l.move(u, trying, now)
		}
	}
	u.at = now
	return u.notice
}

// pend enters an invalidation that Redis is not told yet.
func (l *ledger) pend(kind noticeKind, cache, rest string, now int64, number func(noticeKind, string, string) notice) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(kind, cache, rest, now, number)
	if u := l.m[undertakingKey{kind: kind, rest: rest}]; !u.waits() {
		l.move(u, unsettled, now)
	}
}

// done notes that Redis has confirmed the notice, or that it has not.
func (l *ledger) done(n notice, ok bool, now int64) { //nolint:revive // ok is what happened, not what is to be done
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.find(n)
	if u == nil {
		if !ok {
			l.adopt(n, now)
		}
		return
	}
	switch {
	case !ok && u.state != unsettled:
		l.move(u, unsettled, now)
	case !ok:
	case u.state == trying:
		l.move(u, settled, now)
	case u.state == unsettled:
		l.move(u, confirmed, now)
	case u.state == confirmed && now-u.since >= int64(replayPause) && u.said > u.at: // else what was meant last may not have been said yet
		l.move(u, settled, now)
	}
}

// find is the undertaking that a notice belongs to, if it is remembered.
func (l *ledger) find(n notice) *undertaking {
	key := keyOf(n)
	if u := l.m[key]; u != nil && u.notice.number == n.number {
		return u
	}
	key.number = n.number
	return l.m[key]
}

// adopt takes in a failed try that another undertaking of the same has overtaken. The later one speaks for both; that this one's number is said, too,
// keeps the others from missing it.
func (l *ledger) adopt(n notice, now int64) {
	key := keyOf(n)
	key.number = n.number
	u := &undertaking{key: key, notice: n, at: now, since: now}
	u.age = l.byAge.PushBack(u)
	l.m[key] = u
	l.move(u, unsettled, now)
}

// waits says whether Redis has yet to hear of it, or to hear of it again.
func (u *undertaking) waits() bool { return u.state == unsettled || u.state == confirmed }

func (l *ledger) move(u *undertaking, to undertakingState, now int64) {
	if u.waits() {
		l.bypassed--
	}
	u.state, u.since = to, now
	if u.waits() {
		l.bypassed++
	}
}

// forget drops what is older than the hold, and the oldest where there is too much.
func (l *ledger) forget(now int64) {
	for e := l.byAge.Front(); e != nil; {
		u, _ := e.Value.(*undertaking)
		next := e.Next()
		over := l.byAge.Len() >= mostUndertakings
		if !over && now-u.at < l.hold {
			return
		}
		if u.state == settled {
			if over && now-u.at < l.hold {
				l.overflow = now
			}
			l.byAge.Remove(e)
			delete(l.m, u.key)
		} else if !over {
			return
		}
		e = next
	}
}

// bypass says whether Redis is not to be asked about the key, as it has yet to hear of something we did to it.
func (l *ledger) bypass(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bypassed == 0 {
		return false
	}
	return l.waits(noticeKey, text) || l.waits(noticeExpire, text) || l.waits(noticeClear, "")
}

// tagBypass is bypass for a tag.
func (l *ledger) tagBypass(tag string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bypassed > 0 && l.waits(noticeTag, tag)
}

func (l *ledger) waits(kind noticeKind, rest string) bool {
	u := l.m[undertakingKey{kind: kind, rest: rest}]
	return u != nil && u.waits()
}

// outdated says whether the source read that a record stems from began before this node invalidated its key or one of its tags, or cleared the cache. What was
// only expired is not asked.
func (l *ledger) outdated(text string, tags []string, read int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.m) == 0 {
		return false
	}
	after := func(kind noticeKind, rest string) bool {
		u := l.m[undertakingKey{kind: kind, rest: rest}]
		return u != nil && read < u.at
	}
	return after(noticeKey, text) || after(noticeClear, "") || slices.ContainsFunc(tags, func(tag string) bool { return after(noticeTag, tag) })
}

// due lists what is to be said to Redis again now.
func (l *ledger) due(now int64) []notice {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bypassed == 0 {
		return nil
	}
	var all []notice
	for _, u := range l.m {
		if u.state == unsettled || u.state == confirmed && now-u.since >= int64(replayPause) {
			u.said = now
			all = append(all, u.notice)
		}
	}
	return all
}

// pending counts what Redis has yet to hear, or to hear again.
func (l *ledger) pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bypassed
}

// again makes everything of the last minute unsettled: another server may not have heard it. It reports whether more than that would have to be said again than is known.
func (l *ledger) again(now int64) (forgotten bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.byAge.Back(); e != nil; e = e.Prev() {
		u, _ := e.Value.(*undertaking)
		if now-u.at > int64(replayAge) {
			break
		}
		if u.state == settled {
			l.move(u, unsettled, now)
		}
	}
	return l.overflow != 0 && now-l.overflow < int64(replayAge)
}

// condense replaces what waits for Redis, where it is too much, by clearing the whole cache there; who calls it holds the lock. The numbers of what it replaces stay unsaid: the others see a gap,
// and validate.
func (l *ledger) condense(cache string, now int64, number func(noticeKind, string, string) notice) {
	for key, u := range l.m {
		if u.waits() {
			l.move(u, settled, now)
			l.byAge.Remove(u.age)
			delete(l.m, key)
		}
	}
	l.enter(noticeClear, cache, "", now, number)
	l.move(l.m[undertakingKey{kind: noticeClear}], unsettled, now)
}
