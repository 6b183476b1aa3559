package backplane

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// beatTimes is when the last heartbeats were sent through a master: the one that came back over the
// subscription, and the one to which it answered that it is a master. A replica passes heartbeats
// on, too.
type beatTimes struct{ back, answered int64 }

// beaten notes that a heartbeat has come back. Of several masters the one that is furthest behind
// counts.
func (ch *Channel) beaten(master string, sent int64) {
	ch.mu.Lock()
	if last, ok := ch.beats[master]; ok { // else it is a master no more
		last.back = max(last.back, sent)
		ch.beats[master] = last
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

// beatAnswered notes that a master has answered to a heartbeat.
func (ch *Channel) beatAnswered(master string, sent int64) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if last, ok := ch.beats[master]; ok {
		last.answered = max(last.answered, sent)
		ch.beats[master] = last
		if ch.oldest() > never {
			ch.settle(nil)
		}
	}
}

// oldest is when the heartbeat was sent by which the master that is furthest behind has shown that
// it is one, and that its notices are heard; trust runs from there. ch.mu is held.
func (ch *Channel) oldest() int64 {
	oldest := never
	for i, last := range slices.Collect(maps.Values(ch.beats)) {
		if sent := min(last.back, last.answered); i == 0 || sent < oldest {
			oldest = sent
		}
	}
	ch.Trust.Store(oldest + int64(trustFor))
	return oldest
}

// expect says which masters there are: one that is new is not trusted before its first heartbeat
// has come back, and one that is none any more proves nothing, and is not waited for.
func (ch *Channel) expect(masters map[string]redis.UniversalClient) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for master := range ch.beats {
		if masters[master] == nil {
			delete(ch.beats, master)
		}
	}
	for master := range masters {
		if _, ok := ch.beats[master]; !ok {
			ch.beats[master] = beatTimes{never, never}
		}
	}
	ch.oldest()
}

// beat sends heartbeats and digests until close.
func (ch *Channel) beat() {
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
		case <-ch.heard: // a heartbeat that was sent before was not
			ch.beatMasters()
		case <-tick.C:
			ch.beatMasters()
			if tick.Reset(beatEvery); ch.conn.Masters.State() == redisconn.HalfOpen {
				tick.Reset(beatEvery / 8) // the next one may close it
			}
		case <-digest.C:
			ch.digest()
			digest.Reset(time.Duration(ch.digestPause()))
		}
	}
}

// beatNow has the next heartbeat sent at once.
func (ch *Channel) beatNow() {
	select {
	case ch.heard <- struct{}{}:
	default: // it is about to be
	}
}

// digestPause is the time between two digests of a node.
func (ch *Channel) digestPause() int64 {
	return int64(digestEvery) * int64(max(digestNodes, ch.Nodes())) / digestNodes
}

// Nodes is about how many nodes the fleet has.
func (ch *Channel) Nodes() int { return int(ch.heardNodes.Load()) + 1 }

// digest tells the others the last number of ours, so that they notice when that one was lost.
func (ch *Channel) digest() {
	text := Notice{Kind: KindDigest, Node: ch.Node(), Number: ch.Seq.Load()}.String()
	_, _ = redisconn.Attempt(ch.ctx, ch.conn, ch.conn.Masters.Of(redisconn.AnyMaster), ch.conn.Timeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, ch.conn.Client.Publish(ctx, ch.Shared(), text).Err()
	})
}

// beatMasters sends a heartbeat through each master, each under its own deadline, and asks each who
// it is. Heartbeats bypass the breakers: they are what opens them half. A master that is a replica
// by now is none.
func (ch *Channel) beatMasters() {
	if len(ch.conn.Masters.Known()) == 0 {
		if ch.look(); len(ch.conn.Masters.Known()) == 0 {
			return
		}
	}
	ch.unsuspended()
	masters := ch.conn.Masters.Known()
	ch.expect(masters)
	round := ch.Round.Add(1)
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
	if len(answers) > 0 && ch.ctx.Err() == nil {
		ch.answer(round, answers, len(answers) == len(masters))
	}
}

// answer takes in what masters answered in a round.
func (ch *Channel) answer(round uint64, answers []beatAnswer, all bool) {
	ch.watchClocks(answers)
	now := ch.Clock.Now()
	changed := ch.lineage.hear(round, answers, all, now)
	ch.Replicated.Store(ch.lineage.replicated())
	for _, t := range changed {
		ch.Takeovers.Add(1)
		ch.missed("another server answers", 0)
		for _, c := range ch.All() {
			c.Server(t)
		}
	}
	histories := ch.lineage.ids() // now that what they may lack is pending
	ch.histories.Store(&histories)
	for _, a := range answers {
		if ch.lineage.isRetired(a, now) {
			ch.shed(a.client, func(again beatAnswer) bool { return again.replID == a.replID })
		}
	}
	for _, c := range ch.All() {
		c.Beat(now)
	}
}

