package tiercache

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/warmcache/warmcache/tiercache/internal/backplane"
	"github.com/warmcache/warmcache/tiercache/internal/record"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
	"github.com/warmcache/warmcache/tiercache/internal/redistier"
	"github.com/warmcache/warmcache/tiercache/internal/stat"
)

// A warm write that an invalidation has overtaken is refused by the hold that the invalidation left
// in Redis. But a hold may have been evicted, and a look at the generations beforehand is no fence
// for a process that freezes between the look and the write. So each batch stays unconfirmed until
// an own heartbeat that was sent after it has come back, and after that a digest of every living
// node that leaves no notice missing: then what was said before the write has been heard. If it
// concerned one of the batch's keys, or if notices were missed, the entries are taken back.
//
// A subscription that was cut is no reason to take anything back: the numbers tell whether anything
// was said meanwhile (gap.go). A loss is one, and counts from the beginning of the run, not from
// the write: what was missed before the write is just what may have ended the key since its source
// was read. What stands in Redis is no answer either: a hold that stood before the write may have
// been evicted, refused by a full server, or replaced by a short-lived record that has expired
// since.
type unconfirmed struct {
	at     int64  // when Redis had answered
	losses uint64 // of the channel, when the run began
	gens   []uint64
	keys   []unconfirmedKey
	back   *takenBackOf
}

// takenBackOf counts what was taken back of one run, also when that has ended.
type takenBackOf struct {
	mu   sync.Mutex
	n    int
	over bool
	hear func(n int) // WarmOptions.TakenBack
}

func (t *takenBackOf) add(n int) {
	t.mu.Lock()
	t.n += n
	late := t.over
	t.mu.Unlock()
	if late && n > 0 && t.hear != nil {
		t.hear(n)
	}
}

// end is the count at the end of the run: what follows is heard by WarmOptions.TakenBack.
func (t *takenBackOf) end() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	return t.n
}

type unconfirmedKey struct {
	text string
	hash uint64
	id   uint64
}

// awaitConfirmation notes what a warm run has just stored in Redis.
func (c *store[K, V]) awaitConfirmation(u unconfirmed) {
	c.unconfirmedMu.Lock()
	defer c.unconfirmedMu.Unlock()
	c.unconfirmed = append(c.unconfirmed, u)
}

// confirm settles the batches of which it is known what was said before them; settled is the moment
// up to which all has been heard.
func (c *store[K, V]) confirm(settled, now int64) {
	c.unconfirmedMu.Lock()
	var due []unconfirmed
	rest := c.unconfirmed[:0]
	for _, u := range c.unconfirmed {
		missed := u.losses != c.redis.channel.Losses.Load()
		if missed || u.at < settled || now-u.at > int64(c.redis.cfg.HoldLife) {
			due = append(due, u)
		} else {
			rest = append(rest, u)
		}
	}
	c.unconfirmed = rest
	c.unconfirmedMu.Unlock()
	if len(due) > 0 {
		c.background(func(ctx context.Context) {
			for i := range due {
				c.takeBack(ctx, &due[i], settled)
			}
		})
	}
}

// takeBack ends those entries of a batch that an invalidation may have overtaken.
func (c *store[K, V]) takeBack(ctx context.Context, u *unconfirmed, settled int64) {
	heard := u.losses == c.redis.channel.Losses.Load() && u.at < settled
	var ended []unconfirmedKey
	doubtful := 0
	for _, k := range u.keys {
		known := !c.memory.Unmoved(k.hash, u.gens)
		if !known && !heard {
			doubtful++
		}
		if known || !heard {
			ended = append(ended, k)
		}
	}
	c.disown(ctx, ended)
	c.noteTakenBack(u.back, doubtful)
}

// noteTakenBack tells whose run it was. That runs a callback of the user, which may panic.
func (c *store[K, V]) noteTakenBack(back *takenBackOf, n int) {
	var err error
	defer func() {
		if err != nil {
			c.log.Error("WarmOptions.TakenBack failed", slog.Any("error", err))
		}
	}()
	defer c.recovered(&err)
	back.add(n)
}

// mayStand reports whether a warm write that failed may stand in Redis all the same, or may yet
// arrive: what this process never sent does not.
func mayStand(err error) bool {
	for _, unsent := range []error{redisconn.ErrBreakerOpen, redistier.ErrTakeover, redisconn.ErrBusy, redisconn.ErrNoMasters, record.ErrTooLarge} {
		if errors.Is(err, unsent) {
			return false
		}
	}
	return true
}

// disown ends entries that warm runs of this node wrote, as far as they still stand, everywhere. It
// is no invalidation: what others have stored there since stays, and this node believes it. The
// undertakings hear only of what fails, so that it is said again.
func (c *store[K, V]) disown(ctx context.Context, keys []unconfirmedKey) {
	if len(keys) == 0 {
		return
	}
	notices := make([]backplane.Notice, len(keys))
	for i, k := range keys {
		notices[i] = c.redis.channel.Next(backplane.KindKey, c.name, k.text)
		notices[i].Own = k.id
	}
	c.tell(ctx, notices)
	c.counters.Add(notices[0].Number, stat.TakenBack, uint64(len(notices)))
}
