package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache"
)

const (
	ttl       = 10 * time.Minute
	keyCount  = 1000
	batch     = 100 // keys of one GetMany
	bareBatch = 256 // SETs of one bare pipeline
)

// value is 300 B of text, which the caches and the bare commands store as it is.
var value = strings.Repeat(`{"brand":"Nike","reports":12345}`, 10)[:300]

// stand is what both sides use.
type stand struct {
	server *redistest.Server
	client *redis.Client
	redis  *tiercache.Redis
	hits   *tiercache.Cache[string, string] // remembers next to nothing in memory: each read goes to Redis
	misses *tiercache.Cache[string, string]
	keys   []string
	loads  int
	next   int    // of keys that nobody has used
	heap   uint64 // by how many bytes the heap grew at most in a warm run
	heard  *redis.PubSub
}

// plainNotices is the channel of the plain side. It has a subscriber, as a notice that nobody hears
// is none.
const plainNotices = "plain-notices"

func newStand(tb redistest.TB) (*stand, error) {
	s := &stand{server: redistest.Start(tb)}
	s.client = s.server.Client(func(o *redis.Options) { o.PoolSize, o.ContextTimeoutEnabled = 16, true })
	var err error
	if s.redis, err = tiercache.NewRedis(s.client, tiercache.RedisConfig{Timeout: 5 * time.Second}); err != nil {
		return nil, err
	}
	load := func(context.Context, string) (string, error) { s.loads++; return value, nil }
	if s.hits, err = tiercache.New(tiercache.Config[string, string]{
		Name: "hits", TTL: ttl, MemoryTTL: time.Nanosecond, Redis: s.redis, Load: load,
	}); err != nil {
		return nil, err
	}
	if s.misses, err = tiercache.New(tiercache.Config[string, string]{Name: "misses", TTL: ttl, Redis: s.redis, Load: load}); err != nil {
		return nil, err
	}
	s.heard = s.client.Subscribe(tb.Context(), plainNotices)
	if _, err := s.heard.Receive(tb.Context()); err != nil {
		return nil, err
	}
	go func() {
		for {
			if _, err := s.heard.ReceiveMessage(tb.Context()); err != nil {
				return // closed
			}
		}
	}()
	all := make(map[string]string)
	pipe := s.client.Pipeline()
	for i := range keyCount {
		key := "key-" + strconv.Itoa(i)
		s.keys = append(s.keys, key)
		all[key] = value
		pipe.Set(tb.Context(), "plain:"+key, value, ttl)
	}
	if _, err := pipe.Exec(tb.Context()); err != nil {
		return nil, err
	}
	return s, s.hits.SetMany(tb.Context(), all)
}

func (s *stand) close() {
	_ = s.hits.Close()
	_ = s.misses.Close()
	_ = s.redis.Close()
	_ = s.heard.Close()
}

func (s *stand) contests(cfg config) []contest {
	return []contest{
		{name: "hit in Redis", plain: "GET", bar: 1.15, ours: s.hit, bare: s.get, pairs: cfg.Pairs},
		{name: "miss (look-up, lease, commit)", plain: "GET, SET", bar: 1.6, ours: s.miss, bare: s.getSet, pairs: cfg.Pairs},
		{name: "Delete", plain: "DEL, PUBLISH (one subscriber)", bar: 1.0, ours: s.remove, bare: s.delPublish, pairs: cfg.Pairs},
		{name: "GetMany of 100 from Redis", plain: "MGET and decoding", bar: 0.8, speed: true, ours: s.getMany, bare: s.mget, pairs: cfg.Pairs},
		{name: "warm run into both tiers", plain: "pipelined SETs, same encoding", bar: 0.85, speed: true, ours: s.warm, bare: s.pipeline, whole: cfg.WarmItems, pairs: cfg.WarmPairs},
	}
}

func (s *stand) hit(ctx context.Context, n int) error {
	before := s.hits.Stats().RedisHits
	for i := range n {
		if _, err := s.hits.Get(ctx, s.keys[i%keyCount]); err != nil {
			return err
		}
	}
	if hits := s.hits.Stats().RedisHits - before; hits != uint64(n) {
		return fmt.Errorf("%d of %d reads were hits in Redis", hits, n)
	}
	return nil
}

func (s *stand) get(ctx context.Context, n int) error {
	for i := range n {
		if _, err := s.client.Get(ctx, "plain:"+s.keys[i%keyCount]).Result(); err != nil {
			return err
		}
	}
	return nil
}

func (s *stand) fresh(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = "new-" + strconv.Itoa(s.next)
		s.next++
	}
	return keys
}

