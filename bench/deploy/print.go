package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
	"github.com/warmcache/warmcache/bench/internal/plot"
)

// drowned says that more than a tenth of the last requests failed.
func (o *outcome) drowned() bool { return 10*o.Last.Errors > o.Last.Requests }

// String is the tables.
func (r result) String() string {
	var out strings.Builder
	c := r.Config
	fmt.Fprintf(&out, "%v, Redis on loopback; %d nodes, %d keys, Zipf %.2f, %d requests a second with a deadline of %v, seed %d\n",
		r.Machine, c.Nodes, c.Keys, c.Alpha, c.Rate, c.Deadline, c.Seed)
	fmt.Fprintf(&out, "source: 10 connections, lognormal service times, median 40 ms, σ 0.8: some 180 queries a second\n")
	for _, e := range events(c) {
		fmt.Fprintf(&out, "\n%s\n\n%s", e.name, figures.Table(r.windows(e.name)))
	}
	fmt.Fprintf(&out, "\nCold start, both tiers empty, at full load from the first moment: the last quarter of %v\n\n%s", c.Cold, figures.Table(r.cold()))
	return out.String()
}

func (r result) windows(name string) [][]string {
	rows := [][]string{{"arm", "ready after", "window", "p50", "p95", "p99", "errors", "source queries", "each waited"}}
	for _, o := range r.Events {
		if o.Event != name {
			continue
		}
		for i, w := range append([]window{o.Before}, o.After...) {
			first, ready, span := "", "", "before"
			if i == 0 {
				first, ready = o.Arm, figures.Millis(o.Ready)
			} else {
				span = fmt.Sprintf("first %v", w.To)
			}
			rows = append(rows, []string{
				first, ready, span, figures.Millis(w.P50), figures.Millis(w.P95), figures.Millis(w.P99), share(w), strconv.Itoa(w.Queries), figures.Millis(w.Waited),
			})
		}
	}
	return rows
}

func (r result) cold() [][]string {
	rows := [][]string{{"requests a second", "arm", "ready after", "p50", "p99", "errors", "source queries", "each waited", "errors in the first 10 s", ""}}
	for _, o := range r.Cold {
		verdict, early := "recovered", "-"
		if o.drowned() {
			verdict = "drowned"
		}
		for _, w := range o.After {
			if w.To == 10*time.Second {
				early = share(w)
			}
		}
		rows = append(rows, []string{
			strconv.Itoa(o.Rate), o.Arm, figures.Millis(o.Ready), figures.Millis(o.Last.P50), figures.Millis(o.Last.P99), share(o.Last),
			strconv.Itoa(o.Last.Queries), figures.Millis(o.Last.Waited), early, verdict,
		})
	}
	return rows
}

func share(w window) string {
	return fmt.Sprintf("%.1f %%", 100*float64(w.Errors)/float64(max(1, w.Requests)))
}

// save writes the raw data, the tables and the plots.
func (r result) save(path string) error {
	if err := figures.Save(path+".json", r); err != nil {
		return err
	}
	text := "# go run ./bench/deploy\n\n## Tables\n\n```\n" + r.String() + "```\n\n## Plot\n\n![p99 and errors, second by second](deploy.svg)\n"
	if err := os.WriteFile(path+".md", []byte(text), 0o644); err != nil {
		return err
	}
	return plot.Save(path, r.charts()...)
}

// charts are p99 and errors, second by second: of each event, and of the cold start with the
// highest rate that is as the events'.
func (r result) charts() (all []plot.Chart) {
	add := func(title string, of []outcome) {
		p99 := plot.Chart{Title: title, X: "seconds after", Y: "p99 in ms", LogY: true}
		load := plot.Chart{Title: title, X: "seconds after", Y: "errors in % (of the requests of each second)"}
		for _, o := range of {
			ms, errors := plot.Line{Name: o.Arm}, plot.Line{Name: o.Arm}
			for _, s := range o.Seconds {
				ms.X, ms.Y = append(ms.X, float64(s.At)), append(ms.Y, float64(s.P99)/float64(time.Millisecond))
				errors.X, errors.Y = append(errors.X, float64(s.At)), append(errors.Y, 100*s.Errors)
			}
			p99.Lines, load.Lines = append(p99.Lines, ms), append(load.Lines, errors)
		}
		all = append(all, p99, load)
	}
	n := len(arms())
	for i := 0; i+n <= len(r.Events); i += n {
		add(r.Events[i].Event, r.Events[i:i+n])
	}
	for i := 0; i+n <= len(r.Cold); i += n {
		add(fmt.Sprintf("cold start, %d requests a second", r.Cold[i].Rate), r.Cold[i:i+n])
	}
	return all
}
