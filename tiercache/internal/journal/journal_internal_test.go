package journal

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
)

// testJournal is a journal whose notices are numbered from 1.
func testJournal() *Journal {
	last := uint64(0)
	return New("c", 2*time.Minute, new(backplane.Progress), func(kind backplane.Kind, cache, rest string) backplane.Notice {
		last++
		return backplane.Notice{Kind: kind, Node: "n", Number: last, Cache: cache, Rest: rest}
	})
}

// tellAll tells Redis, which answers, what is due, and returns the kinds.
func tellAll(j *Journal, now int64) (told string) {
	var kinds []byte
	for _, n := range j.Due(now) {
		kinds = append(kinds, byte(n.Kind))
		j.Confirm(n)
	}
	slices.Sort(kinds)
	return string(kinds)
}

func TestJournal_failedTriesOfOneKeyThatOvertakeEachOther(t *testing.T) {
	for _, secondFails := range []bool{false, true} {
		j := testJournal()
		first := j.Begin(backplane.KindKey, "k", 1)
		second := j.Begin(backplane.KindKey, "k", 2)
		j.Fail(first, 0)
		if secondFails {
			j.Fail(second, 0)
		} else {
			j.Confirm(second)
		}
		j.Fail(first, 0) // a replay that failed, too
		told := tellAll(j, 10)
		if j.Waiting() != 0 || j.Bypass("k") {
			t.Errorf("second fails %v: %d pending after replays %q", secondFails, j.Waiting(), told)
		}
		if n := j.done.Len(); n != len(j.m) {
			t.Errorf("%d in the order of age, %d by key", n, len(j.m))
		}
	}
}

func TestJournal_deleteIsNotSoftenedByExpire(t *testing.T) {
	j := testJournal()
	j.Fail(j.Begin(backplane.KindKey, "k", 1), 0)
	j.Fail(j.Begin(backplane.KindExpire, "k", 3), 0)
	if got := j.Check("k", nil, 0); got != Outdated {
		t.Errorf("what stood there before Delete is %d after Expire, want outdated", got)
	}
	if got := j.Check("k", nil, 2); got != Expired {
		t.Errorf("what was read between Delete and Expire is %d, want expired", got)
	}
	if told := tellAll(j, 10); told != "EK" {
		t.Errorf("told %q again, want both", told)
	}
}

// A Set that timed out may still be executed. Nothing settles the key before that is over.
func TestJournal_waitsForWhatMayStillTakeEffect(t *testing.T) {
	j := testJournal()
	j.Fail(j.Begin(backplane.KindKey, "k", 1), 100)
	if !j.MustWait("k", 99) || j.MustWait("k", 100) || j.MustWait("other", 99) {
		t.Error("another Set of the key waits until the first is void, and no longer")
	}
	if due := j.Due(99); len(due) != 0 {
		t.Errorf("%v is told again while the Set may still take effect", due)
	}
	j.Confirm(j.Begin(backplane.KindKey, "k", 50)) // a Delete, behind which the Set may come
	if !j.Bypass("k") {
		t.Error("a Delete has settled a key over which a Set may still come")
	}
	if told := tellAll(j, 100); told != "K" || j.Bypass("k") {
		t.Errorf("told %q, pending %v; want one replay, and none pending", told, j.Bypass("k"))
	}
}

func TestJournal_writeDuringAReplaySettlesTheKeyItself(t *testing.T) {
	j := testJournal()
	j.Pend(backplane.KindKey, "k", 1)
	replay := j.Due(10)[0]
	j.Pend(backplane.KindKey, "k", 11) // Redis may have carried the replay out already
	j.Confirm(replay)
	if !j.Bypass("k") {
		t.Error("a write that Redis has not heard of is settled")
	}
	write := j.Begin(backplane.KindKey, "k", 12)
	j.Confirm(write)
	if j.Bypass("k") || write.Number != replay.Number {
		t.Errorf("after a write that Redis took: pending %v, number %d, want the first one, %d", j.Bypass("k"), write.Number, replay.Number)
	}
}