func (s *stand) miss(ctx context.Context, n int) error {
	before := s.loads
	for _, key := range s.fresh(n) {
		if _, err := s.misses.Get(ctx, key); err != nil {
			return err
		}
	}
	if s.loads-before != n {
		return fmt.Errorf("%d loads for %d misses", s.loads-before, n)
	}
	return nil
}

func (s *stand) getSet(ctx context.Context, n int) error {
	for _, key := range s.fresh(n) {
		if err := s.client.Get(ctx, "plain:"+key).Err(); err != redis.Nil { //nolint:errorlint // go-redis returns it as it is
			return fmt.Errorf("GET of an absent key: %w", err)
		}
		if err := s.client.Set(ctx, "plain:"+key, value, ttl).Err(); err != nil {
			return err
		}
	}
	return nil
}

func (s *stand) remove(ctx context.Context, n int) error {
	for i := range n {
		if err := s.misses.Delete(ctx, s.keys[i%keyCount]); err != nil {
			return err
		}
	}
	return nil
}

func (s *stand) delPublish(ctx context.Context, n int) error {
	for i := range n {
		key := s.keys[i%keyCount]
		if err := s.client.Del(ctx, "gone:"+key).Err(); err != nil {
			return err
		}
		if err := s.client.Publish(ctx, plainNotices, key).Err(); err != nil {
			return err
		}
	}
	return nil
}

func (s *stand) some(i int) []string {
	at := i * batch % keyCount
	return s.keys[at : at+batch]
}

func (s *stand) getMany(ctx context.Context, n int) error {
	for i := range n {
		got, err := s.hits.GetMany(ctx, s.some(i))
		if err != nil || len(got) != batch {
			return fmt.Errorf("%d values: %w", len(got), err)
		}
	}
	return nil
}

func (s *stand) mget(ctx context.Context, n int) error {
	names := make([]string, batch)
	for i := range n {
		keys := s.some(i)
		for j, key := range keys {
			names[j] = "plain:" + key
		}
		all, err := s.client.MGet(ctx, names...).Result()
		if err != nil {
			return err
		}
		got := make(map[string]string, batch)
		for j, v := range all {
			got[keys[j]], _ = v.(string)
		}
		if len(got) != batch || len(got[keys[0]]) != len(value) {
			return fmt.Errorf("%d values", len(got))
		}
	}
	return nil
}

// report is what a warm run stores: 300 B of JSON, about.
type report struct {
	ID      int      `json:"id"`
	Brand   string   `json:"brand"`
	Score   float64  `json:"score"`
	Tags    []string `json:"tags"`
	Summary string   `json:"summary"`
}

func newReport(id int) report {
	return report{ID: id, Brand: "Nike", Score: float64(id) / 7, Tags: []string{"sports", "shoes"}, Summary: value[:200]}
}

// warm runs a loader of n entries in a new cache.
func (s *stand) warm(ctx context.Context, n int) (err error) {
	s.next++
	c, err := tiercache.New(tiercache.Config[int, report]{Name: "warm" + strconv.Itoa(s.next), TTL: ttl, Capacity: 2 * int64(n), Redis: s.redis})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	err = c.RegisterLoader(tiercache.Loader[int, report]{Name: "all", Load: func(_ context.Context, emit func(int, report) error) error {
		for i := range n {
			if err := emit(i, newReport(i)); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		return err
	}
	heap := watchHeap()
	res, err := c.Warm(ctx)
	s.heap = max(s.heap, heap.grown())
	if err != nil || res[0].Memory != n || res[0].Redis != n {
		return fmt.Errorf("%+v: %w", res, err)
	}
	return nil
}

// pipeline sends what a warm run sends: the same values in the same encoding, framed and summed
// like a record, with the same commands.
func (s *stand) pipeline(ctx context.Context, n int) error {
	s.next++
	prefix := "bare" + strconv.Itoa(s.next) + ":"
	header := strings.Repeat(".", 112+19+6) // a record's, with a token and a key
	for lo := 0; lo < n; lo += bareBatch {
		pipe := s.client.Pipeline()
		for i := lo; i < min(lo+bareBatch, n); i++ {
			data, err := json.Marshal(newReport(i))
			if err != nil {
				return err
			}
			record := append(append(make([]byte, 0, len(header)+len(data)+8), header...), data...)
			record = fmt.Appendf(record, "%08x", crc32.Checksum(record, castagnoli))
			pipe.Set(ctx, prefix+strconv.Itoa(i), record, ttl)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
