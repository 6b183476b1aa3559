package tiercache_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// spoilers do something to the tags in Redis after one was ended.
var spoilers = map[string]func(server *redistest.Server){
	"":        func(*redistest.Server) {},
	"evicted": func(server *redistest.Server) { server.Do("DEL", "{things}:tags") },
	"flushed": func(server *redistest.Server) { server.Do("FLUSHALL") },
	"made anew": func(server *redistest.Server) {
		server.Do("DEL", "{things}:tags")
		server.Do("HSET", "{things}:tags", "", "0123456789abcdef.9")
	},
}

// fillUp fills a Redis, as far as it goes by its own account; the result ends that.
func fillUp(server *redistest.Server) (end func()) {
	server.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	server.Do("CONFIG", "SET", "maxmemory", "1")
	return func() { server.Do("CONFIG", "SET", "maxmemory", "0") }
}

// A load's own tag is ended while it runs, by its own node or another. Whatever befalls the tags in
// Redis, its value is seen nowhere after that.
func TestTags_ownTagEndedDuringALoad(t *testing.T) {
	t.Parallel()
	for name, spoil := range spoilers {
		for _, by := range []string{"another node", "itself", "another node, on a full Redis"} {
			t.Run(name+" by "+by, func(t *testing.T) {
				t.Parallel()
				server := redistest.Start(t)
				s := &sourceScript{value: "old"}
				cfg := tiercache.Config[string, string]{Load: s.load, Tags: ownTag}
				a, b, c := node(t, server, cfg), node(t, server, cfg), node(t, server, cfg)
				for i := range 5 { // the counts are not those of a new hash
					if err := b.InvalidateTags(t.Context(), fmt.Sprint("another ", i)); err != nil {
						t.Fatal(err)
					}
				}
				begun, open := s.stop()
				var wg sync.WaitGroup
				wg.Go(func() { get(t, a, "k", "old") })
				<-begun
				s.set("new")
				ender, end := b, func() {}
				if by == "itself" {
					ender = a
				} else if by != "another node" {
					end = fillUp(server)
				}
				if err := ender.InvalidateTags(t.Context(), "tag of k"); err != nil {
					t.Fatal(err)
				}
				end()
				spoil(server)
				open()
				wg.Wait()
				for _, n := range []*tiercache.Cache[string, string]{c, b, a} {
					get(t, n, "k", "new")
				}
			})
		}
	}
}

// An entry's own tag is ended while a warm run is under way.
func TestTags_ownTagEndedDuringAWarmRun(t *testing.T) {
	t.Parallel()
	for name, spoil := range spoilers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			src := newTruth("new")
			cfg := tiercache.Config[string, string]{Load: src.load, Tags: ownTag}
			a, b := node(t, server, cfg), node(t, server, cfg)
			register(t, a, tiercache.Loader[string, string]{Load: func(ctx context.Context, emit func(string, string) error) error {
				if err := b.InvalidateTags(ctx, "tag of 7"); err != nil {
					return err
				}
				spoil(server)
				for i := range 100 {
					if err := emit(strconv.Itoa(i), "old"); err != nil {
						return err
					}
				}
				return nil
			}})
			got, err := a.Warm(t.Context(), "l")
			if err != nil {
				t.Error(err)
			}
			if name == "" {
				result(t, got[0], tiercache.WarmResult{Emitted: 100, Memory: 99, Redis: 99, Refused: 1})
			}
			get(t, b, "7", "new")
			get(t, a, "7", "new")
		})
	}
}

// The notice is lost, so the node of a load does not know that its tag was ended. Redis does.
func TestTags_ownTagEndedUnheard(t *testing.T) {
	t.Parallel()
	for name, spoil := range spoilers {
		t.Run("load "+name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := &sourceScript{value: "old"}
			cfg := tiercache.Config[string, string]{Load: s.load, Tags: ownTag}
			a, _ := farNode(t, server, cfg, dropping(isNotice))
			b := node(t, server, cfg)
			begun, open := s.stop()
			var wg sync.WaitGroup
			wg.Go(func() { get(t, a, "k", "old") })
			<-begun
			s.set("new")
			if err := b.InvalidateTags(t.Context(), "tag of k"); err != nil {
				t.Fatal(err)
			}
			spoil(server)
			open()
			wg.Wait()
			get(t, b, "k", "new")
		})
		t.Run("warm run "+name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			src := newTruth("new")
			cfg := tiercache.Config[string, string]{Load: src.load, Tags: ownTag}
			a, _ := farNode(t, server, cfg, dropping(isNotice))
			b := node(t, server, cfg)
			register(t, a, tiercache.Loader[string, string]{Load: func(ctx context.Context, emit func(string, string) error) error {
				if err := b.InvalidateTags(ctx, "tag of 7"); err != nil {
					return err
				}
				spoil(server)
				return emit("7", "old")
			}})
			if _, err := a.Warm(t.Context(), "l"); err != nil {
				t.Error(err)
			}
			get(t, b, "7", "new")
		})
	}
}

// A replica that was promoted may be behind, and count the same numbers again. What a node has
// heard stands all the same.
func TestTags_countsThatRepeatHideNoEnd(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := &sourceScript{value: "old"}
	cfg := tiercache.Config[string, string]{Load: s.load, Tags: ownTag}
	a, b := node(t, server, cfg), node(t, server, cfg)
	for i := range 5 {
		if err := b.InvalidateTags(t.Context(), fmt.Sprint("another ", i)); err != nil {
			t.Fatal(err)
		}
	}
	begun, open := s.stop()
	var wg sync.WaitGroup
	wg.Go(func() { get(t, a, "k", "old") })
	<-begun
	s.set("new")
	if err := a.InvalidateTags(t.Context(), "tag of k"); err != nil {
		t.Fatal(err)
	}
	mark, _ := server.Do("HGET", "{things}:tags", "").(string)
	run, _, _ := strings.Cut(mark, ".")
	server.Do("HSET", "{things}:tags", "tag of k", run+".3.12345678")
	open()
	wg.Wait()
	get(t, b, "k", "new")
	get(t, a, "k", "new")
}
