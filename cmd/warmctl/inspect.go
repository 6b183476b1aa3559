package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/warmcache/warmcache/tiercache"
)

// hot shows the hottest keys of a cache.
func hot(ctx context.Context, t terminal, args []string) error {
	f := newFlags(t, "hot", "CACHE", "the hottest keys of a cache, as the whole fleet reads them")
	n := f.Int("n", 20, "how many, 1 to 10000")
	admin := f.admin(t)
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *n < 1 || *n > 10_000 {
		return usageError{fmt.Sprintf("-n %d: want 1 to 10000", *n)}
	}
	c, err := admin()
	if err != nil {
		return err
	}
	defer c.close()
	var found struct {
		Cache string                     `json:"cache"`
		Keys  []tiercache.HotKey[string] `json:"keys"`
		Note  string                     `json:"note,omitempty"`
	}
	if err := c.get(ctx, "hot", url.Values{"cache": {words[0]}, "n": {strconv.Itoa(*n)}}, &found); err != nil {
		return err
	}
	if *f.json {
		return printJSON(t.out, found)
	}
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
	return nil
}

// explain says why a read of a key would answer as it does.
func explain(ctx context.Context, t terminal, args []string) error {
	f := newFlags(t, "explain", "CACHE KEY", "why a read of a key would answer as it does at this moment, tier by tier")
	admin := f.admin(t)
	words, err := f.parse(args, 2, 2)
	if err != nil {
		return err
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
		return fmt.Errorf("the explanation of %s is not understood: %w", c.base, err)
	}
	say(t.out, "%v", e)
	return nil
}
