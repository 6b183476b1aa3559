package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// advice is what to set for one TTL, and why.
type advice struct {
	TTL    time.Duration `json:"ttl"`
	Why    []string      `json:"why"`
	Config string        `json:"config"` // Go
}

// leastWorth is the change, as a share of all reads, from which on a feature is advised: half a
// point.
const leastWorth = 0.005

// worth is the same where two runs of one cache differ by more: twice that.
func (a *adviser) worth() float64 { return max(leastWorth, 2*a.rep.noise(a.ttl)) }

// noise is by how much the shares of two runs of the plain cache differ: which entries the policy
// gives up depends on hashes that are drawn anew each time, and on who was first.
func (r report) noise(ttl time.Duration) (most float64) {
	first := (&adviser{rep: r, ttl: ttl}).arm("none")
	for _, o := range r.Again {
		if o.TTL == ttl {
			most = max(most, math.Abs(o.Miss-first.Miss), math.Abs(o.Mem-first.Mem))
		}
	}
	return most
}

// worthAfter is the same for the first reads after a restart.
const worthAfter = 0.05

// adviser collects the lines of a Config, each with its reason.
type adviser struct {
	rep    report
	ttl    time.Duration
	why    []string
	fields [][2]string // of Config
	loader bool
	engine bool
	renew  bool // the loader, late in its TTL
}

// advise weighs each feature against the plain cache.
func advise(rep report, ttl time.Duration) advice {
	a := &adviser{rep: rep, ttl: ttl}
	a.set("TTL", goDuration(ttl))
	a.set("Capacity", strconv.FormatInt(rep.Settings.Capacity, 10))
	if rep.Settings.Bytes {
		a.set("Cost", "func(key string, v Value) int64 { return int64(len(v)) }")
	}
	if rep.Settings.Redis {
		a.set("Redis", "shared")
	}
	a.capacity()
	a.refresh()
	a.stale()
	a.learned()
	a.list()
	if len(a.why) == 0 {
		a.because("nothing that was tried changes half a point of the reads: a plain cache with this TTL will do")
	}
	none, oracle := a.arm("none"), a.arm("oracle")
	a.because("the plain cache answers %s fresh, one that knows the future %s: no setting gives more", percent(none.Fresh), percent(oracle.Fresh))
	return advice{ttl, a.why, a.config()}
}

func (a *adviser) arm(name string) outcome {
	for _, o := range a.rep.Arms {
		if o.Name == name && o.TTL == a.ttl {
			return o
		}
	}
	return outcome{}
}

func (a *adviser) because(format string, args ...any) {
	a.why = append(a.why, fmt.Sprintf(format, args...))
}

func (a *adviser) set(field, value string) { a.fields = append(a.fields, [2]string{field, value}) }

// capacity compares with half of it and twice as much.
func (a *adviser) capacity() {
	none := a.arm("none")
	for _, o := range a.rep.Sizes {
		switch {
		case o.TTL != a.ttl:
		case o.Capacity > none.Capacity && o.Mem-none.Mem >= 2*a.worth():
			a.because("Capacity: twice as much would answer %s of the reads from memory, not %s: raise it if there is room",
				percent(o.Mem), percent(none.Mem))
		case o.Capacity < none.Capacity && none.Mem-o.Mem < a.worth():
			a.because("Capacity: half of it would do: %s of the reads from memory, not %s", percent(o.Mem), percent(none.Mem))
		}
	}
}

func (a *adviser) refresh() {
	none, with := a.arm("none"), a.arm("refresh")
	if none.Miss-with.Miss < a.worth() {
		return
	}
	a.set("RefreshAt", strconv.FormatFloat(a.rep.Settings.RefreshAt, 'g', -1, 64))
	a.because("RefreshAt: misses fall from %s to %s of the reads, for %s rows of the source",
		percent(none.Miss), percent(with.Miss), change(none.Rows, with.Rows))
}

func (a *adviser) stale() {
	none, with := a.arm("none"), a.arm("stale")
	if none.Miss-with.Miss < a.worth() {
		return
	}
	age := a.rep.Settings.StaleFor
	if age == 0 {
		age = a.ttl
	}
	a.set("StaleFor", goDuration(age))
	a.set("SoftTimeout", "20 * time.Millisecond")
	a.because("StaleFor: misses fall from %s to %s; %s of the reads get a value that is up to %v older than TTL allows, so leave it out where that is wrong",
		percent(none.Miss), percent(with.Miss), percent(with.Stl), age)
}

