package tiercache

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
)

// testJournal is a journal whose notices are numbered from 1.
func testJournal() *journal {
	last := uint64(0)
	return newJournal("c", 2*time.Minute, new(backplane.Progress), func(kind backplane.Kind, cache, rest string) backplane.Notice {
		last++
		return backplane.Notice{Kind: kind, Node: "n", Number: last, Cache: cache, Rest: rest}
	})
}

// tellAll tells Redis, which answers, what is due, and returns the kinds.
func tellAll(j *journal, now int64) (told string) {
	var kinds []byte
	for _, n := range j.due(now) {
		kinds = append(kinds, byte(n.Kind))
		j.confirm(n)
	}
	slices.Sort(kinds)
	return string(kinds)
}

func TestJournal_failedTriesOfOneKeyThatOvertakeEachOther(t *testing.T) {
	for _, secondFails := range []bool{false, true} {
		j := testJournal()
		first := j.begin(backplane.KindKey, "k", 1)
		second := j.begin(backplane.KindKey, "k", 2)
		j.fail(first, 0)
		if secondFails {
			j.fail(second, 0)
		} else {
			j.confirm(second)
		}
		j.fail(first, 0) // a replay that failed, too
		told := tellAll(j, 10)
		if j.waiting() != 0 || j.bypass("k") {
			t.Errorf("second fails %v: %d pending after replays %q", secondFails, j.waiting(), told)
		}
		if n := j.done.Len(); n != len(j.m) {
			t.Errorf("%d in the order of age, %d by key", n, len(j.m))
		}
	}
}

func TestJournal_deleteIsNotSoftenedByExpire(t *testing.T) {
	j := testJournal()
	j.fail(j.begin(backplane.KindKey, "k", 1), 0)
	j.fail(j.begin(backplane.KindExpire, "k", 3), 0)
	if got := j.check("k", nil, 0); got != outdated {
		t.Errorf("what stood there before Delete is %d after Expire, want outdated", got)
	}
	if got := j.check("k", nil, 2); got != expired {
		t.Errorf("what was read between Delete and Expire is %d, want expired", got)
	}
	if told := tellAll(j, 10); told != "EK" {
		t.Errorf("told %q again, want both", told)
	}
}

// A Set that timed out may still be executed. Nothing settles the key before that is over.
func TestJournal_waitsForWhatMayStillTakeEffect(t *testing.T) {
	j := testJournal()
	j.fail(j.begin(backplane.KindKey, "k", 1), 100)
	if !j.mustWait("k", 99) || j.mustWait("k", 100) || j.mustWait("other", 99) {
		t.Error("another Set of the key waits until the first is void, and no longer")
	}
	if due := j.due(99); len(due) != 0 {
		t.Errorf("%v is told again while the Set may still take effect", due)
	}
	j.confirm(j.begin(backplane.KindKey, "k", 50)) // a Delete, behind which the Set may come
	if !j.bypass("k") {
		t.Error("a Delete has settled a key over which a Set may still come")
	}
	if told := tellAll(j, 100); told != "K" || j.bypass("k") {
		t.Errorf("told %q, pending %v; want one replay, and none pending", told, j.bypass("k"))
	}
}

func TestJournal_writeDuringAReplaySettlesTheKeyItself(t *testing.T) {
	j := testJournal()
	j.pend(backplane.KindKey, "k", 1)
	replay := j.due(10)[0]
	j.pend(backplane.KindKey, "k", 11) // Redis may have carried the replay out already
	j.confirm(replay)
	if !j.bypass("k") {
		t.Error("a write that Redis has not heard of is settled")
	}
	write := j.begin(backplane.KindKey, "k", 12)
	j.confirm(write)
	if j.bypass("k") || write.Number != replay.Number {
		t.Errorf("after a write that Redis took: pending %v, number %d, want the first one, %d", j.bypass("k"), write.Number, replay.Number)
	}
}

