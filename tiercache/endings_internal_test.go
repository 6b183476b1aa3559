package tiercache

import (
	"strconv"
	"testing"

	"github.com/warmcache/warmcache/tiercache/internal/memory"
)

// What was under way when ends were forgotten is not known to stand. What was looked at is.
func TestEndings_whatIsForgottenIsNotTakenForWhatNeverWas(t *testing.T) {
	var e endings
	looked, missed := memory.TaggedBy([]string{"mine"}), memory.TaggedBy([]string{"mine"})
	for i := range 10 {
		e.end(strconv.Itoa(i))
	}
	e.forget(func() { e.stand(looked) })
	e.end("another")
	if len(e.ended) != 1 || !e.stand(looked) || e.stand(missed) {
		t.Errorf("%d tags are remembered; looked at: %t; missed: %t", len(e.ended), e.stand(looked), e.stand(missed))
	}
	e.end("mine")
	if e.stand(looked) {
		t.Error("an entry whose tag was ended stands")
	}
}

// A look under a storm leaves the next hit one comparison.
func TestEndings_aLookStampsAnew(t *testing.T) {
	var e endings
	tags := memory.TaggedBy([]string{"mine"})
	e.end("another")
	if !e.stand(tags) || tags.Count.Load() != e.count.Load() {
		t.Errorf("stamped %d, want %d", tags.Count.Load(), e.count.Load())
	}
}
