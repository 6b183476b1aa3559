// Package journal is what a node remembers of the invalidations of one cache that it has made
// itself: until Redis has confirmed them, until every replica has them, and for as long as a record
// may turn up that was read before them. See docs/coherence.md, "State" and "Failover".
//
// It knows what was invalidated, when, and how far Redis has come with it, which backplane.Progress
// tells. It hands out the notices to publish, says which keys Redis is not to be asked about, and
// what is left of a record.
//
// It must never know how a notice is sent, what a record holds beyond the time at which its source
// was read, or the memory tier. Times are those of the process's monotonic clock, which the caller
// passes.
package journal

import (
	"container/list"
	"sync"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
)

// entry is one invalidation of this node: of a key, of a tag, or of the whole cache. It is kept for
// three reasons. Until Redis has confirmed it, this node does not read there what it is about.
// Until every replica has it, a failover may lose it, and then it is replayed. And for HoldLife a
// record whose source was read before it is not believed, wherever it comes from.
type entry struct {
	key    entryKey
	notice backplane.Notice // as it is, or will be, published; the number is kept through all tries
	at     int64            // when it was made last
	state  entryState
	void   int64         // from then on no try that failed can still take effect in Redis
	round  uint64        // of heartbeats, when Redis had confirmed it
	age    *list.Element // its place among what is confirmed, oldest first; nil: it is not
}

type entryState uint8

const (
	trying    entryState = iota // the first try is running
	confirmed                   // Redis has done it
	pending                     // a try failed, or a failover lost it: Redis may or may not have done it
)

// Journal is the invalidations of one cache.
type Journal struct {
	hold     int64
	cache    string
	number   func(kind backplane.Kind, cache, rest string) backplane.Notice
	progress *backplane.Progress

	mu      sync.Mutex
	m       map[entryKey]*entry
	done    *list.List // of *entry: what is confirmed, oldest first
	pending int        // how many entries are pending
	forgot  uint64     // the latest round of what was forgotten
}

type entryKey struct {
	kind   backplane.Kind
	rest   string
	number uint64 // 0, but for a failed try that a later entry for the same has overtaken
}

func keyOf(n backplane.Notice) entryKey { return entryKey{kind: n.Kind, rest: n.Rest} }

const (
	// mostEntries bounds what is kept of what Redis has confirmed. A failover that may have lost
	// more than is known ends the cache.
	mostEntries = 100_000
	// mostPending bounds what waits for Redis; on more, the whole cache is cleared there instead.
	mostPending = 100_000
)

// New is the empty journal of a cache. What it hands out is numbered by number, and p says how far
// Redis and its replicas have come.
func New(cache string, hold time.Duration, p *backplane.Progress, number func(backplane.Kind, string, string) backplane.Notice) *Journal {
	return &Journal{
		cache: cache, hold: int64(hold), progress: p, number: number,
		m: make(map[entryKey]*entry), done: list.New(),
	}
}

// Begin enters an invalidation and returns the notice to publish. confirm or fail must follow.
// Where an earlier try of the same is pending its number is used again, so that others see no gap.
func (j *Journal) Begin(kind backplane.Kind, rest string, now int64) backplane.Notice {
	return j.BeginAt(kind, rest, now, now)
}

// BeginAt is begin for what stands since a moment: a record that was read then is not outdated.
func (j *Journal) BeginAt(kind backplane.Kind, rest string, at, now int64) backplane.Notice {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.enter(kind, rest, at).telling(now, j.progress)
}

func (j *Journal) enter(kind backplane.Kind, rest string, at int64) *entry {
	j.forget(at)
	key := entryKey{kind: kind, rest: rest}
	e := j.m[key]
	if e == nil {
		e = j.add(&entry{key: key, notice: j.number(kind, j.cache, rest)})
	} else if e.state != pending {
		e.notice = j.number(kind, j.cache, rest)
		j.become(e, trying)
	}
	e.at = max(e.at, at)
	return e
}

func (j *Journal) add(e *entry) *entry {
	j.m[e.key] = e
	return e
}

// become moves an entry to a state. j.mu is held.
func (j *Journal) become(e *entry, state entryState) {
	switch e.state {
	case confirmed:
		j.done.Remove(e.age)
		e.age = nil
	case pending:
		j.pending--
	case trying:
	}
	switch e.state = state; state {
	case confirmed:
		e.age, e.round = j.done.PushBack(e), j.progress.Round.Load()
	case pending:
		j.pending++
	case trying:
	}
}