// learned looks at the first reads after a restart too, as that is what learning is for.
func (a *adviser) learned() {
	none, name := a.arm("none"), "learned"
	if a.rep.Settings.Redis {
		name = "learned+hydrate"
	}
	with := a.arm(name)
	after := ratio(with.AfterFresh, with.AfterReads) - ratio(none.AfterFresh, none.AfterReads)
	if none.Miss-with.Miss < a.worth() && with.Mem-none.Mem < a.worth() && after < worthAfter {
		return
	}
	a.engine = true
	a.set("LearnHot", strconv.Itoa(a.rep.Settings.Hot))
	if none.Restarts == 0 {
		a.because("LearnHot: memory answers %s of the reads, not %s; misses %s, not %s",
			percent(with.Mem), percent(none.Mem), percent(with.Miss), percent(none.Miss))
		return
	}
	a.because("LearnHot: of the first %d reads after a restart memory answers %s, not %s", firstReads,
		percent(ratio(with.AfterFresh, with.AfterReads)), percent(ratio(none.AfterFresh, none.AfterReads)))
}

// list is worth writing where it does more than what is learned.
func (a *adviser) list() {
	name := "learned"
	if a.rep.Settings.Redis {
		name = "learned+hydrate"
	}
	with, again, learned := a.arm("scheduled"), a.arm("renewed"), a.arm(name)
	a.renew = with.Miss-again.Miss >= a.worth()
	if learned.Miss-with.Miss < a.worth() && !a.renew {
		return
	}
	a.engine, a.loader = true, true
	a.because("a loader of the %d most popular keys: misses %s, with learned keys alone %s; it asks for %s rows",
		a.rep.Settings.Top, percent(with.Miss), percent(learned.Miss), change(learned.Rows, with.Rows))
	if a.renew {
		a.because("RefreshAt of the loader: misses fall on to %s; it asks for %s rows, so weigh that", percent(again.Miss), change(learned.Rows, again.Rows))
	}
}

// config is Go, with the fields that were set.
func (a *adviser) config() string {
	var out strings.Builder
	out.WriteString("cache, err := tiercache.New(tiercache.Config[string, Value]{\n\tName: \"mine\",\n\tLoad: load,\n")
	for _, f := range a.fields {
		fmt.Fprintf(&out, "\t%s: %s,\n", f[0], f[1])
	}
	out.WriteString("})\n")
	if a.loader {
		again := ""
		if a.renew {
			again = fmt.Sprintf("\tRefreshAt: %g,\n", a.rep.Settings.RefreshAt)
		}
		fmt.Fprintf(&out, "err = cache.RegisterLoader(tiercache.Loader[string, Value]{\n\tName: \"popular\",\n\tLoad: loadPopular,\n"+
			"\tMaxItems: %d,\n\tRequired: true,\n%s})\n", a.rep.Settings.Top, again)
	}
	if a.engine {
		redis := ""
		if a.rep.Settings.Redis {
			redis = "\tRedis: shared,\n"
		}
		fmt.Fprintf(&out, "engine, err := warm.New(warm.Config{\n%s\tInterval: %s,\n})\nerr = engine.Add(cache)\nerr = engine.Start(ctx)\n<-engine.Ready()\n",
			redis, goDuration(a.rep.Settings.Interval))
	}
	return out.String()
}

// goDuration is a duration as Go writes it in a program.
func goDuration(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "time.Hour"}, {time.Minute, "time.Minute"}, {time.Second, "time.Second"}, {time.Millisecond, "time.Millisecond"}} {
		switch {
		case d == unit.size:
			return unit.name
		case d%unit.size == 0:
			return fmt.Sprintf("%d * %s", d/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d * time.Nanosecond", d)
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func ratio(part, all int) float64 { return float64(part) / float64(max(1, all)) }

// change says how much more or less that is.
func change(before, after int) string {
	by := 100 * (float64(after)/float64(max(1, before)) - 1)
	if by < 0 {
		return fmt.Sprintf("%.0f %% fewer", -by)
	}
	return fmt.Sprintf("%.0f %% more", by)
}
