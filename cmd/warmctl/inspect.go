package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"

	"github.com/warmcache/warmcache/tiercache"
)

// hot shows the hottest keys of a cache.
func hot(ctx context.Context, t terminal, args []string) error {
	f := newFlags(t, "hot", "CACHE", "the hottest keys of a cache, as the whole fleet reads them")
	n := f.Int("n", 20, "how many, 1 to 10000")
	direct := f.Bool("direct", false, "ask the Redis of REDIS_URL instead of a service")
	admin := f.admin(t)
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *n < 1 || *n > 10_000 {
		return usageError{fmt.Sprintf("-n %d: want 1 to 10000", *n)}
	}
	found := hotKeys{Cache: words[0], Keys: []tiercache.HotKey[string]{}}
	if *direct {
		err = found.fromRedis(ctx, t.env("REDIS_URL"), t.hide, *n)
	} else {
		err = found.fromService(ctx, admin, *n)
	}
	if err != nil {
		return err
	}
	if *f.json {
		return printJSON(t.out, found)
	}
	found.print(t)
	return nil
}

// hotKeys is what the service answers.
type hotKeys struct {
	Cache string                     `json:"cache"`
	Keys  []tiercache.HotKey[string] `json:"keys"`
	Note  string                     `json:"note,omitempty"`
}

func (found *hotKeys) fromService(ctx context.Context, admin func() (*client, error), n int) error {
	c, err := admin()
	if err != nil {
		return err
	}
	defer c.close()
	return c.get(ctx, "hot", url.Values{"cache": {found.Cache}, "n": {strconv.Itoa(n)}}, found)
}

// fromRedis asks as a node of the fleet would, one that reads nothing.
func (found *hotKeys) fromRedis(ctx context.Context, address string, hide redaction, n int) error {
	if address == "" {
		return usageError{"-direct: REDIS_URL is not set"}
	}
	shared, err := openRedis(ctx, address, hide)
	if err != nil {
		return err
	}
	defer shared.close() //nolint:errcheck // it was only read
	c, err := tiercache.New(tiercache.Config[string, []byte]{Name: found.Cache, LearnHot: n, Redis: shared.Redis, Capacity: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return usageError{err.Error()}
	}
	defer c.Close() //nolint:errcheck // nothing is in it
	if hot, err := c.Hot(ctx, n); err != nil || len(hot) > 0 {
		found.Keys = hot
		return err
	}
	return nil
}

func (found *hotKeys) print(t terminal) {
	var all float64
	for _, k := range found.Keys {
		all += k.Reads
	}
	rows := [][]string{{"RANK", "READS", "SHARE", "KEY"}}
	for i, k := range found.Keys {
		rows = append(rows, []string{strconv.Itoa(i + 1), strconv.FormatFloat(k.Reads, 'f', 0, 64), fmt.Sprintf("%.1f %%", 100*k.Reads/all), shown(k.Key)})
	}
	table(t.out, rows)
	switch {
	case found.Note != "":
		say(t.err, "warmctl hot: %s\n", shown(found.Note))
	case len(found.Keys) == 0:
		say(t.err, "warmctl hot: nothing is learned yet\n")
	}
}

// explain says why a read of a key would answer as it does.
func explain(ctx context.Context, t terminal, args []string) error {
	f := newFlags(t, "explain", "CACHE KEY", "why a read of a key would answer as it does at this moment, tier by tier")
	direct := f.Bool("direct", false, directUsage)
	admin := f.admin(t)
	words, err := f.parse(args, 2, 2)
	if err != nil {
		return err
	}
	if *direct {
		return explainHere(ctx, t, f, words[0], words[1])
	}
	c, err := admin()
	if err != nil {
		return err
	}
	defer c.close()
	var raw json.RawMessage
	if err := c.get(ctx, "explain", url.Values{"cache": {words[0]}, "key": {words[1]}}, &raw); err != nil {
		return err
	}
	if *f.json {
		return printJSON(t.out, raw)
	}
	var e tiercache.Explanation
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("the explanation of %s is not understood: %w", c.at, err)
	}
	say(t.out, "%v", e)
	return nil
}

func explainHere(ctx context.Context, t terminal, f flags, cache, key string) error {
	h, err := openHere(ctx, t)
	if err != nil {
		return err
	}
	defer h.close(ctx) //nolint:errcheck // it was only read
	e, err := h.explain(ctx, cache, key)
	if err != nil {
		return err
	}
	if *f.json {
		return printJSON(t.out, e)
	}
	say(t.out, "%v", e)
	return nil
}
