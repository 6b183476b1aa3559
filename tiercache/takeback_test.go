package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// emitting is a loader of n keys, all of one value.
func emitting(name string, n int, value string) tiercache.Loader[string, string] {
	return tiercache.Loader[string, string]{Name: name, Load: func(_ context.Context, emit func(string, string) error) (err error) {
		for i := range n {
			err = errors.Join(err, emit(strconv.Itoa(i), value))
		}
		return err
	}}
}

// halted runs a loader that may write no more once Redis has its values, so that they are taken
// back.
func halted(t *testing.T, c *tiercache.Cache[string, string], name string, meanwhile func()) {
	t.Helper()
	halt := errors.New("the lock is lost")
	res := c.WarmLoader(t.Context(), name, tiercache.WarmOptions{Kept: func(context.Context, []string) error {
		meanwhile()
		return halt
	}})
	if !errors.Is(res.Err, halt) || res.TakenBack == 0 {
		t.Errorf("%+v, want it halted and its entries taken back", res)
	}
}

// What a run takes back are its own records. Nobody has invalidated their keys: another node's run
// that is under way loses nothing, and nor does its memory.
func TestTakeBack_costsNobodyElseAnything(t *testing.T) {
	t.Parallel()
	const n = 100
	server := redistest.Start(t)
	a := node(t, server, tiercache.Config[string, string]{})
	register(t, a, emitting("l", n, "late"))
	var b *tiercache.Cache[string, string]
	takeBack := func() {
		before := b.Stats().NoticesReceived
		halted(t, a, "l", func() {})
		redistest.Eventually(t, 5*time.Second, func() error {
			if heard := b.Stats().NoticesReceived - before; heard < n {
				return fmt.Errorf("%d of %d notices have come", heard, n)
			}
			return nil
		})
	}
	var writes atomic.Int64
	b = newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: hookedClient(t, server, before(func(_ context.Context, cmds []redis.Cmder) error {
		if saying(cmds, "WC01V") && writes.Add(1) == 1 {
			takeBack()
		}
		return nil
	}))})
	register(t, b, emitting("l", n, "new"))
	res, err := b.Warm(t.Context())
	if err != nil || writes.Load() < 2 {
		t.Fatalf("%v after %d writes; the trial needs the first ones refused by what a's have left", err, writes.Load())
	}
	result(t, res[0], tiercache.WarmResult{Emitted: n, Memory: n, Redis: n})
	takeBack()
	for i := range n {
		if e, ok := b.Peek(strconv.Itoa(i)); !ok || e.Value != "new" {
			t.Fatalf("key %d: %+v, %v in memory, want what its own run brought", i, e, ok)
		}
	}
}

// A record that is taken back after a reader has found it in Redis is not kept in memory. A
// hydration looks again: what came after it is.
func TestTakeBack_whatWasFoundBeforeIsNotKept(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"nothing comes after it": false, "another run's record comes after it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			a := node(t, server, tiercache.Config[string, string]{})
			register(t, a, emitting("late", 1, "late"))
			register(t, a, emitting("after", 1, "after"))
			var armed atomic.Bool
			found, goOn := make(chan struct{}), make(chan struct{})
			b := newCache(t, tiercache.Config[string, string]{Name: "things", TTL: time.Hour, Redis: hookedClient(t, server, func(_ context.Context, cmds []redis.Cmder, send func(...redis.Cmder) error) error {
				err := send(cmds...)
				if saying(cmds, "things:0") && armed.CompareAndSwap(true, false) {
					close(found)
					<-goOn
				}
				return err
			})})
			hydrated := make(chan tiercache.WarmResult, 1)
			halted(t, a, "late", func() {
				armed.Store(true)
				go func() { hydrated <- b.Hydrate(t.Context(), []string{"0"}, tiercache.WarmOptions{Task: "l"}) }()
				<-found
			})
			want := tiercache.WarmResult{Emitted: 1}
			if again {
				if res := a.WarmLoader(t.Context(), "after", tiercache.WarmOptions{}); res.Redis != 1 {
					t.Errorf("%+v, want its entry in Redis", res)
				}
				want.Memory = 1
			}
			redistest.Eventually(t, 5*time.Second, func() error {
				if b.Stats().NoticesReceived == 0 {
					return errors.New("no notice has come")
				}
				return nil
			})
			close(goOn)
			res := <-hydrated
			result(t, res, want)
			if e, ok := b.Peek("0"); ok != again || ok && e.Value != "after" {
				t.Errorf("%+v, %v in memory", e, ok)
			}
		})
	}
}
