package tiercache

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// acquire asks for the leases of many keys and looks the keys up again behind that: what a leader
// committed before its lease went is seen.
func (m *remote) acquire(ctx context.Context, texts []string, token string) ([]found, error) {
	return m.lease(ctx, texts, token, bidding{mode: "NX", who: true})
}

// claim is acquire that does not ask who holds a lease that it doesn't get.
func (m *remote) claim(ctx context.Context, texts []string, token string) ([]found, error) {
	return m.lease(ctx, texts, token, bidding{mode: "NX"})
}

// take takes leases from their holders, if these still are: marks of loads that failed, or loads
// whose commits are refused then.
func (m *remote) take(ctx context.Context, token string, texts, holders []string) ([]error, error) {
	life := m.r.cfg.LeaseLife.Milliseconds()
	return m.run(ctx, calls{takeScript, len(texts), func(i int) string { return texts[i] }, func(i int, args []any) []any {
		return append(args, holders[i], token, life)
	}, errLeaseLost})
}

// bidding is a way to ask for leases.
type bidding struct {
	mode  string // of SET
	who   bool   // ask who holds them, too
	token any    // a string
	life  any    // in ms
}

// bid is one key's commands in a pipeline that asks for leases.
type bid struct {
	look
	args   [6]any // of SET
	set    redis.StatusCmd
	holder *redis.StringCmd // nil: nobody asks
}

// make prepares the bid for a key by its text and the name of its value in Redis. It must stay
// where it is.
func (b *bid) make(ctx context.Context, text, name string, how *bidding, cmds []redis.Cmder) []redis.Cmder {
	b.args = [...]any{"set", lease(name), how.token, "px", how.life, how.mode}
	args := b.args[:]
	if how.mode == "" {
		args = args[:5]
	}
	b.set = *redis.NewStatusCmd(ctx, args...)
	cmds = append(cmds, &b.set)
	if how.who {
		b.holder = redis.NewStringCmd(ctx, "get", b.args[1])
		cmds = append(cmds, b.holder)
	}
	return b.ask(ctx, text, name, cmds)
}

func (m *remote) lease(ctx context.Context, texts []string, token string, how bidding) ([]found, error) {
	how.token, how.life = token, m.r.cfg.LeaseLife.Milliseconds()
	all := redisconn.DoEach(ctx, m.r.conn, m.reading(texts), func(ctx context.Context, at []int, c *redisconn.Cargo) ([]found, error) {
		bids := make([]bid, len(at))
		m.r.conn.ExecReads(ctx, 4*len(at), func(cmds []redis.Cmder) []redis.Cmder {
			for j, i := range at {
				cmds = bids[j].make(ctx, texts[i], m.ns.value(texts[i]), &how, cmds)
			}
			return cmds
		})
		all := make([]found, len(at))
		var came haul
		for j := range bids {
			came.add(&bids[j].look)
			if bids[j].judge(m, &all[j], token) {
				m.r.conn.Client.Del(ctx, lease(m.ns.value(bids[j].text))) // no lease of ours, and it need not ever end
			}
		}
		m.sizes.note(came, c)
		return all, worstFound(all)
	})
	return all, noneFound(all)
}

// judge is what the replies to one bid say. It reports whether what stands in the lease's place is
// none.
func (b *bid) judge(m *remote, f *found, token string) (alien bool) {
	m.found(f, &b.look)
	err := b.set.Err()
	if f.err == nil && err != nil && !errors.Is(err, redis.Nil) {
		f.err = err
	}
	f.held = f.err == nil && err == nil
	if b.holder == nil {
		return false
	}
	holder, err := b.holder.Result()
	if holder == token && f.err == nil { // the pipeline may have been sent twice: then the lease is taken, by us
		f.held = true
	}
	if !f.held {
		f.holder = holder
	}
	return isWrongType(err) || err == nil && len(holder) != len(token) && !strings.HasPrefix(holder, backOffMark)
}

// onLeases runs a script for each lease, all with the same arguments.
func (m *remote) onLeases(ctx context.Context, s *script, texts []string, same ...any) error {
	_, err := m.run(ctx, calls{s, len(texts), func(i int) string { return texts[i] }, func(_ int, args []any) []any { return append(args, same...) }, nil})
	return err
}

// release gives leases back without a value.
func (m *remote) release(ctx context.Context, token string, texts []string) error {
	return m.onLeases(ctx, releaseScript, texts, token)
}

// backOffMark begins what stands in the place of a lease whose load failed.
const backOffMark = "!"

// BackOff puts, in the place of leases, marks that tell others that the load failed, where, and
// how.
func (m *remote) backOff(ctx context.Context, token string, marks []mark, life time.Duration) error {
	_, err := m.run(ctx, calls{backOffScript, len(marks), func(i int) string { return marks[i].text }, func(i int, args []any) []any {
		return append(args, token, backOffMark+m.r.channel.Node()+" "+marks[i].how, life.Milliseconds())
	}, nil})
	return err
}

// renew keeps leases while their load runs.
func (m *remote) renew(ctx context.Context, leases []claimed) error {
	life := m.r.cfg.LeaseLife.Milliseconds()
	_, err := m.run(ctx, calls{renewScript, len(leases), func(i int) string { return leases[i].text }, func(i int, args []any) []any {
		return append(args, leases[i].token, life)
	}, nil})
	return err
}
