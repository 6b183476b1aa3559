package tiercache

import (
	"container/list"
	"slices"
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

// journal is the invalidations of one cache.
type journal struct {
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

func newJournal(cache string, hold time.Duration, p *backplane.Progress, number func(backplane.Kind, string, string) backplane.Notice) *journal {
	return &journal{
		cache: cache, hold: int64(hold), progress: p, number: number,
		m: make(map[entryKey]*entry), done: list.New(),
	}
}

// begin enters an invalidation and returns the notice to publish. confirm or fail must follow.
// Where an earlier try of the same is pending its number is used again, so that others see no gap.
func (j *journal) begin(kind backplane.Kind, rest string, now int64) backplane.Notice {
	return j.beginAt(kind, rest, now, now)
}

// beginAt is begin for what stands since a moment: a record that was read then is not outdated.
func (j *journal) beginAt(kind backplane.Kind, rest string, at, now int64) backplane.Notice {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.enter(kind, rest, at).telling(now, j.progress)
}

func (j *journal) enter(kind backplane.Kind, rest string, at int64) *entry {
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

func (j *journal) add(e *entry) *entry {
	j.m[e.key] = e
	return e
}

// become moves an entry to a state. j.mu is held.
func (j *journal) become(e *entry, state entryState) {
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

// pend enters an invalidation that Redis is not told yet.
func (j *journal) pend(kind backplane.Kind, rest string, now int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wait(j.enter(kind, rest, now))
}

// confirm notes that Redis has done what the notice says. That settles the entry unless it was made
// again since the try began, an earlier try may still take effect behind this one, or the server
// that answered may have been replaced.
func (j *journal) confirm(n backplane.Notice) {
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

// fail notes that a try failed. Until void it may still take effect, as it may lie in a server's
// socket; zero: it does no harm when it is late.
func (j *journal) fail(n backplane.Notice, void int64) {
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
func (j *journal) find(n backplane.Notice) *entry {
	key := keyOf(n)
	if e := j.m[key]; e != nil && e.notice.Number == n.Number {
		return e
	}
	key.number = n.Number
	return j.m[key]
}

// wait makes an entry pending. Where too many are, a Clear replaces all of them; while it is
// pending it covers all others. j.mu is held.
func (j *journal) wait(e *entry) {
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
func (j *journal) condense(now int64) {
	for _, e := range j.m {
		if e.state == pending {
			j.remove(e)
		}
	}
	j.wait(j.enter(backplane.KindClear, "", now))
}

// remove takes an entry out. j.mu is held.
func (j *journal) remove(e *entry) {
	j.become(e, trying)
	delete(j.m, e.key)
}

// forget drops what is confirmed and older than the hold, as far as every replica has it, and the
// oldest of what is confirmed where there is too much. j.mu is held.
func (j *journal) forget(now int64) {
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

// bypass reports whether Redis is not to be asked about the key, as it has yet to hear of something
// that this node did to it.
func (j *journal) bypass(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pending > 0 && (j.waits(backplane.KindKey, text) || j.waits(backplane.KindExpire, text) || j.waits(backplane.KindClear, ""))
}

// clearing reports whether Redis has yet to hear of a Clear.
func (j *journal) clearing() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.waits(backplane.KindClear, "")
}

// mustWait reports whether a Set of the key must not be sent yet: an earlier one may still take
// effect behind it.
func (j *journal) mustWait(text string, now int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.m[entryKey{kind: backplane.KindKey, rest: text}]
	return e != nil && e.state == pending && now < e.void
}

// tagBypass is bypass for a tag.
func (j *journal) tagBypass(tag string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pending > 0 && j.waits(backplane.KindTag, tag)
}

func (j *journal) waits(kind backplane.Kind, rest string) bool {
	e := j.m[entryKey{kind: kind, rest: rest}]
	return e != nil && e.state == pending
}

// standing is what this node's own invalidations leave of a record.
type standing uint8

const (
	stands   standing = iota
	expired           // it may be served stale
	outdated          // it is not to be believed
)

// check says what is left of a record of the key whose source was read at that moment.
func (j *journal) check(text string, tags []string, read int64) standing {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.m) == 0 {
		return stands
	}
	after := func(kind backplane.Kind, rest string) bool {
		e := j.m[entryKey{kind: kind, rest: rest}]
		return e != nil && read < e.at
	}
	switch {
	case after(backplane.KindKey, text) || after(backplane.KindClear, "") ||
		slices.ContainsFunc(tags, func(tag string) bool { return after(backplane.KindTag, tag) }):
		return outdated
	case after(backplane.KindExpire, text):
		return expired
	default:
		return stands
	}
}

// due lists what is to be told to Redis again now.
func (j *journal) due(now int64) []backplane.Notice {
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

// undone is those of the notices whose entries are still pending, for a try that begins now.
func (j *journal) undone(notices []backplane.Notice, now int64) []backplane.Notice {
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

// waiting counts what is pending.
func (j *journal) waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pending
}

// replay makes pending what was confirmed after a round: a failover may have lost it. It reports
// whether more than that was, and is forgotten.
func (j *journal) replay(since uint64) (forgotten bool) {
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
