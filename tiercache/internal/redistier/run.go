package redistier

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// calls is n calls of one script on values and their leases. A reply of 0 is the error refused,
// where there is one.
type calls struct {
	*script
	n       int
	text    func(i int) string            // whose value it is
	args    func(i int, args []any) []any // appends its arguments
	refused error
}

// run makes calls in one round trip, where nothing is amiss. Scripts are never retried by go-redis:
// the first reply may have been lost, not the call.
func (m *Tier) run(ctx context.Context, s calls) ([]error, error) {
	return m.runKeys(ctx, s.script, s.n, func(i int, cmd []any) (keys int, _ []any) {
		value := m.Keys.Value(s.text(i))
		switch s.on {
		case onValue:
			return 1, s.args(i, append(cmd, value))
		case onLease:
			return 1, s.args(i, append(cmd, Lease(value)))
		default:
			return 2, s.args(i, append(cmd, value, Lease(value)))
		}
	}, s.refused)
}

// A call of a script is a command: its name, the script's name or text, the number of keys, the
// keys, the arguments.
const (
	commandKeys     = 2
	commandFirstKey = 3
	commandRoom     = 10 // for all of most calls
)

// runKeys is run on whatever keys, which call appends, and says how many they are, before the
// arguments. The first of them says on which shard the call is made. The second result is an error
// where nothing came of any call.
func (m *Tier) runKeys(ctx context.Context, s *script, n int, call func(i int, cmd []any) (keys int, _ []any), refused error) ([]error, error) {
	if n == 0 {
		return nil, nil
	}
	commands := make([][]any, n)
	for i := range commands {
		keys, cmd := call(i, append(make([]any, 0, commandRoom), "evalsha", s.sha, 0))
		cmd[commandKeys] = keys
		commands[i] = cmd
	}
	key := func(i int) string {
		key, _ := commands[i][commandFirstKey].(string)
		return key
	}
	op := redisconn.Keyed[error]{N: n, Key: key, Bound: m.timeout, Failed: func(err error) error { return err }}
	errs := redisconn.DoEach(ctx, m.conn, op, func(ctx context.Context, at []int, c *redisconn.Cargo) ([]error, error) {
		mine := make([][]any, len(at))
		for j, i := range at {
			mine[j] = commands[i]
			for _, arg := range commands[i][commandFirstKey:] {
				if record, ok := arg.([]byte); ok {
					c.Add(int64(len(record)))
				}
			}
		}
		errs := m.evaluate(ctx, s, mine, refused)
		if len(s.apart) > 0 && slices.ContainsFunc(errs, isOpenSlot) {
			m.evaluateApart(ctx, s, mine, errs, refused)
		}
		return errs, worst(errs)
	})
	return errs, allFailed(errs)
}

// evaluate sends commands that call one script, and once more, with the script's text, those of
// which the server doesn't know it.
func (m *Tier) evaluate(ctx context.Context, s *script, commands [][]any, refused error) []error {
	errs := make([]error, len(commands))
	todo := redisconn.FirstInts(len(commands))
	for _, known := range []bool{true, false} {
		replies := make([]redis.Cmd, len(todo))
		cmds := make([]redis.Cmder, len(todo))
		for k, j := range todo {
			cmd := commands[j]
			if !known {
				cmd = append([]any{"eval", s.source}, cmd[commandKeys:]...)
			}
			replies[k] = *redis.NewCmd(ctx, cmd...)
			cmds[k] = redisconn.OnceScript{Cmd: &replies[k]}
		}
		_ = m.conn.Exec(ctx, cmds)
		unknown := todo[:0:0]
		for k, j := range todo {
			if errs[j] = verdict(&replies[k], refused); errors.Is(errs[j], errNoScript) {
				unknown = append(unknown, j)
			}
		}
		if todo = unknown; len(todo) == 0 {
			break
		}
	}
	return errs
}

// evaluateApart does step by step what the script was refused to do, as its slot is open. A step
// that fails is the last one of its call.
func (m *Tier) evaluateApart(ctx context.Context, s *script, commands [][]any, errs []error, refused error) {
	for n, step := range s.apart {
		var some [][]any
		var at []int
		for j, cmd := range commands {
			keys, _ := cmd[commandKeys].(int)
			if n == 0 && !isOpenSlot(errs[j]) || n > 0 && errs[j] != errStep { //nolint:errorlint // the very one
				continue
			}
			one := append(make([]any, 0, commandRoom), "evalsha", step.sha, 1, cmd[commandFirstKey+step.key])
			some, at = append(some, append(one, cmd[commandFirstKey+keys:]...)), append(at, j)
		}
		for k, err := range m.evaluate(ctx, step.script, some, refused) {
			if errs[at[k]] = err; err == nil && n+1 < len(s.apart) {
				errs[at[k]] = errStep
			}
		}
	}
}

// errStep is between two steps.
var errStep = errors.New("redis: a step is to follow")

// isOpenSlot reports whether the keys of one script were on two masters of a Cluster, or on none
// yet.
func isOpenSlot(err error) bool { return err != nil && redis.HasErrorPrefix(err, "TRYAGAIN") }

// worst is what the errors of one shard's keys say about the shard: the first that says that it is
// not there, or else any.
func worst(errs []error) (err error) {
	for _, e := range errs {
		switch {
		case e == nil:
		case redisconn.IsAway(e) || redisconn.IsTransport(e):
			return e
		case redisconn.IsReply(e):
			err = e
		}
	}
	return err
}

// allFailed is an error where Redis has answered for none of the keys.
func allFailed(errs []error) error {
	for _, e := range errs {
		if e == nil || redisconn.IsReply(e) || errors.Is(e, ErrFull) || errors.Is(e, ErrLate) || errors.Is(e, ErrRefused) || errors.Is(e, ErrLeaseLost) || errors.Is(e, ErrStandsYounger) || errors.Is(e, record.ErrTooLarge) {
			return nil
		}
	}
	return errs[0]
}

// errNoScript says that the server does not know the script; with its text in hand, it has no
// excuse.
var errNoScript = errors.New("redis: it does not know the script")

// verdict is what a script's reply means: 1 is done, 2 is ErrFull, 3 is ErrLate, 0 is the error
// refused, where there is one, and less is ErrRefused.
func verdict(cmd *redis.Cmd, refused error) error {
	err := cmd.Err()
	switch stored, _ := cmd.Val().(int64); {
	case redis.HasErrorPrefix(err, "NOSCRIPT"):
		return errNoScript
	case err != nil && !errors.Is(err, redis.Nil):
		return err
	case stored == 0:
		return refused
	case stored == 2:
		return ErrFull
	case stored == 3:
		return ErrLate
	case stored < 0:
		return ErrRefused
	default:
		return nil
	}
}