func TestJournal_tooMuchIsOneClear(t *testing.T) {
	j := testJournal()
	for i := range 3 * mostPending {
		j.Fail(j.Begin(backplane.KindKey, fmt.Sprint("k", i), int64(i)), 0)
		if !j.Bypass("k0") || !j.Bypass(fmt.Sprint("k", i)) {
			t.Fatalf("after %d: Redis is asked about what it has not heard of", i)
		}
	}
	if n := j.Waiting(); n > mostPending || len(j.m) > mostPending {
		t.Errorf("%d pending, %d remembered, want at most %d", n, len(j.m), mostPending)
	}
	if !j.Bypass("unheard of") {
		t.Error("the whole cache is to be cleared, and Redis is asked about a key")
	}
	if got := j.Check("k0", nil, 3*mostPending-2); got != Outdated {
		t.Errorf("what was read before the last write is %d, want outdated", got)
	}
	if told := tellAll(j, 4*mostPending); told != "C" || j.Waiting() != 0 || j.Bypass("k0") {
		t.Errorf("told %q, %d pending; want one Clear, and none", told, j.Waiting())
	}
	j.Fail(j.Begin(backplane.KindKey, "k", 5*mostPending), 0)
	if told := tellAll(j, 6*mostPending); told != "K" {
		t.Errorf("after the Clear, a failed write told %q", told)
	}
}

func TestJournal_tagsAndClearOverrideOlderRecords(t *testing.T) {
	j := testJournal()
	j.Confirm(j.Begin(backplane.KindTag, "t", 100))
	for _, c := range []struct {
		tags []string
		read int64
		want Standing
	}{{[]string{"s", "t"}, 99, Outdated}, {[]string{"s"}, 99, Stands}, {[]string{"t"}, 100, Stands}} {
		if got := j.Check("k", c.tags, c.read); got != c.want {
			t.Errorf("%v, read at %d: %d, want %d", c.tags, c.read, got, c.want)
		}
	}
	j.Confirm(j.Begin(backplane.KindClear, "", 200))
	if j.Check("k", nil, 199) != Outdated || j.Check("k", nil, 200) != Stands {
		t.Error("outdated is what was read before the clearing")
	}
}

// What a failover may have lost is told again, and nothing else.
func TestJournal_replaysWhatWasConfirmedAfterARound(t *testing.T) {
	j := testJournal()
	p := j.progress
	for round, key := range []string{"old", "new"} {
		p.Round.Store(uint64(round + 1))
		j.Confirm(j.Begin(backplane.KindKey, key, int64(round)))
	}
	underway := j.Begin(backplane.KindKey, "underway", 5)
	p.Takeovers.Add(1)
	if j.Replay(1) {
		t.Error("something is forgotten")
	}
	if j.Bypass("old") || !j.Bypass("new") {
		t.Errorf("pending: old %v, new %v; want the new one alone", j.Bypass("old"), j.Bypass("new"))
	}
	j.Confirm(underway) // by the server before
	if !j.Bypass("underway") {
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
	j.Confirm(j.Begin(backplane.KindKey, "k", 1))
	late := int64(time.Hour)
	j.Confirm(j.Begin(backplane.KindKey, "another", late))
	if j.Check("k", nil, 0) != Outdated || j.Replay(7) {
		t.Error("an invalidation that no replica has is forgotten after an hour")
	}
	p.Replicated.Store(7)
	j.Confirm(j.Begin(backplane.KindKey, "a third", late))
	if j.Check("k", nil, 0) != Stands {
		t.Error("an invalidation that every replica has is remembered for longer than the hold")
	}
	if j.Replay(7) || !j.Replay(6) {
		t.Error("what is missing before round 7 is forgotten, and nothing after it")
	}
	for i := range 2 * mostEntries {
		j.Confirm(j.Begin(backplane.KindKey, strconv.Itoa(i), late))
	}
	if len(j.m)-j.Waiting() > mostEntries {
		t.Errorf("%d are remembered, want at most %d", len(j.m), mostEntries)
	}
}
