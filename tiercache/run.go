package tiercache

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// run runs one script for n keys in one round trip, and again, with its text, for those to which the server said that it doesn't know it. A reply
// of 0 is the error refused, where there is one. Scripts are never retried by go-redis: the first reply may have been lost, not the call.
func (m *remote) run(ctx context.Context, s *script, n int, call func(int) (string, []any), refused error) ([]error, error) {
	return m.runKeys(ctx, s, n, func(i int) ([]any, []any) {
		text, args := call(i)
		key := m.ns.value(text)
		return []any{key, lease(key)}, args
	}, refused)
}

// runKeys is run on whatever keys, of which the first of each call says on which shard it is. The second result is an error where nothing came of any call.
func (m *remote) runKeys(ctx context.Context, s *script, n int, call func(int) (keys, args []any), refused error) ([]error, error) {
	if n == 0 {
		return nil, nil
	}
	const before = 3 // the command's name, the script's name or text, the number of keys
	calls := make([][]any, n)
	for i := range calls {
		keys, args := call(i)
		calls[i] = append(append(append(make([]any, 0, before+len(keys)+len(args)), "evalsha", s.sha, len(keys)), keys...), args...)
	}
	key := func(i int) string {
		key, _ := calls[i][before].(string)
		return key
	}
	op := keyed[error]{n, key, m.r.cfg.Timeout, func(err error) error { return err }}
	errs := doEach(ctx, m.r, op, func(ctx context.Context, at []int) ([]error, error) {
		errs := make([]error, len(at))
		todo := firstInts(len(at))
		for _, known := range []bool{true, false} {
			pipe := m.r.client.Pipeline()
			cmds := make([]*redis.Cmd, len(todo))
			for k, j := range todo {
				cmd := calls[at[j]]
				if !known {
					cmd = append([]any{"eval", s.source}, cmd[2:]...)
				}
				cmds[k] = redis.NewCmd(ctx, cmd...)
				_ = pipe.Process(ctx, onceScript{cmds[k]})
			}
			_, _ = pipe.Exec(ctx) // each command has its own error
			unknown := todo[:0:0]
			for k, j := range todo {
				if errs[j] = verdict(cmds[k], refused); errors.Is(errs[j], errNoScript) {
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
		if e == nil || isReply(e) || errors.Is(e, errFull) || errors.Is(e, errRefused) || errors.Is(e, errLeaseLost) || errors.Is(e, errStandsYounger) {
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
