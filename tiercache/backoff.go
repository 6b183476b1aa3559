package tiercache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/redistier"
)

// A load that fails and fails again when it is tried once more binds the node that it fails on: its
// reads of the key ask nobody until backOffLife is over. One failure binds nobody, as an error is
// no value and is not cached. What is wrong may be that node alone, so the others are not bound by
// it: a mark in the lease's place tells those who have something stale to serve that; who has
// nothing takes the mark's place, tries, and is bound in turn. A source that is down is asked for a
// key once a node and backOffLife, by one node at a time.

// backOffLife is short: a source that is back is to be noticed.
const backOffLife = 200 * time.Millisecond

// errBackOff is the answer where a load has just failed.
var errBackOff = errors.New("a load of it failed a moment ago")

// failedElsewhere is what a mark says.
func failedElsewhere(mark string) error {
	node, how, _ := strings.Cut(mark, " ")
	if how == "" {
		how = "error"
	}
	return fmt.Errorf("%w: %s on node %s", errBackOff, how, node)
}

// howFailed is what other nodes may know of a load's error, which may hold secrets: its kind.
func howFailed(err error) string {
	var panicked *PanicError
	switch {
	case errors.As(err, &panicked):
		return "panic"
	case errors.Is(err, ErrGoexit):
		return "exit"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	default:
		return "error"
	}
}

// backOffs is the keys, by their text, of which loads have just failed in this process. The zero
// value is ready.
type backOffs struct {
	mu    sync.Mutex
	until int64 // then all of them are forgotten
	keys  map[string]failedLoad
}

type failedLoad struct {
	at  int64
	row int // how many have failed in a row
	err error
}

const (
	// bindingRow is how many failures in a row bind a node.
	bindingRow = 2
	// rowLife is for how long a failure counts as the one before the next.
	rowLife = 3 * backOffLife
	// mostBackOffs bounds the memory that failures take. What is beyond is not bound.
	mostBackOffs = 1 << 14
)

// fail notes that a load has failed.
func (b *backOffs) fail(text string, now int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now >= b.until || b.keys == nil {
		b.keys = make(map[string]failedLoad)
	}
	b.until = now + int64(rowLife)
	before, known := b.keys[text]
	if before.at+int64(rowLife) <= now {
		before.row = 0
	}
	if known || len(b.keys) < mostBackOffs {
		b.keys[text] = failedLoad{now, before.row + 1, err}
	}
}

// succeed ends the row of a key's failures.
func (b *backOffs) succeed(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.keys, text)
}

// binding is the failure that binds reads of the key now, or nil.
func (b *backOffs) binding(text string, now int64) *failedLoad {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now >= b.until {
		b.keys = nil
		return nil
	}
	if failed := b.keys[text]; failed.row >= bindingRow && now < failed.at+int64(backOffLife) {
		return &failed
	}
	return nil
}

// bound ends a flight whose key's loads have just failed here. A refresh is never bound: it was
// asked for.
func (l *loading[K, V]) bound(f *flight[K, V]) bool {
	if f.force {
		return false
	}
	now := l.c.memory.Clock.Now()
	failed := l.c.backOffs.binding(f.text, now)
	if failed == nil {
		return false
	}
	ago := time.Duration(now - failed.at).Round(time.Millisecond)
	l.c.end(f, nil, 0, l.c.loadError(f.key, fmt.Errorf("%w, %v ago on this node: %w", errBackOff, ago, failed.err)))
	return true
}

// BackOff gives the leases of failed loads back, but leaves marks in their place.
func (l *loading[K, V]) backOff(ctx context.Context, failed []*landing[K, V]) {
	now := l.c.memory.Clock.Now()
	for _, a := range failed {
		l.c.backOffs.fail(a.f.text, now, a.err)
	}
	for batch := range slices.Chunk(failed, redistier.BatchKeys) {
		if err := l.c.remote.BackOff(ctx, l.token, marks(batch), backOffLife); err != nil {
			l.c.redisFailed(err, len(batch))
		}
	}
}

func marks[K comparable, V any](failed []*landing[K, V]) []redistier.Mark {
	all := make([]redistier.Mark, len(failed))
	for i, a := range failed {
		all[i] = redistier.Mark{Text: a.f.text, How: howFailed(a.err)}
	}
	return all
}
