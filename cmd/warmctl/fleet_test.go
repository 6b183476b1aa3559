package main_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
)

// With -direct the program is a node of the fleet. While another node leads a task it waits, and
// then takes that node's word that the work is done.
func TestDirect_followsTheFleetsLeader(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env := []string{"REDIS_URL=redis://" + server.Addr(), "DATABASE_URL=" + database(t)}
	call(t, env, "run", "-direct", "-json", "popular_brands").want(t, 0, `"role": "leader"`)
	ledger := ""
	keys, _ := server.Do("KEYS", "{warm:brand_stats:popular_brands:*").([]any)
	for _, key := range keys {
		if text, _ := key.(string); strings.HasSuffix(text, "}") {
			ledger = text
		}
	}
	if ledger == "" {
		t.Fatalf("the run left no ledger: %v", keys)
	}
	server.Do("DEL", "brand_stats:Nike", ledger)
	server.Do("SET", ledger+":lock", "another")

	var claims atomic.Int64
	address := redistest.Front(t, server.Addr(), func(args []string) string {
		if slices.Contains(args, ledger+":lock") {
			claims.Add(1)
		}
		return ""
	})
	ended := make(chan outcome, 1)
	go func() {
		ended <- call(t, []string{"REDIS_URL=redis://" + address, env[1]}, "run", "-direct", "-json", "popular_brands")
	}()
	redistest.Eventually(t, time.Minute, func() error {
		if claims.Load() < 3 { // so that at least two have been answered
			return errors.New("the program does not ask for the lock")
		}
		return nil
	})
	select {
	case got := <-ended:
		t.Fatalf("the run is over while another node has the lock\n%s%s", got.out, got.err)
	default:
	}
	server.Do("HSET", ledger, "pass", "another", "began", time.Now().UnixMilli(), "chunks", "0")
	server.Do("DEL", ledger+":lock")
	got := <-ended
	got.want(t, 0, `"role": "follower"`, `"status": "ok"`)
	if n := server.Do("EXISTS", "brand_stats:Nike"); n != int64(0) {
		t.Error("the program has done the work once more")
	}
}