// telling is the entry's notice, for a try that begins now.
func (e *entry) telling(now int64, p *backplane.Progress) backplane.Notice {
	n := e.notice
	n.Made, n.Takeovers = now, p.Takeovers.Load()
	return n
}

// Pend enters an invalidation that Redis is not told yet.
func (j *Journal) Pend(kind backplane.Kind, rest string, now int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wait(j.enter(kind, rest, now))
}

// Confirm notes that Redis has done what the notice says. That settles the entry unless it was made
// again since the try began, an earlier try may still take effect behind this one, or the server
// that answered may have been replaced.
func (j *Journal) Confirm(n backplane.Notice) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.find(n)
	switch {
	case e == nil || e.at > n.Made || n.Made < e.void:
	case n.Takeovers != j.progress.Takeovers.Load():
		j.wait(e)
	default:
		j.become(e, confirmed)
	}
}

// Fail notes that a try failed. Until void it may still take effect, as it may lie in a server's
// socket; zero: it does no harm when it is late.
func (j *Journal) Fail(n backplane.Notice, void int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.find(n)
	switch {
	case e == nil:
		// A later entry for the same has overtaken it, and speaks for both. That this one's number
		// is said, too, keeps others from missing it.
		key := keyOf(n)
		key.number = n.Number
		e = j.add(&entry{key: key, notice: n, at: n.Made})
	case e.state == confirmed && void == 0:
		return
	}
	e.void = max(e.void, void)
	j.wait(e)
}

// find is the entry that a notice belongs to, or nil.
func (j *Journal) find(n backplane.Notice) *entry {
	key := keyOf(n)
	if e := j.m[key]; e != nil && e.notice.Number == n.Number {
		return e
	}
	key.number = n.Number
	return j.m[key]
}

// wait makes an entry pending. Where too many are, a Clear replaces all of them; while it is
// pending it covers all others. j.mu is held.
func (j *Journal) wait(e *entry) {
	clearing := j.m[entryKey{kind: backplane.KindClear}]
	switch {
	case e.state == pending:
	case clearing != nil && clearing.state == pending && e != clearing:
		clearing.at = max(clearing.at, e.at)
		j.remove(e)
	case j.pending >= mostPending:
		j.become(e, pending)
		j.condense(e.at)
	default:
		j.become(e, pending)
	}
}

// condense replaces what is pending by clearing the whole cache. The numbers of what it replaces
// stay unsaid: others see a gap, and validate. j.mu is held.
func (j *Journal) condense(now int64) {
	for _, e := range j.m {
		if e.state == pending {
			j.remove(e)
		}
	}
	j.wait(j.enter(backplane.KindClear, "", now))
}

// remove takes an entry out. j.mu is held.
func (j *Journal) remove(e *entry) {
	j.become(e, trying)
	delete(j.m, e.key)
}

// forget drops what is confirmed and older than the hold, as far as every replica has it, and the
// oldest of what is confirmed where there is too much. j.mu is held.
func (j *Journal) forget(now int64) {
	replicated := j.progress.Replicated.Load()
	for at := j.done.Front(); at != nil; at = j.done.Front() {
		e, _ := at.Value.(*entry)
		if j.done.Len() < mostEntries && (now-e.at < j.hold || e.round > replicated) {
			return
		}
		j.forgot = max(j.forgot, e.round)
		j.remove(e)
	}
}

// Due lists what is to be told to Redis again now.
func (j *Journal) Due(now int64) []backplane.Notice {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.pending == 0 {
		return nil
	}
	all := make([]backplane.Notice, 0, j.pending)
	for _, e := range j.m {
		if e.state == pending && now >= e.void {
			all = append(all, e.telling(now, j.progress))
		}
	}
	return all
}

// Undone is those of the notices whose entries are still pending, for a try that begins now.
func (j *Journal) Undone(notices []backplane.Notice, now int64) []backplane.Notice {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []backplane.Notice
	for _, n := range notices {
		if e := j.find(n); e != nil && e.state == pending && now >= e.void {
			all = append(all, e.telling(now, j.progress))
		}
	}
	return all
}

// Waiting counts what is pending.
func (j *Journal) Waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pending
}

// Replay makes pending what was confirmed after a round: a failover may have lost it. It reports
// whether more than that was, and is forgotten.
func (j *Journal) Replay(since uint64) (forgotten bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var lost []*entry
	for _, e := range j.m {
		if e.state == confirmed && e.round > since {
			lost = append(lost, e)
		}
	}
	for _, e := range lost {
		if j.m[e.key] == e { // else a Clear has replaced it
			j.wait(e)
		}
	}
	return j.forgot > since
}
