package tiercache

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// sentence follows the steps of a read.
func sentence(e *Explanation) string {
	m := &e.Memory
	switch {
	case m.Fresh && m.NotFound:
		return fmt.Sprintf("A read returns ErrNotFound from memory: the source had no such key %v ago.", round(m.Age))
	case m.Fresh && !m.Trusted:
		return fmt.Sprintf("A read is answered from memory for another %v, although other nodes' invalidations cannot be heard.", round(min(m.FreshFor, m.DegradedFor)))
	case m.Fresh:
		return fmt.Sprintf("A read is answered from memory: the value is %v old and fresh for another %v.", round(m.Age), round(m.FreshFor))
	case m.Servable && m.BackOff > 0:
		return "A read serves memory's stale value: a load of the key has just failed."
	}
	why := m.why()
	if e.Source.Loading {
		return "A read joins the look-up of the key that is under way in this process: " + why + "."
	}
	return beyondMemory(e, why)
}

// beyondMemory is the rest of a read that memory does not answer.
func beyondMemory(e *Explanation, why string) string {
	r := e.Redis
	switch {
	case r == nil:
		return load(e, why)
	case r.Pending:
		return load(e, why+", and Redis has yet to hear of an invalidation of the key")
	case r.Error != "":
		return load(e, why+", and Redis cannot be asked")
	case r.Fresh && r.Record == "not found":
		return fmt.Sprintf("A read returns ErrNotFound from Redis: %s, and the source had no such key %v ago.", why, round(r.Age))
	case r.Fresh:
		return fmt.Sprintf("A read is answered from Redis: %s, and the record is %v old and fresh for another %v.", why, round(r.Age), round(r.FreshFor))
	}
	why += ", and " + r.why()
	switch {
	case r.Lease == "held":
		return fmt.Sprintf("A read waits for the load that another read has begun somewhere: %s%s.", why, meanwhile(e))
	case r.Lease == "back-off" && (e.Memory.Servable || r.Servable):
		return fmt.Sprintf("A read serves a stale value: %s, and a load has just failed.", why)
	case r.Lease == "back-off" && r.bound:
		return fmt.Sprintf("A read fails: %s, and a load on this node failed less than %v ago.", why, backOffLife)
	default:
		return load(e, why)
	}
}

func load(e *Explanation, why string) string {
	if e.Source.Loader == "" {
		return "A read returns ErrNotFound, as the cache has no loader: " + why + "."
	}
	return fmt.Sprintf("A read loads from the source (%s): %s%s.", e.Source.Loader, why, meanwhile(e))
}

// meanwhile is what is served if the load fails or is slow.
func meanwhile(e *Explanation) string {
	var left time.Duration
	if e.Memory.Servable {
		left = e.Memory.StaleFor
	}
	if e.Redis != nil && e.Redis.Servable {
		left = max(left, e.Redis.StaleFor)
	}
	if left == 0 {
		return ""
	}
	return fmt.Sprintf("; if the load fails, a stale value is served, for another %v", round(left))
}

// why is the reason for which memory does not answer.
func (m *MemoryState) why() string {
	switch {
	case !m.Present:
		return "memory has nothing"
	case m.FreshFor == 0:
		return "memory's entry is past its time"
	case !m.TagsValid:
		return "a tag of memory's entry was invalidated"
	case !m.EpochValid:
		return "memory's entry must be validated, as it was cleared or notices may have been missed"
	default:
		return "memory's entry is not trusted, as other nodes' invalidations cannot be heard"
	}
}

// why is the reason for which Redis does not answer.
func (r *RedisState) why() string {
	switch {
	case r.Record == "":
		return "Redis has nothing"
	case r.Record == "hold":
		return "Redis has only the mark of an invalidation"
	case r.Corrupt != "":
		return "the record in Redis is unreadable (" + r.Corrupt + ")"
	case r.Outdated:
		return "the record in Redis is older than this node's last invalidation of the key"
	case !r.Valid:
		return "the record in Redis was ended by Clear or by a tag"
	default:
		return "the record in Redis is past its time"
	}
}

func round(d time.Duration) time.Duration {
	if d >= time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// String is the explanation as a table for people.
func (e Explanation) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %q: %s\n", e.Cache, e.Key, e.Verdict)
	tab := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	e.Memory.rows(tierRows{tab, "memory", false})
	if r := e.Redis; r != nil {
		r.rows(tierRows{tab, "redis", false})
	}
	source := tierRows{tab, "source", false}
	source.row("loader", cmp.Or(e.Source.Loader, "none"))
	source.row("loading", e.Source.Loading)
	_ = tab.Flush() // a Builder takes everything
	return out.String()
}

// tierRows prints the fields of one tier, each on a line of its own.
type tierRows struct {
	tab   *tabwriter.Writer
	tier  string
	named bool
}

// row prints a field, unless it is empty.
func (t *tierRows) row(what string, value any) {
	text := fmt.Sprint(value)
	if text == "" {
		return
	}
	tier := t.tier
	if t.named {
		tier = ""
	}
	t.named = true
	_, _ = fmt.Fprintf(t.tab, "  %s\t%s\t%s\n", tier, what, text)
}

// lasting prints a field with how long it is so.
func (t *tierRows) lasting(what string, value any, left time.Duration) {
	t.row(what, fmt.Sprintf("%v (%v left)", value, round(left)))
}

// span prints a duration, unless it is none.
func (t *tierRows) span(what string, d time.Duration) {
	if d > 0 {
		t.row(what, round(d))
	}
}

func (m *MemoryState) rows(t tierRows) {
	t.row("present", m.Present)
	if !m.Present {
		return
	}
	t.row("not found", m.NotFound)
	t.lasting("fresh", m.Fresh, m.FreshFor)
	t.lasting("servable stale", m.Servable, m.StaleFor)
	t.row("age", round(m.Age))
	t.row("id", m.ID)
	t.row("epoch valid", m.EpochValid)
	t.row("tags valid", m.TagsValid)
	t.row("trusted", m.Trusted)
	t.span("degraded for", m.DegradedFor)
	t.span("back-off for", m.BackOff)
	if m.RefreshDue {
		t.row("refresh due", m.RefreshDue)
	}
}

func (r *RedisState) rows(t tierRows) {
	t.row("key", strconv.Quote(r.Key))
	t.row("breaker", r.Breaker)
	t.row("pending", r.Pending)
	if r.Error != "" {
		t.row("error", r.Error)
		return
	}
	record := cmp.Or(r.Record, "none")
	if r.Corrupt != "" {
		record += " (" + r.Corrupt + ")"
	}
	t.row("record", record)
	if r.ID != "" {
		t.row("codec", r.Codec)
		t.row("compression", r.Packed)
		t.row("signed", r.Signed)
		t.row("size", fmt.Sprintf("%d bytes", r.Size))
		t.lasting("fresh", r.Fresh, r.FreshFor)
		t.lasting("servable stale", r.Servable, r.StaleFor)
		t.row("age", round(r.Age))
		t.row("id", r.ID)
		t.row("tokens valid", r.Valid)
		t.row("outdated", r.Outdated)
	}
	if r.Lease != "" {
		t.lasting("lease", r.Lease, r.LeaseFor)
	}
}
