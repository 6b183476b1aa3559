// Command replay tells, for a trace of your own, what share of the reads each way of warming would
// have answered, what it would have cost the source, and which settings follow from that.
//
//	go run ./bench/replay -log access.log
//	go run ./bench/replay -csv reads.csv -capacity 64MiB -ttl 5m,1h -restart 24h
//
// It reads the common and combined log formats, CSV with time, key and optionally size, and formats
// of keys alone, each compressed with gzip or not, in bounded memory. docs/replay.md says what it
// models, and how far that can be trusted.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "replay: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	path, format string
	rate, broken float64
	json         bool
	ttls         []time.Duration
	settings
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	r, err := open(o.path, o.format, o.rate, o.broken)
	if err != nil {
		return err
	}
	defer r.close() //nolint:errcheck // it was read alone
	rep, err := replay(ctx, r, o.settings, o.ttls)
	if err != nil {
		return err
	}
	if o.json {
		text := json.NewEncoder(out)
		text.SetIndent("", " ")
		return text.Encode(rep)
	}
	_, err = fmt.Fprint(out, rep)
	return err
}

// parse reads the flags. Every bad one is named.
func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("replay", flag.ContinueOnError)
	log := f.String("log", "", "access log, common or combined `file`; - is the standard input")
	csv := f.String("csv", "", "`file` of time, key and optionally size")
	keys := f.String("keys", "", "`file` of keys alone, read at -rate")
	f.StringVar(&o.format, "format", "", "of the file: auto, log, csv, keys, lirs, arc, be32 or be64 (default: by flag; auto for -keys)")
	capacity := f.String("capacity", "100000", "of memory: entries, or bytes as in 64MiB")
	ttls := f.String("ttl", "1h", "one or several `durations`: 5m,1h")
	f.DurationVar(&o.Restart, "restart", 24*time.Hour, "the process starts again so often; 0 = never")
	f.BoolVar(&o.Redis, "redis", true, "behind memory is a Redis that outlives restarts")
	f.Float64Var(&o.RefreshAt, "refresh-at", 0.8, "Config.RefreshAt of the arms that refresh")
	f.DurationVar(&o.StaleFor, "stale-for", 0, "Config.StaleFor of the arms that serve stale; 0 = as long as the TTL")
	f.IntVar(&o.Hot, "hot", 0, "Config.LearnHot of the arms that learn; 0 = a tenth of the capacity in entries, 500 at least, 10000 at most")
	f.DurationVar(&o.HalfLife, "hot-half-life", 10*time.Minute, "Config.HotHalfLife")
	f.IntVar(&o.Top, "top", 0, "keys that the scheduled loader emits; 0 = as many as -hot")
	f.DurationVar(&o.Interval, "interval", time.Hour, "between two warm runs")
	f.Float64Var(&o.rate, "rate", 100, "reads a second, where the format has no time")
	f.Float64Var(&o.broken, "broken", 0.05, "the share of lines that may be unreadable")
	f.BoolVar(&o.json, "json", false, "print JSON")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var bad []error
	if f.NArg() > 0 {
		bad = append(bad, fmt.Errorf("unexpected argument %q: the file is given with -log, -csv or -keys", f.Arg(0)))
	}
	bad = append(bad, o.setFile(map[string]string{"log": *log, "csv": *csv, "auto": *keys}))
	o.Capacity, o.Bytes, err = capacityOf(*capacity)
	bad = append(bad, err)
	o.ttls, err = ttlsOf(*ttls)
	bad = append(bad, err, o.check())
	return o, errors.Join(bad...)
}

// setFile takes the one file that was named. Its flag says its format, unless -format does.
func (o *options) setFile(files map[string]string) error {
	for format, path := range files {
		switch {
		case path == "":
		case o.path != "":
			return errors.New("name one file with -log, -csv or -keys, not several")
		default:
			o.path = path
			if o.format == "" {
				o.format = format
			}
		}
	}
	if o.path == "" {
		return errors.New("name a file: -log access.log, -csv reads.csv or -keys trace.lirs.gz")
	}
	return nil
}

const mostCapacity = 1 << 40

// check fills in what follows from the capacity, and judges the rest.
func (o *options) check() error {
	var bad []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			bad = append(bad, fmt.Errorf(format, args...))
		}
	}
	if o.Hot == 0 {
		o.Hot = 500
		if !o.Bytes {
			o.Hot = int(min(max(500, o.Capacity/10), 10_000))
		}
	}
	if o.Top == 0 {
		o.Top = o.Hot
	}
	must(o.Hot > 0 && o.Hot <= 100_000, "-hot %d must be from 1 to 100000", o.Hot)
	must(o.Top > 0, "-top %d must be above 0", o.Top)
	must(o.RefreshAt > 0 && o.RefreshAt < 1, "-refresh-at %v must be between 0 and 1", o.RefreshAt)
	must(o.StaleFor >= 0, "-stale-for %v is negative", o.StaleFor)
	must(o.HalfLife >= time.Second, "-hot-half-life %v must be at least 1s", o.HalfLife)
	must(o.Interval >= time.Second, "-interval %v must be at least 1s", o.Interval)
	must(o.Restart == 0 || o.Restart >= time.Second, "-restart %v must be 0 or at least 1s", o.Restart)
	must(o.rate > 0 && o.rate <= 1e9, "-rate %v must be above 0 and at most 1e9", o.rate)
	must(o.broken >= 0 && o.broken <= 1, "-broken %v must be from 0 to 1", o.broken)
	return errors.Join(bad...)
}

// capacityOf reads entries ("100000") or bytes ("64MiB", "1GB").
func capacityOf(text string) (n int64, inBytes bool, err error) {
	digits := strings.TrimRight(text, "KMGTiBkb")
	scale, ok := map[string]int64{
		"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	}[text[len(digits):]]
	n, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || !ok || n < 1 || n > mostCapacity/scale {
		return 0, false, fmt.Errorf("-capacity %q must be entries (100000) or bytes (64MiB, 1GB), at most 1TiB", text)
	}
	return n * scale, len(digits) < len(text), nil
}

func ttlsOf(text string) (all []time.Duration, err error) {
	for one := range strings.SplitSeq(text, ",") {
		d, err := time.ParseDuration(strings.TrimSpace(one))
		if err != nil || d < time.Second || d > 30*24*time.Hour {
			return nil, fmt.Errorf("-ttl %q must be one or several durations from 1s to 720h: 5m,1h", text)
		}
		all = append(all, d)
	}
	return all, nil
}
