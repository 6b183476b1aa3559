package backplane

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// missing is the commands that a server, or a proxy before it, was found not to know, or not to
// allow.
type missing struct {
	mu    sync.Mutex
	names []string
}

// errLacks is an error that waiting will not mend.
var errLacks = errors.New("a cache can't do without it")

// lacks notes, and logs once, that a command is missing, if that is what err says of it, and then
// says so itself.
func (ch *Channel) lacks(command string, err error) error {
	if err = redisconn.Quoted(err); !redisconn.UnknownCommand(err) {
		return err
	}
	ch.Missing.mu.Lock()
	defer ch.Missing.mu.Unlock()
	if !slices.Contains(ch.Missing.names, command) {
		ch.Missing.names = append(ch.Missing.names, command)
		ch.conn.Log.Warn("tiercache: Redis, or what stands before it, refuses a command: see docs/redis.md for what works without it",
			slog.String("command", command), slog.Any("error", err))
	}
	return fmt.Errorf("%s is refused: %w: %w", command, errLacks, err)
}

// All lists them.
func (m *missing) All() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.names, " ")
}

// evaluated notes what came of the first script.
func (ch *Channel) evaluated(err error) {
	if err = ch.lacks("EVAL", err); err == nil {
		ch.evaluates.Store(true)
	}
	if err == nil || errors.Is(err, errLacks) {
		ch.settle(err)
	}
}
