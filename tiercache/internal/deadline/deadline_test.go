package deadline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warmcache/warmcache/tiercache/internal/deadline"
)

func TestShared_endsWithinTheBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		defer cancel()
		d := &deadline.Shared{Parent: parent, Bound: 100 * time.Millisecond, Share: 10 * time.Millisecond}
		first := d.Detached(t.Context())
		<-time.After(9 * time.Millisecond)
		second := d.Detached(t.Context()) // in the same share, so with the same timer
		<-time.After(91 * time.Millisecond)
		for _, ctx := range []context.Context{&first, &second} {
			synctest.Wait()
			if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after the bound: %v, want %v", err, context.DeadlineExceeded)
			}
		}
		third := d.Detached(t.Context())
		if err := third.Err(); err != nil {
			t.Errorf("a new one has ended: %v", err)
		}
	})
}
