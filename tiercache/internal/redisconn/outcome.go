package redisconn

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// Outcome is what an operation says about Redis.
type Outcome uint8

// The outcomes.
const (
	Answered   Outcome = iota // in time, with a value or with an error of its own, such as WRONGTYPE
	unanswered                // not, or too late
	declined                  // with an error that says "not now": it need not be asked again to be sure
	neutral                   // given up by its caller before that
)

// slowShare is the part of its bound that an operation may take: one that takes longer counts as a
// failure, even if it succeeds or its caller gave it up. A Redis that answers every time, but late,
// is worth no more than one that doesn't.
const slowShare = 2

// Judge says what an operation's error, and the time it took, mean for Redis.
func Judge(ctx context.Context, err error, took, bound time.Duration) Outcome {
	switch {
	case err == nil && took < bound/slowShare:
		return Answered
	case IsAway(err):
		return declined
	case IsTransport(err) && ctx.Err() == nil:
		return unanswered
	case took >= bound/slowShare && !isOwn(err):
		return unanswered
	case err == nil, IsReply(err):
		return Answered
	default: // fn's own, or the caller gave up
		return neutral
	}
}

// Cargo is the bytes of values that an operation carried. What a large one takes says less about
// Redis than what a small one does. The nil cargo is none.
type Cargo struct{ atomic.Int64 }

// leastSpeed is bytes a second at which a large operation is not to be called slow.
const leastSpeed = 16 << 20

// judge is judge less the time that the cargo is good for. One that was cut off while it came at a
// good speed says nothing.
func (c *Cargo) judge(ctx context.Context, err error, took, bound time.Duration) Outcome {
	if c == nil || c.Load() == 0 {
		return Judge(ctx, err, took, bound)
	}
	good := time.Duration(c.Load()) * time.Second / leastSpeed
	how := Judge(ctx, err, max(0, took-good), bound)
	if how == unanswered && errors.Is(err, ErrNoAnswer) && good >= took/slowShare {
		return neutral
	}
	return how
}

// isOwn says that an error is of the operation's own making: the time that it took says nothing
// about Redis.
func isOwn(err error) bool {
	return err != nil && !IsReply(err) && !IsTransport(err) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// IsAway reports whether the server answered that it can't serve anybody now: a replica that was a
// master, one that loads its data, a shard without a majority. To ask it again and again would be a
// storm of retries.
func IsAway(err error) bool {
	return errors.Is(err, ErrReplica) || errors.Is(err, ErrClusterNode) || err != nil && slices.ContainsFunc([]string{"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "BUSY ", "NOAUTH", "WRONGPASS"},
		func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
}

// IsTransport reports whether err is about the way to Redis, and not fn's own.
func IsTransport(err error) bool {
	if err == nil {
		return false
	}
	var network net.Error // deadlines are among them
	return errors.Is(err, ErrNoAnswer) || errors.Is(err, ErrBusy) || errors.Is(err, ErrNoMasters) || errors.As(err, &network) || isCut(err) ||
		errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) || errors.Is(err, redis.ErrClosed)
}

// isCut reports whether a connection ended in the middle of an operation, as all do when a server
// is restarted.
func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// IsReply reports whether the server has answered, with an error.
func IsReply(err error) bool {
	if err == nil {
		return false
	}
	var reply redis.Error
	return errors.As(err, &reply)
}
