package main

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache"
)

type entries struct {
	Entries int           `json:"entries"`
	Bytes   float64       `json:"bytes_an_entry"` // of the heap, the 64 bytes of the value included
	Hit     time.Duration `json:"hit"`
}

type sized struct {
	Bytes int           `json:"bytes"`
	Set   time.Duration `json:"set"`
	Hit   time.Duration `json:"hit_in_redis"`
	Redis float64       `json:"redis_bytes_an_entry"`
}

type batch struct {
	Keys   int           `json:"keys"`
	PerKey time.Duration `json:"a_key"` // of a GetMany from Redis
}

type tagged struct {
	Tags       int           `json:"tags"`
	Set        time.Duration `json:"set"`
	Hit        time.Duration `json:"hit_in_redis"`
	Invalidate time.Duration `json:"invalidate_one_tag"`
}

func nameOf(i int) string { return "key-" + strconv.Itoa(i) }

// heap is what is alive.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func growEntries(ctx context.Context, cfg config) (all []entries, err error) {
	for _, n := range cfg.Entries {
		before := heap()
		c, err := tiercache.New(tiercache.Config[string, []byte]{Name: "entries", TTL: time.Hour, Capacity: 2 * int64(n)})
		if err != nil {
			return nil, err
		}
		for i := range n {
			if err := c.Set(ctx, nameOf(i), make([]byte, 64)); err != nil {
				return nil, err
			}
		}
		e := entries{Entries: n, Bytes: (heap() - before) / float64(n)}
		e.Hit, err = each(100*cfg.Ops, func(i int) error {
			_, err := c.Get(ctx, nameOf(i*7919%n))
			return ignoreMiss(err)
		})
		if err = errors.Join(err, c.Close()); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func ignoreMiss(err error) error {
	if errors.Is(err, tiercache.ErrNotFound) {
		return nil
	}
	return err
}

// each is what one call takes, of so many.
func each(n int, call func(i int) error) (time.Duration, error) {
	began := time.Now()
	for i := range n {
		if err := call(i); err != nil {
			return 0, err
		}
	}
	return time.Since(began) / time.Duration(n), nil
}

// pair is two caches on one Redis: what one writes, the other finds in Redis.
type pair struct {
	clients       [2]*redis.Client
	redis         [2]*tiercache.Redis
	writer, other *tiercache.Cache[string, string]
}

func newPair(s server, name string) (p *pair, err error) {
	p = &pair{}
	quiet := slog.New(slog.DiscardHandler)
	for i, cache := range []**tiercache.Cache[string, string]{&p.writer, &p.other} {
		p.clients[i] = redis.NewClient(&redis.Options{Addr: s.Addr()})
		if p.redis[i], err = tiercache.NewRedis(p.clients[i], tiercache.RedisConfig{Timeout: 5 * time.Second, Logger: quiet}); err != nil {
			return nil, err
		}
		*cache, err = tiercache.New(tiercache.Config[string, string]{
			Name: name, TTL: time.Hour, Redis: p.redis[i], Logger: quiet, Compression: tiercache.Uncompressed, Capacity: 1_000_000,
		})
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *pair) close() (err error) {
	err = errors.Join(p.writer.Close(), p.other.Close())
	for i, r := range p.redis {
		err = errors.Join(err, r.Close(), p.clients[i].Close())
	}
	return err
}

func growSizes(ctx context.Context, cfg config, s server) (all []sized, err error) {
	for _, size := range cfg.Sizes {
		p, err := newPair(s, "size-"+strconv.Itoa(size))
		if err != nil {
			return nil, err
		}
		n := max(10, min(cfg.Ops, 50_000_000/size))
		value := strings.Repeat("v", size)
		used, _ := strconv.ParseFloat(s.Info("memory", "used_memory"), 64) // it is a number
		o := sized{Bytes: size}
		if o.Set, err = each(n, func(i int) error { return p.writer.Set(ctx, nameOf(i), value) }); err != nil {
			return nil, err
		}
		now, _ := strconv.ParseFloat(s.Info("memory", "used_memory"), 64) // it is a number
		o.Redis = (now - used) / float64(n)
		if o.Hit, err = each(n, func(i int) error { _, err := p.other.Get(ctx, nameOf(i)); return err }); err != nil {
			return nil, err
		}
		if err := p.close(); err != nil {
			return nil, err
		}
		s.Do("FLUSHALL")
		all = append(all, o)
	}
	return all, nil
}

func growBatches(ctx context.Context, cfg config, s server) (all []batch, err error) {
	for _, keys := range cfg.Batches {
		p, err := newPair(s, "batch-"+strconv.Itoa(keys))
		if err != nil {
			return nil, err
		}
		calls := max(3, min(cfg.Ops, 20_000/keys))
		values := make(map[string]string)
		for i := range calls * keys {
			if values[nameOf(i)] = "value"; len(values) == 100 || i+1 == calls*keys {
				if err := p.writer.SetMany(ctx, values); err != nil {
					return nil, err
				}
				clear(values)
			}
		}
		names := make([]string, keys)
		took, err := each(calls, func(call int) error {
			for i := range names {
				names[i] = nameOf(call*keys + i)
			}
			found, err := p.other.GetMany(ctx, names)
			if err == nil && len(found) != keys {
				err = errors.New("GetMany did not find all keys")
			}
			return err
		})
		if err = errors.Join(err, p.close()); err != nil {
			return nil, err
		}
		all = append(all, batch{keys, took / time.Duration(keys)})
	}
	return all, nil
}

func growTags(ctx context.Context, cfg config, s server) (all []tagged, err error) {
	for _, tags := range cfg.Tags {
		p, err := newPair(s, "tags-"+strconv.Itoa(tags))
		if err != nil {
			return nil, err
		}
		names := make([]string, tags)
		for i := range names {
			names[i] = "tag-" + strconv.Itoa(i)
		}
		o := tagged{Tags: tags}
		if o.Set, err = each(cfg.Ops, func(i int) error { return p.writer.Set(ctx, nameOf(i), "value", tiercache.Tags(names...)) }); err != nil {
			return nil, err
		}
		if o.Hit, err = each(cfg.Ops, func(i int) error { _, err := p.other.Get(ctx, nameOf(i)); return err }); err != nil {
			return nil, err
		}
		if tags > 0 {
			if o.Invalidate, err = each(max(10, cfg.Ops/20), func(int) error { return p.writer.InvalidateTags(ctx, names[0]) }); err != nil {
				return nil, err
			}
		}
		if err := p.close(); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}
