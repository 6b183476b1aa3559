package ledger_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/leaktest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm/internal/ledger"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// newLedger returns a ledger on a server of its own.
func newLedger(t *testing.T) (*ledger.Ledger, *redistest.Server) {
	t.Helper()
	server := redistest.Start(t)
	r, err := tiercache.NewRedis(server.Client(), tiercache.RedisConfig{
		Timeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return ledger.New(r, ledger.Key("", "brands", "popular", "0/string"), time.Minute), server
}

func claim(t *testing.T, l *ledger.Ledger, token string, want ledger.Terms) ledger.Claim {
	t.Helper()
	c, err := l.Claim(t.Context(), token, want)
	if err != nil {
		t.Fatalf("Claim(%s): %v", token, err)
	}
	return c
}

func TestLedger_aPass(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	slot := ledger.Terms{Slot: "noon"}
	if c := claim(t, l, "one", slot); c.Verdict != ledger.Lead || c.Former != "" {
		t.Fatalf("the first claim: %+v, want to lead", c)
	}
	if c := claim(t, l, "one", slot); c.Verdict != ledger.Lead {
		t.Errorf("the same claim again, as after a lost reply: %+v, want to lead", c)
	}
	if c := claim(t, l, "two", slot); c.Verdict != ledger.Busy || c.Pass != "one" {
		t.Errorf("a claim meanwhile: %+v, want busy with pass one", c)
	}
	keys := []string{"a", "", "\x00\xff", "b"}
	for n := range 20 { // more than one round trip of Keys
		if err := l.Chunk(t.Context(), "one", n, keys, time.Hour); err != nil {
			t.Fatalf("Chunk: %v", err)
		}
	}
	if err := l.Chunk(t.Context(), "two", 0, keys, time.Hour); !errors.Is(err, ledger.ErrLockLost) {
		t.Errorf("Chunk without the lock: %v, want %v", err, ledger.ErrLockLost)
	}
	pass := ledger.Pass{Slot: "noon", Began: time.Now(), Chunks: 20, Life: time.Hour}
	for range 2 { // as after a lost reply
		if err := l.Complete(t.Context(), "one", pass); err != nil {
			t.Fatalf("Complete: %v", err)
		}
	}
	done := claim(t, l, "two", slot)
	if done.Verdict != ledger.Done || done.Pass != "one" || done.Chunks != 20 {
		t.Fatalf("a claim afterwards: %+v, want pass one as done", done)
	}
	got, damaged, err := l.Keys(t.Context(), done)
	if err != nil || damaged != 0 || len(got) != 20*len(keys) {
		t.Fatalf("Keys: %d keys, %d damaged, %v", len(got), damaged, err)
	}
	if diff := cmp.Diff(keys, got[:len(keys)]); diff != "" {
		t.Errorf("Keys (-want +got):\n%s", diff)
	}
	if c := claim(t, l, "two", ledger.Terms{Slot: "one o'clock"}); c.Verdict != ledger.Lead || c.Former != "one" {
		t.Errorf("a claim for the next slot: %+v, want to lead, after one", c)
	}
}

func TestLedger_aPassThatEndsBadly(t *testing.T) {
	t.Parallel()
	l, server := newLedger(t)
	claim(t, l, "one", ledger.Terms{})
	if err := l.Release(t.Context(), "one"); err != nil {
		t.Fatalf("Release: %v", err)
	}
	claim(t, l, "two", ledger.Terms{})
	if err := l.Fail(t.Context(), "two"); err != nil {
		t.Fatalf("Fail: %v", err)
	}
	// The wait is shorter than a busy machine's pause may be: what is to be seen must stay.
	server.Do("PERSIST", "{warm:brands:popular:0/string}:lock")
	if c := claim(t, l, "three", ledger.Terms{}); c.Verdict != ledger.BackOff {
		t.Errorf("after a failure: %+v, want to back off", c)
	}
	if c := claim(t, l, "three", ledger.Terms{Force: true}); c.Verdict != ledger.Lead {
		t.Errorf("by hand: %+v, want to lead", c)
	}
	server.Do("FLUSHALL")
	for name, err := range map[string]error{
		"Renew": l.Renew(t.Context(), "three"), "Complete": l.Complete(t.Context(), "three", ledger.Pass{}),
		"Fail": l.Fail(t.Context(), "three"), "Release": l.Release(t.Context(), "three"),
	} {
		if !errors.Is(err, ledger.ErrLockLost) {
			t.Errorf("%s without the lock: %v, want %v", name, err, ledger.ErrLockLost)
		}
	}
}

func TestLedger_aDamagedManifest(t *testing.T) {
	t.Parallel()
	l, server := newLedger(t)
	claim(t, l, "one", ledger.Terms{})
	for n, keys := range [][]string{{"a"}, {"b"}, {"c"}} {
		if err := l.Chunk(t.Context(), "one", n, keys, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	const manifest = "{warm:brands:popular:0/string}:keys:one"
	server.Do("HSET", manifest, "1", "\x05abc") // shorter than it says
	server.Do("HDEL", manifest, "0")
	got, damaged, err := l.Keys(t.Context(), ledger.Claim{Pass: "one", Chunks: 3})
	if err != nil || damaged != 2 || len(got) != 1 || got[0] != "c" {
		t.Errorf("Keys: %q, %d damaged, %v; want the last chunk's alone", got, damaged, err)
	}
}

func TestLedger_withdraw(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	claim(t, l, "one", ledger.Terms{})
	if err := l.Complete(t.Context(), "one", ledger.Pass{Began: time.Now(), Life: time.Hour}); err != nil {
		t.Fatal(err)
	}
	recent := ledger.Terms{Age: time.Hour}
	if err := l.Withdraw(t.Context(), "another"); err != nil {
		t.Fatal(err)
	}
	if c := claim(t, l, "two", recent); c.Verdict != ledger.Done {
		t.Errorf("after another pass was withdrawn: %+v, want done", c)
	}
	if err := l.Withdraw(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if c := claim(t, l, "two", recent); c.Verdict != ledger.Lead {
		t.Errorf("after it was withdrawn: %+v, want to lead", c)
	}
}
