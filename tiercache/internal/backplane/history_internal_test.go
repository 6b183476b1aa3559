package backplane

import (
	"testing"
	"time"
)

const (
	testMaster  = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\nslave0:ip=127.0.0.1,port=1,state=online,offset=90,lag=0\r\nslave1:ip=127.0.0.1,port=2,state=online,offset=70,lag=1\r\nmaster_replid:aa\r\nmaster_replid2:0000\r\nmaster_repl_offset:100\r\nsecond_repl_offset:-1\r\n"
	testPromote = "role:master\r\nconnected_slaves:0\r\nmaster_replid:bb\r\nmaster_replid2:aa\r\nmaster_repl_offset:130\r\nsecond_repl_offset:81\r\n"
)

func TestReadAnswer(t *testing.T) {
	a := ReadAnswer("run_id:r\r\nuptime_in_seconds:5\r\n", testMaster)
	if a.runID != "r" || a.up != 5*time.Second || a.Replica || a.replID != "aa" || a.parent != "" || a.offset != 100 || a.acked != 70 {
		t.Errorf("%+v", a)
	}
	a = ReadAnswer("", testPromote)
	if a.replID != "bb" || a.parent != "aa" || a.branch != 80 || a.acked != 130 {
		t.Errorf("%+v", a)
	}
	for _, role := range []string{"slave", "replica"} {
		if a := ReadAnswer("", "role:"+role); !a.Replica {
			t.Errorf("role %s is no replica", role)
		}
	}
	if a := ReadAnswer("", ""); a.History() != "" || a.Replica {
		t.Errorf("of a server that says nothing: %+v", a)
	}
}

// beats feeds a lineage one answer a round.
type beats struct {
	*lineage
	round uint64
	now   int64
}

func (b *beats) hear(answers ...beatAnswer) []Takeover {
	b.round++
	b.now += int64(beatEvery)
	return b.lineage.hear(b.round, answers, true, b.now)
}

func server(id, runID string, offset, acked int64) beatAnswer {
	return beatAnswer{replID: id, runID: runID, offset: offset, acked: acked, up: time.Hour}
}

func promoted(id, runID, parent string, branch int64) beatAnswer {
	a := server(id, runID, branch+50, branch+50)
	a.parent, a.branch = parent, branch
	return a
}

func TestLineage_promotion(t *testing.T) {
	b := &beats{lineage: newLineage()}
	b.hear(server("aa", "m", 10, 5))
	b.hear(server("aa", "m", 20, 10))
	if got := b.replicated(); got != 0 {
		t.Errorf("replicated up to round %d, want 0: the first stamp's", got)
	}
	b.hear(server("aa", "m", 30, 30))
	if got := b.replicated(); got != 2 {
		t.Errorf("replicated up to round %d, want 2", got)
	}
	got := b.hear(promoted("bb", "r", "aa", 25))
	if len(got) != 1 || got[0] != (Takeover{ID: "bb", Since: 1}) {
		t.Errorf("%+v, want a takeover that lacks what was confirmed after round 1", got)
	}
	// and back, to the former master, which has become the new one's replica meanwhile
	if got := b.hear(promoted("cc", "m", "bb", 76)); len(got) != 1 || got[0] != (Takeover{ID: "cc", Since: 3}) {
		t.Errorf("%+v, want a takeover that lacks what was confirmed after round 3", got)
	}
	if got := b.hear(promoted("cc", "m", "bb", 76)); len(got) != 0 {
		t.Errorf("%+v, want none: it is known", got)
	}
}

func TestLineage_nothingExactIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		answer beatAnswer
		want   Takeover
	}{
		"the data of another server":  {server("zz", "m", 10, 10), Takeover{ID: "zz", Lost: true}},
		"two promotions at once":      {promoted("cc", "r2", "bb", 30), Takeover{ID: "cc", Lost: true}},
		"a branch before all stamps":  {promoted("bb", "r", "aa", 5), Takeover{ID: "bb"}},
		"a restart without a history": {beatAnswer{replID: "zz", runID: "m2", up: time.Second}, Takeover{ID: "zz", Restarted: true}},
		"a restart from a snapshot":   {beatAnswer{replID: "bb", runID: "m2", parent: "aa", branch: 20, up: 0}, Takeover{ID: "bb", Since: 1, Restarted: true}},
		"a proxy before a restart":    {beatAnswer{runID: "m2", up: 0}, Takeover{ID: "m2", Restarted: true}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &beats{lineage: newLineage()}
			b.hear(server("aa", "m", 10, 10))
			b.hear(server("aa", "m", 20, 20))
			b.now += int64(3 * time.Second)
			if got := b.hear(c.answer); len(got) != 1 || got[0] != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestLineage_sameDataUnderAnotherName(t *testing.T) {
	b := &beats{lineage: newLineage()}
	b.hear(server("aa", "m", 10, 10))
	if got := b.hear(server("bb", "m", 11, 11)); len(got) != 0 {
		t.Errorf("a master that forgot its backlog: %+v, want no takeover", got)
	}
	if got := b.hear(promoted("cc", "r", "bb", 11)); len(got) != 1 || got[0].Since != 1 || got[0].Lost {
		t.Errorf("%+v, want what came after round 1", got)
	}
}

// A Cluster grows and shrinks: what is unrelated to what is known ends nothing unless it replaces
// something.
func TestLineage_masterThatJoins(t *testing.T) {
	one, two := server("aa", "m1", 10, 10), server("bb", "m2", 10, 10)
	one.master, two.master = "1", "2"
	b := &beats{lineage: newLineage()}
	b.hear(one, two)
	three := server("zz", "m3", 1, 1)
	three.master = "3"
	if got := b.hear(one, two, three); len(got) != 0 {
		t.Errorf("a master that joined: %+v", got)
	}
	for range 200 { // it leaves again
		b.hear(one, two)
	}
	if len(b.known) != 2 || b.replicated() < 100 {
		t.Errorf("%d histories, replicated up to round %d", len(b.known), b.replicated())
	}
}

// Where servers say nothing of histories, another run_id is told the last minute.
func TestLineage_silentAboutHistories(t *testing.T) {
	b := &beats{lineage: newLineage()}
	for range 400 {
		b.hear(beatAnswer{runID: "m", up: time.Hour})
	}
	got := b.hear(beatAnswer{runID: "r", up: time.Hour})
	want := 400 - uint64(unsaidFor/beatEvery) - 1
	if len(got) != 1 || got[0].Since < want-1 || got[0].Since > want || got[0].Lost {
		t.Errorf("%+v, want what was confirmed after round %d", got, want)
	}
}

// An old connection may lead to a master that another one continues: it is no master any more.
func TestLineage_retiredMasterIsNotBelieved(t *testing.T) {
	b := &beats{lineage: newLineage()}
	b.hear(server("aa", "m", 10, 10))
	b.hear(promoted("bb", "r", "aa", 10))
	if got := b.hear(server("aa", "m", 12, 12)); len(got) != 0 || !b.isRetired(server("aa", "m", 0, 0), b.now) {
		t.Errorf("%+v, want it to be retired", got)
	}
	b.now += int64(retiredFor)
	if got := b.hear(server("aa", "m", 12, 12)); len(got) != 1 || !got[0].Lost {
		t.Errorf("%+v, want that it counts once nobody else answers", got)
	}
}
