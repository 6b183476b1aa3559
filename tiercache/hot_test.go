package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/bubbletest"
	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

// catalogue is a source that notes what it is asked for.
type catalogue struct {
	mu    sync.Mutex
	asked [][]string
	gone  map[string]bool
	err   error
}

func (c *catalogue) loadMany(_ context.Context, keys []string) (map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, slices.Clone(keys))
	values := make(map[string]string)
	if c.err != nil {
		return nil, c.err
	}
	for _, key := range keys {
		if !c.gone[key] && !strings.HasPrefix(key, "no ") {
			values[key] = "value of " + key
		}
	}
	return values, nil
}

// forget returns what was asked for since the last time, each key with how often, and the size of
// the largest batch.
func (c *catalogue) forget() (asked map[string]int, largest int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked = make(map[string]int)
	for _, keys := range c.asked {
		largest = max(largest, len(keys))
		for _, key := range keys {
			asked[key]++
		}
	}
	c.asked = nil
	return asked, largest
}

func learning(t *testing.T, r *tiercache.Redis, s *catalogue, change ...func(*tiercache.Config[string, string])) *tiercache.Cache[string, string] {
	t.Helper()
	cfg := tiercache.Config[string, string]{Name: "c", TTL: time.Hour, LearnHot: 10, Redis: r, LoadMany: s.loadMany}
	for _, f := range change {
		f(&cfg)
	}
	return newCache(t, cfg)
}

func readMany(t *testing.T, c *tiercache.Cache[string, string], key string, n int) {
	t.Helper()
	for range n {
		if _, err := c.Get(t.Context(), key); err != nil && !errors.Is(err, tiercache.ErrNotFound) {
			t.Fatalf("Get(%q): %v", key, err)
		}
	}
}

// hottest is the keys of Hot.
func hottest(t *testing.T, c *tiercache.Cache[string, string], n int) []string {
	t.Helper()
	hot, err := c.Hot(t.Context(), n)
	if err != nil {
		t.Errorf("Hot: %v", err)
	}
	keys := make([]string, len(hot))
	for i, k := range hot {
		keys[i] = k.Key
	}
	return keys
}

func wantHot(t *testing.T, c *tiercache.Cache[string, string], want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, hottest(t, c, 0)); diff != "" {
		t.Errorf("hot keys (-want +got):\n%s", diff)
	}
}

// tellTime is within which Redis has heard of what changes.
const tellTime = 5 * time.Second

func TestHot_whatIsReadIsLearned(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		c := learning(t, r, new(catalogue), func(cfg *tiercache.Config[string, string]) { cfg.NegativeTTL = time.Hour })
		register(t, c, tiercache.Loader[string, string]{Name: "l", Load: func(_ context.Context, emit func(string, string) error) error {
			for range 50 {
				for i := range 5 {
					if err := emit("warmed "+strconv.Itoa(i), "v"); err != nil {
						return err
					}
				}
			}
			return nil
		}})
		if _, err := c.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		readMany(t, c, "most", 60)
		readMany(t, c, "", 40) // a key like any other
		for range 20 {
			if _, err := c.GetMany(t.Context(), []string{"many 1", "many 2", "no such key"}); err != nil {
				t.Fatal(err)
			}
			c.Peek("many 1") // counts nothing
		}
		readMany(t, c, "no such key", 100)
		readMany(t, c, "twice", 2)
		readMany(t, c, strings.Repeat("x", 513), 100)
		waitFor(tellTime)
		hot, err := c.Hot(t.Context(), 2)
		if err != nil || len(hot) != 2 || hot[0].Key != "most" || hot[1].Key != "" || hot[0].Reads < 55 || hot[0].Reads > 65 {
			t.Errorf("Hot(2) = %+v, %v; want \"most\" with about 60 reads, then the empty key", hot, err)
		}
		all := hottest(t, c, 0)
		slices.Sort(all[2:])
		if diff := cmp.Diff([]string{"most", "", "many 1", "many 2"}, all); diff != "" {
			t.Errorf("hot keys (-want +got):\n%s", diff)
		}
	})
}

