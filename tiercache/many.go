package tiercache

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/warmcache/warmcache/tiercache/internal/memory"
)

// GetMany returns the values of the keys that have one. It reads Redis in one round trip, joins
// loads under way, and calls LoadMany once for the rest (in chunks of 500). A key that is not found
// is missing from the map, without an error. An error joins what went wrong for some of the keys;
// the map then still holds all the others.
func (c *Cache[K, V]) GetMany(ctx context.Context, keys []K) (map[K]V, error) {
	if c.closed.Load() {
		return nil, ErrClosed
	}
	out := make(map[K]V, len(keys))
	var failed failures
	var again []K
	for _, w := range c.boardMany(ctx, keys, out, &failed) {
		switch e, err := c.collect(ctx, w); {
		case err == nil:
			out[w.flight.key] = e.Value
		case errors.Is(err, errOvertaken):
			again = append(again, w.flight.key)
		case !errors.Is(err, ErrNotFound):
			failed.add(c.naming(w.flight.key, err))
		}
	}
	if len(again) > 0 {
		more, err := c.GetMany(ctx, again)
		maps.Copy(out, more)
		if err != nil {
			failed.add(err)
		}
	}
	return out, failed.join(c.name, len(keys))
}

// roomAtOnce is for how many flights room is made at once.
const roomAtOnce = 128

// boardMany answers what memory can, and boards flights for the rest. Those that it leads are
// started together, whatever happens.
func (c *loads[K, V]) boardMany(ctx context.Context, keys []K, out map[K]V, failed *failures) (all []waited[K, V]) {
	soft := c.softDeadline()
	var mine batch[K, V]
	defer func() {
		if len(mine.flights) > 0 {
			c.start(ctx, mine.flights, patienceOf(ctx, soft))
		}
	}()
	var together *lead // LoadMany loads them as one; else each is a load of its own
	if c.cfg.LoadMany != nil {
		together = &lead{parent: leadOf(ctx), loads: &mine}
	}
	var room []flight[K, V] // for the next flights
	var seen map[K]struct{}
	for i, key := range keys {
		hash, it, over := c.recall(ctx, key, out, failed)
		if over {
			continue
		}
		left := min(len(keys)-i, roomAtOnce)
		if seen == nil {
			seen, all = make(map[K]struct{}, left), make([]waited[K, V], 0, left)
		}
		if _, again := seen[key]; again {
			continue
		}
		seen[key] = struct{}{}
		if len(room) == 0 {
			room = make([]flight[K, V], left)
		}
		f := &room[0]
		room = room[1:]
		c.prepare(f, hash, key, it)
		f.lead = together
		since := f.seen.Count
		f, leads, err := c.board(ctx, f)
		if err != nil {
			failed.add(err)
			continue
		}
		all = append(all, waited[K, V]{f, it, since, soft})
		if leads {
			mine.flights = append(mine.flights, f)
		}
	}
	return all
}

// naming is the error of one of many keys, with the key where Clone has panicked: all others name
// theirs.
func (c *loads[K, V]) naming(key K, err error) error {
	if _, bare := err.(*PanicError); !bare { //nolint:errorlint // what wraps one names the key
		return err
	}
	return fmt.Errorf("tiercache: cache %q: get %q: %w", c.name, fmt.Sprint(key), err)
}

// recall answers one key of many from memory, or where there is nobody else to ask. over says that
// there is nothing left to do about it.
func (c *loads[K, V]) recall(ctx context.Context, key K, out map[K]V, failed *failures) (hash uint64, it *memory.Item[V], over bool) {
	hash, err := c.hashOf(key)
	if err != nil {
		failed.add(err)
		return 0, nil, true
	}
	if it = c.memory.Touch(hash, key); it != nil {
		var e Entry[V]
		if e, over, err = c.remembered(ctx, hash, key, it, asking[V]{}); over && err == nil {
			out[key] = e.Value
		}
	}
	if !over && c.nobodyKnows(hash, asking[V]{}) {
		over, err = true, c.unknown(ctx, hash, key)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		failed.add(c.naming(key, err))
	}
	return hash, it, over
}

// failures collects the errors of single keys, the first few of them whole.
type failures struct {
	n     int
	first []error
}

const failuresKept = 8

func (f *failures) add(err error) {
	if f.n++; len(f.first) < failuresKept {
		f.first = append(f.first, err)
	}
}

func (f *failures) join(cache string, keys int) error {
	switch {
	case f.n == 0:
		return nil
	case f.n <= failuresKept:
		return errors.Join(f.first...)
	default:
		return fmt.Errorf("tiercache: cache %q: %d of %d keys failed, the first %d of them: %w", cache, f.n, keys, failuresKept, errors.Join(f.first...))
	}
}
