package redistier

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// Acquire asks for the leases of many keys and looks the keys up again behind that: what a leader
// committed before its lease went is seen.
func (m *Tier) Acquire(ctx context.Context, texts []string, token string) ([]Found, error) {
	return m.lease(ctx, texts, token, bidding{mode: "NX", who: true})
}

// Claim is acquire that does not ask who holds a lease that it doesn't get.
func (m *Tier) Claim(ctx context.Context, texts []string, token string) ([]Found, error) {
	return m.lease(ctx, texts, token, bidding{mode: "NX"})
}

// Take takes leases from their holders, if these still are: marks of loads that failed, or loads
// whose commits are refused then.
func (m *Tier) Take(ctx context.Context, token string, texts, holders []string) ([]error, error) {
	life := m.leaseLife.Milliseconds()
	return m.run(ctx, calls{takeScript, len(texts), func(i int) string { return texts[i] }, func(i int, args []any) []any {
		return append(args, holders[i], token, life)
	}, ErrLeaseLost})
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
	Look
	args   [6]any // of SET
	set    redis.StatusCmd
	holder *redis.StringCmd // nil: nobody asks
}

// make prepares the bid for a key by its text and the name of its value in Redis. It must stay
// where it is.
func (b *bid) make(ctx context.Context, text, name string, how *bidding, cmds []redis.Cmder) []redis.Cmder {
	b.args = [...]any{"set", Lease(name), how.token, "px", how.life, how.mode}
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
	return b.Ask(ctx, text, name, cmds)
}

func (m *Tier) lease(ctx context.Context, texts []string, token string, how bidding) ([]Found, error) {
	how.token, how.life = token, m.leaseLife.Milliseconds()
	all := redisconn.DoEach(ctx, m.conn, m.reading(texts), func(ctx context.Context, at []int, c *redisconn.Cargo) ([]Found, error) {
		bids := make([]bid, len(at))
		m.conn.ExecReads(ctx, 4*len(at), func(cmds []redis.Cmder) []redis.Cmder {
			for j, i := range at {
				cmds = bids[j].make(ctx, texts[i], m.Keys.Value(texts[i]), &how, cmds)
			}
			return cmds
		})
		all := make([]Found, len(at))
		var came haul
		for j := range bids {
			came.add(&bids[j].Look)
			if bids[j].judge(m, &all[j], token) {
				m.conn.Client.Del(ctx, Lease(m.Keys.Value(bids[j].text))) // no lease of ours, and it need not ever end
			}
		}
		m.sizes.note(came, c)
		return all, worstFound(all)
	})
	return all, noneFound(all)
}

// judge is what the replies to one bid say. It reports whether what stands in the lease's place is
// none.
func (b *bid) judge(m *Tier, f *Found, token string) (alien bool) {
	m.found(f, &b.Look)
	err := b.set.Err()
	if f.Err == nil && err != nil && !errors.Is(err, redis.Nil) {
		f.Err = err
	}
	f.Held = f.Err == nil && err == nil
	if b.holder == nil {
		return false
	}
	holder, err := b.holder.Result()
	if holder == token && f.Err == nil { // the pipeline may have been sent twice: then the lease is taken, by us
		f.Held = true
	}
	if !f.Held {
		f.Holder = holder
	}
	return IsWrongType(err) || err == nil && len(holder) != len(token) && !strings.HasPrefix(holder, BackOffMark)
}

// onLeases runs a script for each lease, all with the same arguments.
func (m *Tier) onLeases(ctx context.Context, s *script, texts []string, same ...any) error {
	_, err := m.run(ctx, calls{s, len(texts), func(i int) string { return texts[i] }, func(_ int, args []any) []any { return append(args, same...) }, nil})
	return err
}

// Release gives leases back without a value.
func (m *Tier) Release(ctx context.Context, token string, texts []string) error {
	return m.onLeases(ctx, releaseScript, texts, token)
}

// BackOffMark begins what stands in the place of a lease whose load failed.
const BackOffMark = "!"

// BackOff puts, in the place of leases, marks that tell others that the load failed, where, and
// how.
func (m *Tier) BackOff(ctx context.Context, token string, marks []Mark, life time.Duration) error {
	_, err := m.run(ctx, calls{backOffScript, len(marks), func(i int) string { return marks[i].Text }, func(i int, args []any) []any {
		return append(args, token, BackOffMark+m.channel.Node()+" "+marks[i].How, life.Milliseconds())
	}, nil})
	return err
}

// Renew keeps leases while their load runs.
func (m *Tier) Renew(ctx context.Context, leases []Claimed) error {
	life := m.leaseLife.Milliseconds()
	_, err := m.run(ctx, calls{renewScript, len(leases), func(i int) string { return leases[i].Text }, func(i int, args []any) []any {
		return append(args, leases[i].Token, life)
	}, nil})
	return err
}

// Mark says of a key how its load failed.
type Mark struct{ Text, How string }

// Claimed is a key whose lease is held under the token.
type Claimed struct{ Text, Token string }
