package tiercache

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// beaten notes that a heartbeat has come back. Of several masters the one that is furthest behind counts.
func (ch *channel) beaten(master string, sent int64) {
	ch.mu.Lock()
	if last, ok := ch.beats[master]; ok { // else it is a master no more
		ch.beats[master] = max(last, sent)
	}
	oldest := ch.oldest()
	ch.mu.Unlock()
	ch.pubsMu.Lock()
	ch.settleUpTo(oldest)
	ch.pubsMu.Unlock()
	if oldest > never {
		ch.settle(nil)
	}
}

// never is when a master's heartbeat came back from which none has.
const never = -int64(trustFor)

// oldest is when the heartbeat was sent that came back from the master that is furthest behind; trust runs from there. ch.mu is held.
func (ch *channel) oldest() int64 {
	oldest := never
	if len(ch.beats) > 0 {
		oldest = slices.Min(slices.Collect(maps.Values(ch.beats)))
	}
	ch.trust.Store(oldest + int64(trustFor))
	return oldest
}

// expect says which masters there are: one that is new is not trusted before its first heartbeat has come back, and one that is none any more proves nothing, and is not
// waited for.
func (ch *channel) expect(masters map[string]redis.UniversalClient) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for master := range ch.beats {
		if masters[master] == nil {
			delete(ch.beats, master)
		}
	}
	for master := range masters {
		if _, ok := ch.beats[master]; !ok {
			ch.beats[master] = never
		}
	}
	ch.oldest()
}

// beat sends heartbeats and digests until close.
func (ch *channel) beat() {
	defer ch.done.Done()
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	digest := time.NewTimer(0)
	defer digest.Stop()
	ch.beatMasters()
	for {
		select {
		case <-ch.ctx.Done():
			return
		case <-tick.C:
			ch.beatMasters()
			if tick.Reset(beatEvery); ch.r.masters.state() == BreakerHalfOpen {
				tick.Reset(beatEvery / 8) // the next one may close it
			}
		case <-digest.C:
			ch.digest()
			digest.Reset(time.Duration(ch.digestPause()))
		}
	}
}

// digestPause is the time between two digests of a node.
func (ch *channel) digestPause() int64 {
	return int64(digestEvery) * int64(max(digestNodes, ch.nodes())) / digestNodes
}

// nodes is about how many nodes the fleet has.
func (ch *channel) nodes() int { return int(ch.heardNodes.Load()) + 1 }

// digest tells the others the last number of ours, so that they notice when that one was lost.
func (ch *channel) digest() {
	text := notice{kind: noticeDigest, node: ch.node, number: ch.seq.Load()}.String()
	_, _ = attempt(ch.ctx, ch.r, ch.r.masters.of(anyMaster), ch.r.cfg.Timeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, ch.r.client.Publish(ctx, ch.shared(), text).Err()
	})
}

// beatAnswer is what a master says to a heartbeat.
type beatAnswer struct {
	master, runID string
	up            time.Duration
	err           error
}

// beatMasters sends a heartbeat through each master, each under its own deadline, and asks each who it is. Heartbeats bypass the breakers: they are what opens
// them half. A master that is a replica by now is none.
func (ch *channel) beatMasters() {
	if len(ch.r.masters.known()) == 0 {
		if ch.look(); len(ch.r.masters.known()) == 0 {
			return
		}
	}
	masters := ch.r.masters.known()
	ch.expect(masters)
	results := make(chan beatAnswer, len(masters))
	for master, client := range masters {
		go func() { results <- ch.beatMaster(master, client) }()
	}
	var answers []beatAnswer
	for range masters {
		a := <-results
		if a.err != nil {
			ch.settle(a.err)
			continue
		}
		answers = append(answers, a)
	}
	if len(answers) == 0 || ch.ctx.Err() != nil {
		return
	}
	now := ch.clock.now()
	changed := ch.changed(answers, time.Duration(now-ch.answered))
	if len(answers) == len(masters) {
		ch.answered = now
	}
	for _, a := range changed {
		ch.takeovers.Add(1)
		ch.missed("another server answers", 0)
		for _, c := range ch.all() {
			c.onServer(a.runID, a.restarted)
		}
	}
	for _, c := range ch.all() {
		c.onBeat(now)
	}
}