func TestHot_refuses(t *testing.T) {
	t.Parallel()
	c := newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour})
	if _, err := c.Hot(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "LearnHot") {
		t.Errorf("Hot of a cache that learns nothing: %v, want an error that names LearnHot", err)
	}
	if len(c.Loaders()) != 0 {
		t.Errorf("it has a loader: %+v", c.Loaders())
	}
	c = newCache(t, tiercache.Config[string, string]{Name: "c", TTL: time.Hour, LearnHot: 1})
	closing(t, c)
	if _, err := c.Hot(t.Context(), 1); !errors.Is(err, tiercache.ErrClosed) {
		t.Errorf("Hot after Close: %v", err)
	}
	_, err := tiercache.New(tiercache.Config[string, string]{Name: "c", LearnHot: 100_001, HotHalfLife: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "LearnHot 100001") || !strings.Contains(err.Error(), "HotHalfLife 1ms") {
		t.Errorf("New with both out of bounds: %v", err)
	}
}

// A key that the source no longer has is not hot, however much it was read.
func TestHot_whatIsGoneIsForgotten(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		s := &catalogue{gone: make(map[string]bool)}
		c := learning(t, r, s)
		readMany(t, c, "a", 50)
		readMany(t, c, "b", 40)
		waitFor(tellTime)
		wantHot(t, c, "a", "b")
		s.gone["a"] = true
		if err := c.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		readMany(t, c, "a", 1)
		waitFor(tellTime)
		wantHot(t, c, "b")
	})
}

func TestHot_fleet(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		m := redistest.Memory(t)
		s := new(catalogue)
		minute := func(cfg *tiercache.Config[string, string]) { cfg.HotHalfLife = time.Minute }
		a, b, c := learning(t, nodeOn(t, m), s, minute), learning(t, nodeOn(t, m), s, minute), learning(t, nodeOn(t, m), s, minute)
		readMany(t, a, "both", 60)
		readMany(t, b, "both", 60)
		readMany(t, a, "a's", 80)
		readMany(t, b, "b's", 100)
		waitFor(tellTime)
		wantHot(t, c, "both", "b's", "a's") // added up: neither node alone has this order
		if hot, err := c.Hot(t.Context(), 1); err != nil || hot[0].Reads < 100 || hot[0].Reads > 140 {
			t.Errorf("%+v, %v; want about 120 reads", hot, err)
		}
		if texts, err := c.HotTexts(t.Context(), 1); err != nil || len(texts) != 1 || texts[0].Key != "both" {
			t.Errorf("HotTexts(1) = %+v, %v", texts, err)
		}

		waitFor(time.Minute) // a half-life
		if hot, err := c.Hot(t.Context(), 1); err != nil || hot[0].Reads < 50 || hot[0].Reads > 70 {
			t.Errorf("%+v, %v; want about 60 reads after a half-life", hot, err)
		}

		// The whole popular set changes: within two half-lives nothing of the old one is hotter
		// than the new.
		for range 20 {
			for i := range 12 {
				readMany(t, b, "new "+strconv.Itoa(i), 20-i)
			}
			waitFor(6 * time.Second)
		}
		got := hottest(t, c, 0)
		if len(got) != 10 || slices.ContainsFunc(got, func(key string) bool { return !strings.HasPrefix(key, "new ") }) {
			t.Errorf("two half-lives after all has changed hot are %q", got)
		}
	})
}

// What Redis lost is told again; without it the process's own count answers beside an error; a
// steady fleet tells little.
func TestHot_redisForgetsAndGoesAway(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		m := redistest.Memory(t)
		c := learning(t, nodeOn(t, m), new(catalogue))
		readMany(t, c, "a", 50)
		readMany(t, c, "b", 40)
		waitFor(tellTime)
		m.FlushAll()
		readMany(t, c, "a", 20)
		readMany(t, c, "b", 20)
		waitFor(tellTime)
		wantHot(t, c, "a", "b")
		hot, err := c.Hot(t.Context(), 1)
		if err != nil || hot[0].Reads < 60 || hot[0].Reads > 80 {
			t.Errorf("%+v, %v; want about 70 reads: the whole count is told to a Redis that has lost it", hot, err)
		}
		m.SetError("LOADING it is away")
		hot, err = c.Hot(t.Context(), 0)
		if err == nil || len(hot) != 2 || hot[0].Key != "a" {
			t.Errorf("without Redis: %+v, %v; want this process's own keys beside an error", hot, err)
		}
		m.SetError("")
	})
}

