package main

import (
	"context"
	"net"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ownLeases gives a node leases that no other node sees, by another name for them in each command.
type ownLeases int

func (o ownLeases) rename(cmds ...redis.Cmder) {
	for _, cmd := range cmds {
		args := cmd.Args()
		for i, arg := range args {
			if text, ok := arg.(string); ok && strings.HasSuffix(text, "}:lease") {
				args[i] = text + strconv.Itoa(int(o))
			}
		}
	}
}

// DialHook changes nothing.
func (ownLeases) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook renames leases.
func (o ownLeases) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		o.rename(cmd)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook renames leases.
func (o ownLeases) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		o.rename(cmds...)
		return next(ctx, cmds)
	}
}
