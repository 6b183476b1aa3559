package tiercache

import (
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
	row := func(tier, what string, value any) { _, _ = fmt.Fprintf(tab, "  %s\t%s\t%v\n", tier, what, value) }
	m := &e.Memory
	row("memory", "present", m.Present)
	if m.Present {
		row("", "not found", m.NotFound)
		row("", "fresh", fmt.Sprintf("%t (%v left)", m.Fresh, round(m.FreshFor)))
		row("", "servable stale", fmt.Sprintf("%t (%v left)", m.Servable, round(m.StaleFor)))
		row("", "age, id", fmt.Sprintf("%v, %s", round(m.Age), m.ID))
		row("", "epoch, tags valid", fmt.Sprintf("%t, %t", m.EpochValid, m.TagsValid))
		row("", "trusted", m.Trusted)
	}
	if r := e.Redis; r != nil {
		r.rows(row)
	}
	row("source", "loader", e.Source.Loader)
	row("", "loading", e.Source.Loading)
	_ = tab.Flush() // a Builder takes everything
	return out.String()
}

func (r *RedisState) rows(row func(tier, what string, value any)) {
	row("redis", "key", strconv.Quote(r.Key))
	row("", "breaker", r.Breaker)
	row("", "pending", r.Pending)
	if r.Error != "" {
		row("", "error", r.Error)
		return
	}
	record := r.Record
	switch {
	case record == "":
		record = "none"
	case r.Corrupt != "":
		record += " (" + r.Corrupt + ")"
	}
	row("", "record", record)
	if r.ID != "" {
		row("", "codec, compression, signed", fmt.Sprintf("%s, %s, %t", r.Codec, r.Packed, r.Signed))
		row("", "size", fmt.Sprintf("%d bytes", r.Size))
		row("", "fresh", fmt.Sprintf("%t (%v left)", r.Fresh, round(r.FreshFor)))
		row("", "servable stale", fmt.Sprintf("%t (%v left)", r.Servable, round(r.StaleFor)))
		row("", "age, id", fmt.Sprintf("%v, %s", round(r.Age), r.ID))
		row("", "tokens valid, outdated", fmt.Sprintf("%t, %t", r.Valid, r.Outdated))
	}
	if r.Lease != "" {
		row("", "lease", fmt.Sprintf("%s (%v left)", r.Lease, round(r.LeaseFor)))
	}
}
