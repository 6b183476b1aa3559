package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache"
)

// Ledger is that of one task. Its keys have one hash tag, so that in a Cluster they are in one
// slot, and every script touches that slot alone:
//
//	{warm:cache:task:format}          hash: the last pass that is complete, its pass (a token), slot, began, chunks, items
//	{warm:cache:task:format}:lock     the token of the pass that goes on; or "!" after one that failed, for as long as everybody is to wait
//	{warm:cache:task:format}:failed   how many have failed in a row
//	{warm:cache:task:format}:keys:T   hash: the manifest of pass T, in chunks
//
// Tokens are random and not counted: what was lost with an evicted key or a flushed server then
// reads as "another pass", never as "mine". Every script knows its own token again, so that one
// whose reply was lost may be sent twice, by us or by go-redis.
type Ledger struct {
	redis *tiercache.Redis
	key   string
	life  time.Duration // of the lock
}

// New returns the ledger at a key. A lock that is not renewed ends after its life.
func New(r *tiercache.Redis, key string, life time.Duration) *Ledger {
	return &Ledger{redis: r, key: key, life: life}
}

// Key is where a task's ledger is. Nodes that read each other's records share one.
func Key(prefix, cache, task, format string) string {
	return fmt.Sprintf("%s{warm:%s:%s:%s}", prefix, cache, task, format)
}

// Life is how long the lock lives without being renewed.
func (l *Ledger) Life() time.Duration { return l.life }

// The errors of what only the lock's holder may do.
var (
	ErrLockLost = errors.New("another node has taken over: this one's lock was lost")
	ErrFull     = errors.New("warm: ledger: Redis has no room for the manifest")
)

// held runs a script that only the lock's holder may run. Its error is ErrLockLost for anybody
// else, ErrFull where the script says 2, or Redis's.
func (l *Ledger) held(ctx context.Context, s *redis.Script, keys []string, args ...any) error {
	reply, err := l.run(ctx, s, keys, args...)
	switch {
	case err != nil:
		return err
	case number(reply) == 1:
		return nil
	case number(reply) == 2:
		return ErrFull
	default:
		return ErrLockLost
	}
}

func (l *Ledger) run(ctx context.Context, s *redis.Script, keys []string, args ...any) (any, error) {
	reply, err := do(ctx, l, func(ctx context.Context, client redis.UniversalClient) (any, error) {
		return s.Run(ctx, client, keys, args...).Result()
	})
	if err != nil {
		return nil, fmt.Errorf("warm: ledger: %w", err)
	}
	return reply, nil
}

// do asks the server of the ledger's key. The answer comes over a channel, as ask may outlive
// DoFor.
func do[T any](ctx context.Context, l *Ledger, ask func(context.Context, redis.UniversalClient) (T, error)) (answer T, err error) {
	got := make(chan T, 1)
	err = l.redis.DoFor(ctx, l.key, func(ctx context.Context, client redis.UniversalClient) error {
		answer, err := ask(ctx, client)
		if err == nil {
			got <- answer
		}
		return err
	})
	if err != nil {
		return answer, err //nolint:wrapcheck // its caller says what was asked
	}
	return <-got, nil
}

func number(reply any) int64 {
	switch n := reply.(type) {
	case int64:
		return n
	case string:
		i, _ := strconv.ParseInt(n, 10, 64) // what is no number is none of the answers
		return i
	default:
		return -1
	}
}

func (l *Ledger) lock() string                { return l.key + ":lock" }
func (l *Ledger) failed() string              { return l.key + ":failed" }
func (l *Ledger) manifest(pass string) string { return l.key + ":keys:" + pass }