// beatMaster is one heartbeat. It tells the master's breaker how it went, and in a Cluster that of
// what is not about a key.
func (ch *Channel) beatMaster(master string, client redis.UniversalClient) beatAnswer {
	sh, bound := ch.conn.Masters.Of(master), ch.conn.Timeout
	began := time.Now()
	a, err := redisconn.Attempt(ch.ctx, ch.conn, sh, bound, func(ctx context.Context) (beatAnswer, error) {
		sent := ch.Clock.Now()
		ch.sending(sent)
		text := Notice{Kind: KindBeat, Node: ch.Node(), Number: uint64(sent), Rest: master}.String()
		pipe := client.Pipeline()
		published := redis.NewIntCmd(ctx, "publish", ch.own(), text)
		_ = pipe.Process(ctx, redisconn.Once{Cmder: published})
		server, replication := pipe.Info(ctx, "server"), pipe.Info(ctx, "replication")
		clock := pipe.Time(ctx)
		if !ch.evaluates.Load() {
			eval := pipe.Eval(ctx, "return 1", nil)
			defer func() { ch.evaluated(eval.Err()) }()
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
		a := ReadAnswer(server.Val(), replication.Val())
		if a.Replica {
			return beatAnswer{}, redisconn.ErrReplica
		}
		if master == redisconn.AnyMaster && infoField(server.Val(), "redis_mode") == "cluster" {
			return beatAnswer{}, redisconn.ErrClusterNode
		}
		if published.Err() == nil {
			ch.beatAnswered(master, sent)
		}
		a.shows, a.sent, a.received = clock.Val(), sent, ch.Clock.Now()
		_ = ch.lacks("INFO", server.Err())
		return a, ch.lacks("PUBLISH", published.Err())
	})
	if ch.ctx.Err() != nil {
		return beatAnswer{err: err}
	}
	if errors.Is(err, redisconn.ErrReplica) {
		ch.settle(err) // NewRedis waits no longer
		ch.shed(client, func(a beatAnswer) bool { return a.Replica })
	}
	how := redisconn.Judge(ch.ctx, err, time.Since(began), bound)
	ch.conn.NoteBeat(sh, how, err)
	if how == redisconn.Answered && master != redisconn.AnyMaster {
		ch.conn.NoteBeat(ch.conn.Masters.Of(redisconn.AnyMaster), how, nil)
	}
	a.master, a.client, a.err = master, client, err
	return a
}

// mostShed bounds the connections that one heartbeat closes.
const mostShed = 64

// shed closes the connections of a client's pools that lead to a wrong server, until one does not.
// Behind a balancer, or a name whose address has changed, old connections stay with a server that
// is a master no more. go-redis has one pool for pipelines and another one for all else.
func (ch *Channel) shed(client redis.UniversalClient, wrong func(beatAnswer) bool) {
	piped := func(ctx context.Context) (string, error) {
		pipe := client.Pipeline()
		replication := pipe.Info(ctx, "replication")
		pipe.Do(ctx, "quit") // the server closes the connection, and the pool sees that
		_, _ = pipe.Exec(ctx)
		return replication.Result()
	}
	plain := func(ctx context.Context) (string, error) {
		single, ok := client.(*redis.Client)
		if !ok {
			return "", redisconn.ErrNoMasters
		}
		conn := single.EphemeralConn()
		defer conn.Close() //nolint:errcheck // that closes the connection itself
		return conn.Info(ctx, "replication").Result()
	}
	_, _ = redisconn.Apart(ch.ctx, ch.conn.Masters.Of(redisconn.AnyMaster), ch.conn.Timeout, func(ctx context.Context) (struct{}, error) {
		for _, ask := range []func(context.Context) (string, error){piped, plain} {
			for range mostShed {
				if replication, err := ask(ctx); err != nil || !wrong(ReadAnswer("", replication)) {
					break
				}
			}
		}
		return struct{}{}, nil
	})
}

// look asks a Cluster for its masters. It may take several seconds where go-redis happens to ask a
// node that is frozen, so it is left behind then.
func (ch *Channel) look() {
	const bound = 500 * time.Millisecond
	_, err := redisconn.Apart(ch.ctx, ch.conn.Masters.Of(redisconn.AnyMaster), bound, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, ch.conn.Masters.Survey(ctx)
	})
	if err != nil {
		ch.settle(err)
		ch.conn.NoteBeat(ch.conn.Masters.Of(redisconn.AnyMaster), redisconn.Judge(ch.ctx, err, 0, bound), err)
	}
}

// survey follows the masters of a Cluster until close: go-redis by itself would fail a dead
// master's slots for most of a minute.
func (ch *Channel) survey() {
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
		if n%rarely == 0 || !ch.Coherent() || ch.conn.Masters.State() != redisconn.Closed {
			ch.look()
		}
	}
}
