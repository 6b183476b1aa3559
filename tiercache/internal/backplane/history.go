package backplane

import (
	"cmp"
	"slices"
	"time"
)

// lineage is the histories of data that the masters of a Redis stand for, and how far this node's
// invalidations have come in each. A history is what Redis calls a replication ID: a server begins
// a new one when it is promoted, and says then which one it continues and from which offset on. So
// a node knows what a new master lacks: what it had confirmed at later offsets of the history
// before.
//
// Only the goroutine that sends heartbeats uses it.
type lineage struct {
	known   map[string]*history // by id
	retired []string            // histories that others continue, the latest last
	heard   int64               // when one that is known was last answered for
}

// history is one of them.
type history struct {
	id, master, runID string
	stamps            []stamp // oldest first
	// every connected replica has what was confirmed in this round or before
	replicated uint64
	heard      int64 // when it was last answered for
}

// stamp says that the data up to an offset includes what this node had confirmed by a round.
type stamp struct {
	round  uint64
	offset int64
	at     int64
}

const (
	// mostStamps bounds the memory of a history; what lies before it is unknown.
	mostStamps = 4096
	// vanishedFor is how long a history is remembered that no master answers for: a shard whose
	// master died may be without one for a while.
	vanishedFor = time.Minute
	// renamedFor bounds the silence after which the same process with another ID, and none before
	// it, has only forgotten its backlog, as it does when it had no replica for an hour.
	renamedFor = 2 * time.Second
	// retiredFor is how long nobody must have answered for the history that continues another one
	// before a server that still stands for the older one is believed: an old connection may lead
	// there.
	retiredFor  = 10 * time.Second
	mostRetired = 64
	// unsaidFor is how far back a server may lack what the one before it had, where it says nothing
	// of histories.
	unsaidFor = time.Minute
)

// Takeover is a server that answers in the place of another.
type Takeover struct {
	ID        string // of its history
	Since     uint64 // it may lack what was confirmed after this round
	Lost      bool   // nothing is known about what it lacks
	Restarted bool   // it has what it has from a snapshot
}

func newLineage() *lineage {
	return &lineage{known: make(map[string]*history)}
}

// hear takes in what masters answered to the heartbeats of a round, and returns which of them have
// taken others' places. all says that every master answered.
func (l *lineage) hear(round uint64, answers []beatAnswer, all bool, now int64) (changed []Takeover) { //nolint:revive // all is what happened
	first := len(l.known) == 0
	var strange []beatAnswer
	for _, a := range answers {
		if h := l.known[a.History()]; h != nil {
			l.heard = now
			h.note(round-1, a, now)
		} else if a.History() != "" {
			strange = append(strange, a)
		}
	}
	for _, a := range strange {
		if l.isRetired(a, now) {
			continue
		}
		t, h := l.place(a, now)
		if h.note(round-1, a, now); t != nil && !first {
			changed = append(changed, *t)
		}
		l.known[h.id], l.heard = h, now
	}
	for id, h := range l.known {
		if all && now-h.heard > int64(vanishedFor) {
			delete(l.known, id)
		}
	}
	return changed
}

// place finds out what a history that is heard for the first time has to do with those that are
// known. Without a takeover it is new beside them, as that of a master that has joined the Cluster.
func (l *lineage) place(a beatAnswer, now int64) (*Takeover, *history) {
	h := &history{id: a.History(), master: a.master, runID: a.runID}
	t := &Takeover{ID: h.id}
	if parent := l.known[a.parent]; parent != nil && a.replID != "" {
		h.stamps = parent.before(a.branch)
		t.Since = h.round()
		t.Restarted = a.began(parent, now)
		delete(l.known, parent.id)
		l.retired = append(l.retired[max(0, len(l.retired)-mostRetired):], parent.id)
		return t, h
	}
	before := l.vanished(a.master, now)
	switch {
	case before == nil:
		return nil, h
	case a.renames(before, now):
		h.stamps, h.replicated = before.stamps, before.replicated
		t = nil
	case a.began(before, now):
		t.Restarted = true
	case a.replID == "":
		i, _ := slices.BinarySearchFunc(before.stamps, before.heard-int64(unsaidFor), func(s stamp, at int64) int { return cmp.Compare(s.at, at) })
		if i > 0 {
			t.Since = before.stamps[i-1].round
		}
	default:
		t.Lost = true
	}
	delete(l.known, before.id)
	return t, h
}

// vanished is the history that a master stood for until now, or else one that nobody answers for in
// this round; nil: there is none.
func (l *lineage) vanished(master string, now int64) (gone *history) {
	for _, h := range l.known {
		switch {
		case h.heard == now:
		case h.master == master:
			return h
		case gone == nil || h.heard > gone.heard:
			gone = h
		}
	}
	return gone
}

// ids is the histories that are known.
func (l *lineage) ids() map[string]bool {
	ids := make(map[string]bool, len(l.known))
	for id := range l.known {
		ids[id] = true
	}
	return ids
}

// replicated is the last round of which every history says that all has reached its replicas.
func (l *lineage) replicated() uint64 {
	var rounds []uint64
	for _, h := range l.known {
		rounds = append(rounds, h.replicated)
	}
	if len(rounds) == 0 {
		return 0
	}
	return slices.Min(rounds)
}

// isRetired reports whether another history continues the one that a server answers for.
func (l *lineage) isRetired(a beatAnswer, now int64) bool {
	return now-l.heard < int64(retiredFor) && slices.Contains(l.retired, a.History())
}

// note takes in an answer: what was confirmed by that round is at or before its offset.
func (h *history) note(round uint64, a beatAnswer, now int64) {
	h.master, h.runID, h.heard = a.master, a.runID, now
	if len(h.stamps) == 0 || h.stamps[len(h.stamps)-1].round < round {
		h.stamps = append(h.stamps, stamp{round: round, offset: a.offset, at: now})
	}
	if len(h.stamps) > mostStamps {
		h.stamps = slices.Delete(h.stamps, 0, mostStamps/4)
	}
	if acked := h.before(a.acked); len(acked) > 0 {
		h.replicated = max(h.replicated, acked[len(acked)-1].round)
	}
}

// before is the stamps of data up to an offset. It is not to be changed.
func (h *history) before(offset int64) []stamp {
	i, _ := slices.BinarySearchFunc(h.stamps, offset+1, func(s stamp, offset int64) int { return cmp.Compare(s.offset, offset) })
	return h.stamps[:i:i]
}

// round is the last one whose confirmations the history is known to include.
func (h *history) round() uint64 {
	if len(h.stamps) == 0 {
		return 0
	}
	return h.stamps[len(h.stamps)-1].round
}

// History is the ID of the data that the server stands for; its run_id where it does not say.
func (a *beatAnswer) History() string { return cmp.Or(a.replID, a.runID) }

// began reports whether the server was started after the last answer for a history, so that what it
// has comes from a snapshot.
func (a *beatAnswer) began(h *history, now int64) bool {
	return a.runID != h.runID && a.up < time.Duration(now-h.heard)+2*time.Second
}

// renames reports whether the server only calls the history by another name.
func (a *beatAnswer) renames(h *history, now int64) bool {
	return a.runID == h.runID && a.replID != "" && a.parent == "" && now-h.heard < int64(renamedFor)
}

// Knows reports whether a history is one of those that the masters stood for at the last heartbeat.
func (ch *Channel) Knows(history string) bool {
	known := ch.histories.Load()
	return history == "" || known != nil && (*known)[history]
}
