package main

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMeasure runs every part with few of everything: what must hold on any machine.
func TestMeasure(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Nodes, cfg.VirtualNodes, cfg.Watched, cfg.Journal = []int{3}, []int{3}, 500*time.Millisecond, 200*time.Millisecond
	r, err := measure(t, cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Entries) != 2 || len(r.Sizes) != 2 || len(r.Batches) != 2 || len(r.Tags) != 2 || len(r.Nodes) != 1 || len(r.Virtual) != 1 {
		t.Fatalf("%+v, want two points of each part and one fleet", r)
	}
	if r.Entries[1].Bytes < 64 {
		t.Errorf("an entry with a value of 64 bytes takes %.0f bytes of the heap", r.Entries[1].Bytes)
	}
	if r.Sizes[1].Redis < 10_000 {
		t.Errorf("a value of 10000 bytes takes %.0f bytes of Redis", r.Sizes[1].Redis)
	}
	f := r.Nodes[0]
	if f.Sources != 1 {
		t.Errorf("a fleet of three asked its source %d times at its start, want once", f.Sources)
	}
	if f.Start <= 0 || f.Rest.Commands <= 0 || f.Rest.In <= 0 || f.Write.Writes <= 0 {
		t.Errorf("%+v, want commands and bytes at start, at rest and while it writes", f)
	}
	if r.Journal.Deletes < journalBatch {
		t.Errorf("%+v, want deletes", r.Journal)
	}
	if text := r.String(); !strings.Contains(text, "Journal of") || !strings.Contains(text, "at rest") {
		t.Errorf("the tables lack something:\n%s", text)
	}
}

// BenchmarkScale is the program with few of everything: it shows that it runs, its figures mean
// nothing.
func BenchmarkScale(b *testing.B) {
	cfg := quick()
	cfg.Nodes, cfg.VirtualNodes, cfg.Watched, cfg.Journal = []int{3}, nil, 300*time.Millisecond, 100*time.Millisecond
	for b.Loop() {
		r, err := measure(b, cfg, "entries,sizes,batches,tags,nodes")
		if err != nil {
			b.Fatal(err)
		}
		if len(r.Nodes) != 1 || r.Nodes[0].Sources != 1 {
			b.Errorf("%+v, want a fleet that asks its source once", r.Nodes)
		}
	}
}
