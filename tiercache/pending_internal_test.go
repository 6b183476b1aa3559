package tiercache

import (
	"fmt"
	"testing"
	"time"
)

// counted gives notices their numbers, from 1.
type counted struct{ last uint64 }

func (c *counted) next(kind noticeKind, cache, rest string) notice {
	c.last++
	return notice{kind: kind, node: "n", number: c.last, cache: cache, rest: rest}
}

// replay says to Redis, which answers, what is due, as often as there is something, and returns the kinds said.
func replay(l *ledger, from int64) (said string, now int64) {
	var kinds []byte
	for now = from; l.pending() > 0 && now < from+int64(10*time.Second); now += int64(beatEvery) {
		for _, n := range l.due(now) {
			kinds = append(kinds, byte(n.kind))
			l.done(n, true, now+1)
		}
	}
	return string(kinds), now
}

func TestLedger_failedTriesOfOneKeyThatOvertakeEachOther(t *testing.T) {
	for _, secondFails := range []bool{false, true} {
		var c counted
		l := newLedger(2 * time.Minute)
		first := l.begin(noticeKey, "c", "k", 1, c.next)
		second := l.begin(noticeKey, "c", "k", 2, c.next)
		l.done(first, false, 3)
		l.done(second, !secondFails, 4)
		l.done(first, false, 5) // a replay that failed, too
		if said, _ := replay(l, 10); l.pending() != 0 || l.bypass("k") {
			t.Errorf("second fails %v: %d pending after replays %q", secondFails, l.pending(), said)
		}
		if n := l.byAge.Len(); n != len(l.m) {
			t.Errorf("%d in the order of age, %d by key", n, len(l.m))
		}
	}
}

func TestLedger_deleteIsNotSoftenedByExpire(t *testing.T) {
	var c counted
	l := newLedger(2 * time.Minute)
	l.done(l.begin(noticeKey, "c", "k", 1, c.next), false, 2)
	l.done(l.begin(noticeExpire, "c", "k", 3, c.next), false, 4)
	if !l.outdated("k", nil, 0) {
		t.Error("what stood there before Delete is believed after Expire")
	}
	deletes := 0
	for _, n := range l.due(int64(time.Second)) {
		if n.kind == noticeKey {
			deletes++
		}
	}
	if deletes != 1 {
		t.Errorf("%d deletes are said again, want 1", deletes)
	}
}

func TestLedger_secondReplayComesASecondAfterTheFirst(t *testing.T) {
	var c counted
	l := newLedger(2 * time.Minute)
	l.pend(noticeKey, "c", "k", 1, c.next)
	said, now := replay(l, 10)
	if said != "KK" || now < int64(replayPause) {
		t.Errorf("replayed %q within %v", said, time.Duration(now))
	}
	if !l.outdated("k", nil, 0) || l.outdated("k", nil, 2) {
		t.Error("what is older than the invalidation is outdated, and nothing else")
	}
}

func TestLedger_writeDuringAReplayIsSaidAfterwards(t *testing.T) {
	var c counted
	l := newLedger(2 * time.Minute)
	l.pend(noticeKey, "c", "k", 1, c.next)
	l.done(l.due(10)[0], true, 11)
	now := int64(2 * time.Second)
	last := l.due(now)[0]
	l.pend(noticeKey, "c", "k", now+1, c.next) // Redis may have carried the replay out already
	l.done(last, true, now+2)
	if !l.bypass("k") {
		t.Error("a write that Redis has not heard of is settled")
	}
	if said, _ := replay(l, now+3); said != "K" || l.pending() != 0 {
		t.Errorf("replayed %q, %d pending", said, l.pending())
	}
}

func TestLedger_busyKeySettles(t *testing.T) {
	var c counted
	l := newLedger(2 * time.Minute)
	for now := int64(0); now < int64(5*time.Second); now += int64(10 * time.Millisecond) {
		if now > int64(3*time.Second) && !l.bypass("k") {
			return
		}
		if now == 0 || l.bypass("k") {
			l.pend(noticeKey, "c", "k", now, c.next)
		}
		if now%int64(beatEvery) == 0 {
			for _, n := range l.due(now + 1) {
				l.done(n, true, now+2)
			}
		}
	}
	t.Error("a key that is written all the time stays pending")
}

func TestLedger_tooMuchIsOneClear(t *testing.T) {
	var c counted
	l := newLedger(2 * time.Minute)
	for i := range 3 * mostUnsettled {
		l.done(l.begin(noticeKey, "c", fmt.Sprint("k", i), int64(i), c.next), false, int64(i))
		if !l.bypass("k0") || !l.bypass(fmt.Sprint("k", i)) {
			t.Fatalf("after %d: Redis is asked about what it has not heard of", i)
		}
	}
	if n := l.pending(); n > mostUnsettled || len(l.m) > mostUnsettled {
		t.Errorf("%d pending, %d remembered, want at most %d", n, len(l.m), mostUnsettled)
	}
	if !l.bypass("unheard of") {
		t.Error("the whole cache is to be cleared, and Redis is asked about a key")
	}
	clears := 0
	for _, n := range l.due(int64(time.Second)) {
		if n.kind == noticeClear {
			clears++
		}
	}
	if replay(l, int64(time.Second)); l.pending() != 0 || l.bypass("k0") {
		t.Errorf("%d pending after the replays", l.pending())
	}
	if clears != 1 {
		t.Errorf("cleared %d times, want once", clears)
	}
}

func TestLedger_tagsAndClearOverrideOlderRecords(t *testing.T) {
	var c counted
	l := newLedger(2 * time.Minute)
	l.done(l.begin(noticeTag, "c", "t", 100, c.next), true, 101)
	if !l.outdated("k", []string{"s", "t"}, 99) || l.outdated("k", []string{"s"}, 99) || l.outdated("k", []string{"t"}, 100) {
		t.Error("outdated is what has the tag and was read before its end")
	}
	l.done(l.begin(noticeClear, "c", "", 200, c.next), true, 201)
	if !l.outdated("k", nil, 199) || l.outdated("k", nil, 200) {
		t.Error("outdated is what was read before the clearing")
	}
}
