package tiercache

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// calls is n calls of one script on values and their leases. A reply of 0 is the error refused, where there is one.
type calls struct {
	*script
	n       int
	text    func(i int) string            // whose value it is
	args    func(i int, args []any) []any // appends its arguments
	refused error
}

// run makes calls in one round trip, and again, with the script's text, those to which the server said that it doesn't know it. Scripts are never retried by go-redis: the first
// reply may have been lost, not the call.
func (m *remote) run(ctx context.Context, s calls) ([]error, error) {
	return m.runKeys(ctx, s.script, s.n, func(i int, cmd []any) (keys int, _ []any) {
		value := m.ns.value(s.text(i))
		return 2, s.args(i, append(cmd, value, lease(value)))
	}, s.refused)
}

// A call of a script is a command: its name, the script's name or text, the number of keys, the keys, the arguments.
const (
	commandKeys     = 2
	commandFirstKey = 3
	commandRoom     = 10 // for all of most calls
)

// runKeys is run on whatever keys, which call appends, and says how many they are, before the arguments. The first of them says on which shard the call is made. The second
// result is an error where nothing came of any call.
func (m *remote) runKeys(ctx context.Context, s *script, n int, call func(i int, cmd []any) (keys int, _ []any), refused error) ([]error, error) {
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
	op := keyed[error]{n, key, m.r.cfg.Timeout, func(err error) error { return err }}
	errs := doEach(ctx, m.r, op, func(ctx context.Context, at []int) ([]error, error) {
		errs := make([]error, len(at))
		todo := firstInts(len(at))
		for _, known := range []bool{true, false} {
			replies := make([]redis.Cmd, len(todo))
			cmds := make([]redis.Cmder, len(todo))
			for k, j := range todo {
				cmd := commands[at[j]]
				if !known {
					cmd = append([]any{"eval", s.source}, cmd[commandKeys:]...)
				}
				replies[k] = *redis.NewCmd(ctx, cmd...)
				cmds[k] = onceScript{&replies[k]}
			}
			_ = m.r.exec(ctx, cmds)
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
		return errs, worst(errs)
	})
	return errs, allFailed(errs)
}

// worst is what the errors of one shard's keys say about the shard: the first that says that it is not there, or else any.
func worst(errs []error) (err error) {
	for _, e := range errs {
		switch {
		case e == nil:
		case isAway(e) || isTransport(e):
			return e
		case isReply(e):
			err = e
		}
	}
	return err
}

// allFailed is an error where Redis has answered for none of the keys.
func allFailed(errs []error) error {
	for _, e := range errs {
		if e == nil || isReply(e) || errors.Is(e, errFull) || errors.Is(e, errRefused) || errors.Is(e, errLeaseLost) || errors.Is(e, errStandsYounger) || errors.Is(e, errTooLarge) {
			return nil
		}
	}
	return errs[0]
}

// errNoScript says that the server does not know the script; with its text in hand, it has no excuse.
var errNoScript = errors.New("redis: it does not know the script")

// verdict is what a script's reply means: 1 is done, 2 is errFull, 0 is the error refused, where there is one, and less is errRefused.
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
		return errFull
	case stored < 0:
		return errRefused
	default:
		return nil
	}
}