func TestJournal_tooMuchIsOneClear(t *testing.T) {
	j := testJournal()
	for i := range 3 * mostPending {
		j.fail(j.begin(backplane.KindKey, fmt.Sprint("k", i), int64(i)), 0)
		if !j.bypass("k0") || !j.bypass(fmt.Sprint("k", i)) {
			t.Fatalf("after %d: Redis is asked about what it has not heard of", i)
		}
	}
	if n := j.waiting(); n > mostPending || len(j.m) > mostPending {
		t.Errorf("%d pending, %d remembered, want at most %d", n, len(j.m), mostPending)
	}
	if !j.bypass("unheard of") {
		t.Error("the whole cache is to be cleared, and Redis is asked about a key")
	}
	if got := j.check("k0", nil, 3*mostPending-2); got != outdated {
		t.Errorf("what was read before the last write is %d, want outdated", got)
	}
	if told := tellAll(j, 4*mostPending); told != "C" || j.waiting() != 0 || j.bypass("k0") {
		t.Errorf("told %q, %d pending; want one Clear, and none", told, j.waiting())
	}
	j.fail(j.begin(backplane.KindKey, "k", 5*mostPending), 0)
	if told := tellAll(j, 6*mostPending); told != "K" {
		t.Errorf("after the Clear, a failed write told %q", told)
	}
}

func TestJournal_tagsAndClearOverrideOlderRecords(t *testing.T) {
	j := testJournal()
	j.confirm(j.begin(backplane.KindTag, "t", 100))
	for _, c := range []struct {
		tags []string
		read int64
		want standing
	}{{[]string{"s", "t"}, 99, outdated}, {[]string{"s"}, 99, stands}, {[]string{"t"}, 100, stands}} {
		if got := j.check("k", c.tags, c.read); got != c.want {
			t.Errorf("%v, read at %d: %d, want %d", c.tags, c.read, got, c.want)
		}
	}
	j.confirm(j.begin(backplane.KindClear, "", 200))
	if j.check("k", nil, 199) != outdated || j.check("k", nil, 200) != stands {
		t.Error("outdated is what was read before the clearing")
	}
}

// What a failover may have lost is told again, and nothing else.
func TestJournal_replaysWhatWasConfirmedAfterARound(t *testing.T) {
	j := testJournal()
	p := j.progress
	for round, key := range []string{"old", "new"} {
		p.Round.Store(uint64(round + 1))
		j.confirm(j.begin(backplane.KindKey, key, int64(round)))
	}
	underway := j.begin(backplane.KindKey, "underway", 5)
	p.Takeovers.Add(1)
	if j.replay(1) {
		t.Error("something is forgotten")
	}
	if j.bypass("old") || !j.bypass("new") {
		t.Errorf("pending: old %v, new %v; want the new one alone", j.bypass("old"), j.bypass("new"))
	}
	j.confirm(underway) // by the server before
	if !j.bypass("underway") {
		t.Error("what the server before confirmed after it was replaced is settled")
	}
	if told := tellAll(j, 10); told != "KK" {
		t.Errorf("told %q again, want two keys", told)
	}
}

// Nothing is forgotten before every replica has it, however long that takes; and what is forgotten
// is known to be.
func TestJournal_forgetsWhatReplicasHave(t *testing.T) {
	j := testJournal()
	p := j.progress
	p.Round.Store(7)
	j.confirm(j.begin(backplane.KindKey, "k", 1))
	late := int64(time.Hour)
	j.confirm(j.begin(backplane.KindKey, "another", late))
	if j.check("k", nil, 0) != outdated || j.replay(7) {
		t.Error("an invalidation that no replica has is forgotten after an hour")
	}
	p.Replicated.Store(7)
	j.confirm(j.begin(backplane.KindKey, "a third", late))
	if j.check("k", nil, 0) != stands {
		t.Error("an invalidation that every replica has is remembered for longer than the hold")
	}
	if j.replay(7) || !j.replay(6) {
		t.Error("what is missing before round 7 is forgotten, and nothing after it")
	}
	for i := range 2 * mostEntries {
		j.confirm(j.begin(backplane.KindKey, strconv.Itoa(i), late))
	}
	if len(j.m)-j.waiting() > mostEntries {
		t.Errorf("%d are remembered, want at most %d", len(j.m), mostEntries)
	}
}
