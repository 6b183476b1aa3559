package backplane

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/clock"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// Trust runs from a heartbeat's sending: one that lay in a buffer for longer than that proves
// nothing.
func TestTrust_runsFromTheSendingOfAHeartbeat(t *testing.T) {
	t.Parallel()
	ch := New(redisconn.New(nil, time.Second, slog.New(slog.DiscardHandler)), "")
	defer ch.cancel()
	ch.Clock = clock.Since(time.Now().Add(-time.Hour))
	ch.expect(map[string]redis.UniversalClient{"a": new(redis.Client), "b": new(redis.Client)})
	now := ch.Clock.Now()
	for _, master := range []string{"a", "b"} {
		ch.beatAnswered(master, now)
	}
	ch.beaten("a", now)
	if ch.Coherent() {
		t.Error("coherent before the other master's heartbeat")
	}
	ch.beaten("b", now-int64(trustFor)-1)
	if ch.Coherent() {
		t.Error("coherent by a heartbeat that was sent before trust's time")
	}
	ch.beaten("b", now-int64(trustFor)/2)
	if !ch.Coherent() {
		t.Error("not coherent although both heartbeats were sent lately")
	}
	ch.expect(map[string]redis.UniversalClient{"a": new(redis.Client), "b": new(redis.Client), "c": new(redis.Client)})
	if ch.beaten("c", now); ch.Coherent() {
		t.Error("coherent by a heartbeat that a server passed on which has not said that it is a master")
	}
}

// In a large fleet digests are rare: a node that has been silent for longer than a small fleet's
// pause is alive, and waited for.
func TestConfirm_waitsForRareDigests(t *testing.T) {
	ch := &Channel{pubs: make(publishers)}
	const nodes, now = 1000, int64(time.Hour)
	ch.heardNodes.Store(nodes - 1)
	for i := range nodes - 1 {
		ch.pubs[strconv.Itoa(i)] = &publisher{heard: now, digest: now}
	}
	silent := ch.pubs["0"]
	since := now - int64(4*time.Second)
	silent.heard, silent.digest = since-1, since-1 // its next digest is due 10 s after that
	if ch.pubs.settled(since, now, ch.patience()) {
		t.Error("confirmed without the digest of a node that is alive")
	}
	silent.heard, silent.digest = now, now
	if !ch.pubs.settled(since, now, ch.patience()) {
		t.Error("not confirmed with the digests of all nodes")
	}
	silent.heard, silent.digest = now-int64(31*time.Second), now-int64(31*time.Second)
	if !ch.pubs.settled(since, now, ch.patience()) {
		t.Error("a dead node is waited for")
	}
}