// Whatever stands in Redis under the name of the set, and however many keys are read, it stays
// bounded, in its slot, and expires.
func TestHot_inRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do("SET", "{c}:hot", "something else")
	c := learning(t, newRedis(t, server), new(catalogue), func(cfg *tiercache.Config[string, string]) { cfg.LearnHot = 5 })
	other := learning(t, newRedis(t, server), new(catalogue))
	for round := range 2 {
		for i := range 20 * round { // a node that knows no bound
			server.Do("ZADD", "{c}:hot", i, "planted "+strconv.Itoa(i))
		}
		for i := range 40 {
			readMany(t, c, fmt.Sprintf("key %d of round %d", i, round), 5+10*round+i)
		}
		newest := fmt.Sprintf("key 39 of round %d", round)
		redistest.Eventually(t, 20*time.Second, func() error {
			hot, err := other.Hot(t.Context(), 0)
			if err == nil && (len(hot) < 5 || hot[0].Key != newest) {
				err = fmt.Errorf("hot are %v", hot)
			}
			return err
		})
	}
	if n, ok := server.Do("ZCARD", "{c}:hot").(int64); !ok || n < 5 || n > 10 {
		t.Errorf("%d members, want twice LearnHot at most", n)
	}
	if left, ok := server.Do("TTL", "{c}:hot").(int64); !ok || left < 6*24*3600 {
		t.Errorf("the set expires in %d s, want about 7 days", left)
	}
	var others []string
	keys, _ := server.Do("KEYS", "*").([]any)
	for _, key := range keys {
		if text, _ := key.(string); !strings.HasPrefix(text, "c:key ") && !strings.HasPrefix(text, "{c}:") {
			others = append(others, text)
		}
	}
	if len(others) > 0 {
		t.Errorf("learning left %q in Redis", others)
	}
	server.Do("ZADD", "{c}:hot", "inf", "from the future", "-inf", "x")
	server.Do("ZADD", "{c}:hot", "1e300", strings.Repeat("y", 600))
	if _, err := c.Hot(t.Context(), 0); err != nil {
		t.Errorf("foreign members: %v", err)
	}
	if s := c.Stats(); s.RedisErrors != 0 {
		t.Errorf("%d errors of Redis", s.RedisErrors)
	}
}

// A key whose text doesn't lead back to it could never be found again.
func TestHot_roundTrip(t *testing.T) {
	virtual(t, func(t *testing.T, r *tiercache.Redis) {
		c := newCache(t, tiercache.Config[int, int]{
			Name: "c", TTL: time.Hour, LearnHot: 10, Redis: r, Keys: clumsyKeys{},
			Load: func(_ context.Context, key int) (int, error) { return key, nil },
		})
		for key := range 4 {
			for range 20 * (4 - key) {
				if _, err := c.Get(t.Context(), key); (err != nil) != (r != nil && key%2 == 1) {
					t.Fatal(key, err)
				}
			}
		}
		waitFor(tellTime)
		texts, err := c.HotTexts(t.Context(), 0)
		if err != nil || len(texts) != 2 || texts[0].Key != "0" || texts[1].Key != "2" {
			t.Errorf("HotTexts = %+v, %v; want 0 and 2: 1 has no round trip, and 3 panics", texts, err)
		}
	})
}

// clumsyKeys reads 1 back as another key, and panics at 3.
type clumsyKeys struct{}

func (clumsyKeys) EncodeKey(key int) (string, error) { return strconv.Itoa(key), nil }

func (clumsyKeys) DecodeKey(text string) (int, error) {
	switch text {
	case "1":
		return 100, nil
	case "3":
		panic("3")
	}
	return strconv.Atoi(text)
}

