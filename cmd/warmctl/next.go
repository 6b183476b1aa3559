package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/warmcache/warmcache/schedule"
)

// fires is when a schedule fires.
type fires struct {
	Expression  string      `json:"expression"` // canonical
	Description string      `json:"description"`
	Timezone    string      `json:"timezone"`
	Next        []time.Time `json:"next"`
}

// longestExpr is the bound of WARMUP_SCHEDULE.
const longestExpr = 256

// next says when a cron expression fires.
func next(_ context.Context, t terminal, args []string) error {
	f := newFlags(t, "next", "EXPR", "the next times at which a cron expression fires, such as \"0 3 * * *\"")
	n := f.Int("n", 5, "how many times, 1 to 1000")
	zone := f.String("tz", "", "IANA name of the zone in which EXPR is read, such as Europe/Berlin; default the local one")
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *n < 1 || *n > 1000 {
		return usageError{fmt.Sprintf("-n %d: want 1 to 1000", *n)}
	}
	loc := time.Local
	if *zone != "" {
		if loc, err = time.LoadLocation(*zone); err != nil {
			return usageError{fmt.Sprintf("-tz %q: want the IANA name of a time zone, such as Europe/Berlin or UTC", *zone)}
		}
	}
	if len(words[0]) > longestExpr {
		return usageError{fmt.Sprintf("EXPR has %d bytes; want at most %d", len(words[0]), longestExpr)}
	}
	cron, err := schedule.Parse(words[0])
	if err != nil {
		return usageError{err.Error()}
	}
	if cron.Location() != nil {
		loc = cron.Location()
	}
	found := fires{Expression: cron.String(), Description: cron.Describe(), Timezone: loc.String(), Next: []time.Time{}}
	for at := range cron.All(time.Now().In(loc)) {
		if found.Next = append(found.Next, at); len(found.Next) == *n {
			break
		}
	}
	if *f.json {
		err = printJSON(t.out, found)
	} else {
		found.print(t.out)
	}
	if err == nil && len(found.Next) == 0 {
		say(t.err, "warmctl next: it never fires\n")
		err = errFound
	}
	return err
}

func (s fires) print(w io.Writer) {
	say(w, "%s\n%s (%s)\n\n", s.Expression, s.Description, s.Timezone)
	for _, at := range s.Next {
		say(w, "  %s   in %s\n", at.Format("Mon 2006-01-02 15:04:05 -07:00"), span(time.Until(at)))
	}
}

func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
