package warm_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/warm"
)

// A notice was missed in a run, and that becomes known only when the run has ended: it is partial
// after all, the ledger does not say complete, and the task runs again by itself.
func TestFleet_whatIsTakenBackAfterTheRunIsMadeGood(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	raw := server.Client()
	const keys = 500
	say := func(text string) {
		if err := raw.Publish(context.WithoutCancel(t.Context()), "tiercache:notices", text).Err(); err != nil {
			t.Error(err)
		}
	}
	var passes atomic.Int64
	var n *node
	l := rows("popular", keysOf(keys)...)
	load := l.Load
	l.Load = func(ctx context.Context, emit func(string, string) error) error {
		if passes.Add(1) == 1 {
			_, err := raw.TxPipelined(ctx, func(tx redis.Pipeliner) error { // in one moment: nobody hears it
				tx.Do(ctx, "CLIENT", "KILL", "TYPE", "pubsub")
				tx.Publish(ctx, "tiercache:notices", "W1 K stranger 2 brands "+keysOf(1)[0])
				return nil
			})
			if err != nil {
				return err
			}
		}
		return load(ctx, emit)
	}
	n = newNode(t, server.Client(), fleetConfig{loader: l})
	redistest.Eventually(t, 10*time.Second, func() error {
		if say("W1 K stranger 1 elsewhere x"); n.cache.Stats().NoticesReceived == 0 {
			return errors.New("the stranger has not been heard")
		}
		return nil
	})
	first := warmed(t, n)
	if tr := task(t, first, "popular"); tr.Status != warm.TaskOK || tr.Items != keys {
		t.Fatalf("%+v; the trial needs it to look well", tr)
	}
	const ledger = "{warm:brands:popular:0/string}"
	pass := server.Do("HGET", ledger, "pass")
	if pass == nil {
		t.Fatal("the trial needs the pass to be complete at first")
	}
	redistest.Eventually(t, 30*time.Second, func() error {
		say("W1 D stranger 2  ")
		if tr := n.engine.History()[0].Tasks[0]; tr.Status != warm.TaskPartial || tr.Result.TakenBack != keys || tr.Err == nil {
			return fmt.Errorf("the first run is %+v", tr)
		}
		return nil
	})
	if now := server.Do("HGET", ledger, "pass"); now == pass { // the task runs again a second later
		t.Error("the ledger still says that the pass is complete")
	}
	redistest.Eventually(t, 30*time.Second, func() error {
		say("W1 D stranger 2  ")
		h := n.engine.History()
		if last := h[len(h)-1].Tasks[0]; len(h) < 2 || last.Status != warm.TaskOK || last.Items != keys {
			return fmt.Errorf("%d runs, the last %+v", len(h), last)
		}
		if now := server.Do("HGET", ledger, "pass"); now == nil || now == pass {
			return fmt.Errorf("the ledger names %v, before it was %v", now, pass)
		}
		return nil
	})
	if s := n.engine.Status().Warmup.RecentRuns; s[len(s)-1].Tasks[0].TakenBack != keys || s[len(s)-1].Tasks[0].Reason == "" {
		t.Errorf("the status says %+v", s[len(s)-1])
	}
}

func TestEngine_theHeadlineIsTheLastRunOfAllTasks(t *testing.T) {
	c := newCache(t, "c", rows("a", "1", "2"), rows("b", "3"))
	e := newEngine(t, warm.Config{}, c)
	run(t, e, warm.Request{Tasks: []string{"b"}})
	if m := e.Status().Warmup.LastMetrics; m != nil {
		t.Errorf("a run of one task is the headline: %+v", m)
	}
	run(t, e, warm.Request{})
	run(t, e, warm.Request{Tasks: []string{"b"}})
	s := e.Status().Warmup
	if m := s.LastMetrics; m == nil || m.TotalTasks != 2 || m.CachedItems != 3 {
		t.Errorf("the headline is %+v, want that of all tasks", m)
	}
	for _, sum := range s.Tasks {
		if l := sum.LastRun; l == nil || l.Status != warm.TaskOK || l.Items == 0 || l.DurationSeconds <= 0 {
			t.Errorf("%s: %+v, want its own last status, items and duration", sum.Name, l)
		}
	}
}

func TestRun_insideATaskIsAnErrorAtOnce(t *testing.T) {
	e := newEngine(t, warm.Config{})
	inner := make(chan error, 2)
	err := e.AddFunc("outer", func(ctx context.Context) (int, error) {
		for _, req := range []warm.Request{{}, {Tasks: []string{"outer"}, DryRun: true}} {
			_, err := e.Run(ctx, req)
			inner <- err
		}
		return 1, nil
	}, warm.TaskOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if tr := task(t, run(t, e, warm.Request{}), "outer"); tr.Status != warm.TaskOK {
		t.Errorf("%+v", tr)
	}
	for range 2 {
		if err := <-inner; !errors.Is(err, warm.ErrInsideTask) {
			t.Errorf("got %v, want ErrInsideTask", err)
		}
	}
}

func TestAdd_aCacheWithoutLoadersIsSaid(t *testing.T) {
	log := new(logBuffer)
	newEngine(t, warm.Config{Logger: slog.New(slog.NewTextHandler(log, nil))}, newCache(t, "bare"))
	if text := log.String(); !strings.Contains(text, "no loaders") || !strings.Contains(text, "cache=bare") {
		t.Errorf("the log says %q", text)
	}
}