// A node that starts anew is warm with what the fleet reads, from Redis alone, in the order of
// heat.
func TestHot_replayFromRedis(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		m := redistest.Memory(t)
		s := new(catalogue)
		a := learning(t, nodeOn(t, m), s)
		for i := range 9 {
			readMany(t, a, strconv.Itoa(i), 50-5*i)
		}
		waitFor(tellTime)
		s.forget()
		b := learning(t, nodeOn(t, m), s)
		info := b.Loaders()
		if len(info) != 1 || info[0].Name != "hot:c" || !info[0].EveryNode || !info[0].Required {
			t.Fatalf("loaders %+v, want hot:c, required, for each node", info)
		}
		res := b.WarmLoader(t.Context(), "hot:c", tiercache.WarmOptions{DryRun: true})
		result(t, res, tiercache.WarmResult{Loader: "hot:c", Emitted: 9, Memory: 9})
		if n := b.Stats().Entries; n != 0 {
			t.Errorf("a dry run brought %d entries", n)
		}
		res = b.WarmLoader(t.Context(), "hot:c", tiercache.WarmOptions{})
		result(t, res, tiercache.WarmResult{Loader: "hot:c", Emitted: 9, Memory: 9, Redis: 9})
		if asked, _ := s.forget(); len(asked) != 0 || res.Err != nil {
			t.Errorf("the source was asked for %v; %v", asked, res.Err)
		}
		if st := b.Stats(); st.Hits()+st.Misses+st.Loads != 0 {
			t.Errorf("the replay counted as reads: %+v", st)
		}
		waitFor(tellTime)
		if hot, err := b.Hot(t.Context(), 1); err != nil || hot[0].Reads > 60 {
			t.Errorf("%+v, %v; want about 50 reads: a replay teaches nothing", hot, err)
		}

		narrow := learning(t, nodeOn(t, m), s, func(cfg *tiercache.Config[string, string]) { cfg.Capacity = 5 })
		if res := narrow.WarmLoader(t.Context(), "hot:c", tiercache.WarmOptions{}); res.SkippedRoom != 4 || res.Memory != 5 || narrow.Stats().Evictions != 0 {
			t.Errorf("%+v; want 5 in memory, 4 without room, none evicted", res)
		}
		for i := range 4 { // 80 % of the capacity
			if _, ok := narrow.Peek(strconv.Itoa(i)); !ok {
				t.Errorf("the hot key %d found no room", i)
			}
		}
		if asked, _ := s.forget(); len(asked) != 0 {
			t.Errorf("the source was asked for %v, which Redis has", asked)
		}
	})
}

// What Redis has lost comes from the source: once a fleet, in bounded batches; what the source no
// longer has is forgotten.
func TestHot_replayFromTheSource(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := &catalogue{gone: map[string]bool{}}
	big := func(cfg *tiercache.Config[string, string]) { cfg.LearnHot = 250 }
	a := learning(t, newRedis(t, server), s, big)
	b, c := learning(t, newRedis(t, server), s, big), learning(t, newRedis(t, server), s, big)
	want := make(map[string]int)
	for i := range 250 {
		readMany(t, a, strconv.Itoa(i), 5)
		want[strconv.Itoa(i)] = 1
	}
	learned := func(n int) {
		t.Helper()
		redistest.Eventually(t, 20*time.Second, func() error {
			if hot := hottest(t, b, 0); len(hot) != n || n < 250 && slices.Contains(hot, "7") {
				return fmt.Errorf("%d hot keys, with 7: %t", len(hot), slices.Contains(hot, "7"))
			}
			return nil
		})
	}
	learned(250)
	for key := range want {
		server.Do("DEL", "c:"+key)
	}
	s.forget()
	s.gone["7"] = true
	var wg sync.WaitGroup
	for _, node := range []*tiercache.Cache[string, string]{b, c} {
		wg.Go(func() {
			res := node.WarmLoader(t.Context(), "hot:c", tiercache.WarmOptions{})
			if res.Emitted != 250 || res.Memory != 249 || res.Failed != 0 || res.Err != nil {
				t.Errorf("%+v; want 249 of 250 readable", res)
			}
		})
	}
	wg.Wait()
	asked, largest := s.forget()
	asked["7"] = min(asked["7"], 1) // without NegativeTTL each node asks for what is not there
	if diff := cmp.Diff(want, asked); diff != "" || largest > 100 {
		t.Errorf("the source was asked in batches of up to %d, want 100, and not once for each key (-want +got):\n%s", largest, diff)
	}
	learned(249)

	s.err = errors.New("the source is down")
	if err := b.Delete(t.Context(), "8"); err != nil {
		t.Fatal(err)
	}
	if res := b.WarmLoader(t.Context(), "hot:c", tiercache.WarmOptions{}); res.Err == nil || res.Failed != 1 || res.Memory != 248 {
		t.Errorf("%+v; want the source's error for the one key that is gone", res)
	}
}

