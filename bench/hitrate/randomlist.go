package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
)

// randomTask is how the placebo's tasks are called.
const randomTask = "random_"

// listed is how many entries the built-in loaders warm by default.
const listed = 20 + 100 + 20 + 50 + 2

// ownList is a list that the simulation has given to the caches. Its values come from caches of
// its own, which hold nothing, so that the same queries are asked as for any other list.
type ownList struct{ values *loaders.Caches }

func (o *ownList) close() error { return o.values.Close() }

// randomList registers as many keys as the built-in loaders warm, drawn from the whole catalogue:
// the same ones on all nodes.
func (h *host) randomList(ctx context.Context, to *loaders.Caches) (*ownList, error) {
	values, err := loaders.Open(ctx, h.db, nil, loaders.Config{
		BrandTTL: time.Nanosecond, ReportTTL: time.Nanosecond, QuestionTTL: time.Nanosecond, UserTTL: time.Nanosecond, ResponseTTL: time.Nanosecond,
		NegativeTTL: -1, Logger: logger(),
	})
	if err != nil {
		return nil, err
	}
	var keys catalogue
	rng := rand.New(rand.NewPCG(h.seed, 0x9a11))
	for range listed {
		at := rng.IntN(h.cat.size())
		for cache := range h.cat {
			if at < len(h.cat[cache]) {
				keys[cache] = append(keys[cache], h.cat[cache][at])
				break
			}
			at -= len(h.cat[cache])
		}
	}
	o := &ownList{values: values}
	for _, err := range []error{
		register(to.Brands, values.Brands, keys[brandCache]),
		register(to.Reports, values.Reports, keys[reportCache]),
		register(to.Questions, values.Questions, keys[questionCache]),
		register(to.Users, values.Users, keys[userCache]),
		register(to.Responses, values.Responses, keys[responseCache]),
	} {
		if err != nil {
			return nil, err
		}
	}
	return o, nil
}

func register[V any](to, from *tiercache.Cache[string, V], keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	return to.RegisterLoader(tiercache.Loader[string, V]{
		Name: randomTask + from.Name(), RefreshAt: 0.8, Required: true,
		Load: func(ctx context.Context, emit func(string, V) error) error {
			all, err := from.GetMany(ctx, keys)
			if err != nil {
				return err
			}
			for key, value := range all {
				if err := emit(key, value); err != nil {
					return err
				}
			}
			return nil
		},
	})
}