// beatMaster is one heartbeat. It tells the master's breaker how it went, and in a Cluster that of what is not about a key.
func (ch *channel) beatMaster(master string, client redis.UniversalClient) beatAnswer {
	sh, bound := ch.r.masters.of(master), ch.r.cfg.Timeout
	began := time.Now()
	a, err := attempt(ch.ctx, ch.r, sh, bound, func(ctx context.Context) (beatAnswer, error) {
		text := notice{kind: noticeBeat, node: ch.node, number: uint64(ch.clock.now()), rest: master}.String()
		pipe := client.Pipeline()
		sent := redis.NewIntCmd(ctx, "publish", ch.own(), text)
		_ = pipe.Process(ctx, once{sent})
		server, replication := pipe.Info(ctx, "server"), pipe.Info(ctx, "replication")
		_, _ = pipe.Exec(ctx) // each command has its own error
		if infoField(replication.Val(), "role") == "slave" {
			return beatAnswer{}, errReplica
		}
		return beatAnswer{master: master, runID: infoField(server.Val(), "run_id"), up: uptime(server.Val())}, sent.Err()
	})
	if ch.ctx.Err() != nil {
		return beatAnswer{err: err}
	}
	how := judge(ch.ctx, err, time.Since(began), bound)
	ch.r.noteBeat(sh, how, err)
	if how == answered && master != anyMaster {
		ch.r.noteBeat(ch.r.masters.of(anyMaster), how, nil)
	}
	a.err = err
	return a
}

// look asks a Cluster for its masters. It may take several seconds where go-redis happens to ask a node that is frozen, so it is left behind then.
func (ch *channel) look() {
	const bound = 500 * time.Millisecond
	_, err := apart(ch.ctx, ch.r.masters.of(anyMaster), bound, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, ch.r.masters.look(ctx)
	})
	if err != nil {
		ch.settle(err)
		ch.r.noteBeat(ch.r.masters.of(anyMaster), judge(ch.ctx, err, 0, bound), err)
	}
}

// survey follows the masters of a Cluster until close: go-redis by itself would fail a dead master's slots for most of a minute.
func (ch *channel) survey() {
	defer ch.done.Done()
	const rarely = 3 // while all is well
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ch.ctx.Done():
			return
		case <-tick.C:
		}
		if n%rarely == 0 || !ch.coherent() || ch.r.masters.state() != BreakerClosed {
			ch.look()
		}
	}
}

// takeover is a server that answers in the place of another.
type takeover struct {
	runID     string
	restarted bool // with what it has from a snapshot
}

// changed notes who answers after a silence, and lists those who have not before.
func (ch *channel) changed(answers []beatAnswer, silence time.Duration) (changed []takeover) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	known := len(ch.servers) > 0
	for _, a := range answers {
		if a.runID == "" { // it doesn't say
			continue
		}
		if known && ch.servers[a.master] != a.runID {
			// A server that began after the last answer of the one before it has what it has from a snapshot; one that was promoted has been running.
			changed = append(changed, takeover{a.runID, a.up < silence+2*time.Second})
		}
		ch.servers[a.master] = a.runID
	}
	return changed
}

// infoField is a field in the text of INFO; empty where there is none.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}

// uptime is how long the server has been running; a long time where it doesn't say.
func uptime(info string) time.Duration {
	seconds, err := strconv.Atoi(infoField(info, "uptime_in_seconds"))
	if err != nil {
		return maxLife
	}
	return time.Duration(seconds) * time.Second
}