func TestHot_replayInMemory(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := new(catalogue)
		c := learning(t, nil, s, func(cfg *tiercache.Config[string, string]) { cfg.TTL = time.Minute })
		readMany(t, c, "a", 50)
		readMany(t, c, "b", 40)
		waitFor(40 * time.Second)
		if _, err := c.Refresh(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		waitFor(30 * time.Second)
		s.forget()
		res, err := c.Warm(t.Context())
		if err != nil || len(res) != 1 || res[0].Memory != 2 {
			t.Errorf("Warm = %+v, %v", res, err)
		}
		if asked, _ := s.forget(); !maps.Equal(asked, map[string]int{"a": 1}) {
			t.Errorf("the source was asked for %v, want for what has expired alone", asked)
		}
	})
}

// sharesHot wants another node to see within moments what one reads.
func sharesHot(t *testing.T, a, b *tiercache.Cache[string, string]) {
	t.Helper()
	readMany(t, a, "hot {key}", 40)
	redistest.Eventually(t, 20*time.Second, func() error {
		if hot, err := b.Hot(t.Context(), 0); err != nil || len(hot) != 1 || hot[0].Key != "hot {key}" {
			return fmt.Errorf("hot are %v, %w", hot, err)
		}
		return nil
	})
	for _, c := range []*tiercache.Cache[string, string]{a, b} {
		if n := c.Stats().RedisErrors; n != 0 {
			t.Errorf("%d errors of Redis", n)
		}
	}
}

func TestHot_leastPrivilege(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := user(t, server, "cache", leastACL+" +type +zadd +zscore +zrevrange +zrem +zremrangebyrank")
	node := func() *tiercache.Cache[string, string] {
		r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Prefix: "app:", Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closing(t, r) })
		return learning(t, r, new(catalogue))
	}
	sharesHot(t, node(), node())
}

func TestHot_cluster(t *testing.T) {
	t.Parallel()
	group := redistest.Cluster(t)
	sharesHot(t, learningOver(t, group.Client()), learningOver(t, group.Client()))
}

// What was learned is on the next master, too.
func TestHot_sentinel(t *testing.T) {
	t.Parallel()
	group := redistest.Sentinel(t)
	client := group.Client()
	a, b := learningOver(t, client), learningOver(t, group.Client())
	sharesHot(t, a, b)
	before, err := b.Hot(t.Context(), 3)
	if err != nil || len(before) == 0 {
		t.Fatal(before, err)
	}
	if n, err := client.Wait(t.Context(), 1, 5*time.Second).Result(); err != nil || n < 1 { // a replica has it
		t.Fatal(n, err)
	}
	group.Promoted(group.KillMaster())
	redistest.Eventually(t, 30*time.Second, func() error {
		after, err := b.Hot(t.Context(), 3)
		if err == nil && (len(after) != len(before) || after[0].Key != before[0].Key) {
			err = fmt.Errorf("%v, before %v", after, before)
		}
		return err
	})
}

func learningOver(t *testing.T, client redis.UniversalClient) *tiercache.Cache[string, string] {
	t.Helper()
	r, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, r) })
	return learning(t, r, new(catalogue))
}
