package tiercache_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// A Set lies in the socket of a server that is frozen until long after its caller has gone.
// Executed then, it could overwrite what was stored since: the server does nothing.
func TestSet_thatComesLateDoesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, r := farNode(t, server, tiercache.Config[string, string]{})
	coherent(t, r)
	if err := a.Set(t.Context(), "k", "before"); err != nil {
		t.Fatal(err)
	}
	before := server.Calls("set")
	server.Stop()
	if err := a.Set(t.Context(), "k", "late"); !errors.Is(err, tiercache.ErrDegraded) {
		t.Errorf("Set with Redis frozen = %v, want ErrDegraded", err)
	}
	pause(t.Context(), time.Second)
	server.Cont()
	redistest.Eventually(t, 5*time.Second, func() error {
		if n := r.Health().Pending; n > 0 {
			return fmt.Errorf("%d pending", n)
		}
		return nil
	})
	if n := server.Calls("set") - before; n != 1 {
		t.Errorf("the server executed %d SETs, want one: the replay's", n)
	}
	if got, _ := server.Do("GET", "things:k").(string); got != "WC01H" {
		t.Errorf("Redis holds %.20q, want a hold", got)
	}
}
