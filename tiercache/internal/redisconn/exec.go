package redisconn

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// ExecReads is exec of n reads at most, which fill appends, and once more where the connection was
// cut. go-redis itself is not to repeat it: its own retries take what time there is.
func (c *Conn) ExecReads(ctx context.Context, n int, fill func([]redis.Cmder) []redis.Cmder) {
	for try := 0; ; try++ {
		if err := c.Exec(ctx, fill(make([]redis.Cmder, 0, n))); !isCut(err) || try > 0 || ctx.Err() != nil {
			return
		}
	}
}

// Exec sends commands in one round trip. Each has its own error; the one that is returned is
// whichever came first.
func (c *Conn) Exec(ctx context.Context, cmds []redis.Cmder) error {
	if len(cmds) == 1 && cmds[0].NoRetry() { // a single script costs less without a pipeline
		err := Quoted(c.Client.Process(ctx, cmds[0]))
		cmds[0].SetErr(err)
		return err
	}
	pipe := c.Client.Pipeline()
	_ = pipe.BatchProcess(ctx, cmds...)
	_, err := pipe.Exec(ctx)
	if err != nil {
		for _, cmd := range cmds {
			cmd.SetErr(Quoted(cmd.Err()))
		}
	}
	return Quoted(err)
}

// Once is a command that go-redis must not send twice, whatever MaxRetries says; nor any other of
// its pipeline.
type Once struct{ redis.Cmder }

// NoRetry is go-redis's own question.
func (Once) NoRetry() bool { return true }

// Two kinds of command are frequent. These are Once for them, without an allocation.
type (
	// OncePTTL is Once for PTTL.
	OncePTTL struct{ *redis.DurationCmd }
	// OnceScript is Once for a call of a script.
	OnceScript struct{ *redis.Cmd }
)

// NoRetry is go-redis's own question.
func (OncePTTL) NoRetry() bool { return true }

// NoRetry is go-redis's own question.
func (OnceScript) NoRetry() bool { return true }
