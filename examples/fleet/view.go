package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/warmcache/warmcache/warm"
)

// view shows what the processes report: on a terminal a table that is drawn over itself, elsewhere
// a line for each change.
type view struct {
	out      *os.File
	terminal bool

	mu      sync.Mutex
	changed chan struct{} // holds one
	rows    map[int]row
	past    int64 // queries of processes that are no more
	drawn   int   // lines of the table on the terminal
}

type row struct {
	pid  int
	last report
	gone bool
}

func newView(out *os.File) *view {
	v := &view{out: out, changed: make(chan struct{}, 1), rows: make(map[int]row)}
	if info, err := out.Stat(); err == nil {
		v.terminal = info.Mode()&os.ModeCharDevice != 0
	}
	return v
}

// say prints a line above the table.
func (v *view) say(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drawn = 0 // what is there stays
	v.print(fmt.Sprintf("\n"+format+"\n\n", args...))
	v.draw()
}

// begin forgets what an earlier process of the number has said, but for its queries.
func (v *view) begin(number int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.past += v.rows[number].last.Queries
	v.rows[number] = row{}
	v.draw()
}

func (v *view) update(number, pid int, r report) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before := v.rows[number]
	if before.gone {
		return // the last words of one that was killed
	}
	v.rows[number] = row{pid: pid, last: r}
	if before.last == r {
		return
	}
	if v.terminal {
		v.draw()
	} else if r.State != before.last.State || r.Role != before.last.Role || r.Ready != before.last.Ready {
		v.print(v.line(number) + "\n")
	}
	v.signal()
}

// forget notes that a process is about to be killed.
func (v *view) forget(number int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.rows[number]
	r.gone, r.last.Ready = true, false
	v.rows[number] = r
	v.draw()
}

// end notes that a process has ended by itself.
func (v *view) end(number, pid int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.rows[number]; r.pid == pid {
		r.gone, r.last.Ready = true, false
		v.rows[number] = r
	}
	v.signal()
}

func (v *view) signal() {
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

// await waits until so many processes are ready.
func (v *view) await(ctx context.Context, want int) error {
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for {
		v.mu.Lock()
		ready := 0
		for _, r := range v.rows {
			if r.last.Ready {
				ready++
			}
			if r.gone {
				v.mu.Unlock()
				return fmt.Errorf("process %d has ended", r.pid)
			}
		}
		v.mu.Unlock()
		if ready == want {
			return nil
		}
		select {
		case <-v.changed:
		case <-limit.C:
			return fmt.Errorf("only %d of %d processes are ready after a minute", ready, want)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// queries is how often the database was asked, by all processes there ever were.
func (v *view) queries() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.past
	for _, r := range v.rows {
		n += r.last.Queries
	}
	return n
}

// draw draws the table over itself. v.mu is held.
func (v *view) draw() {
	if !v.terminal {
		return
	}
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	for number := 1; number <= nodes; number++ {
		b.WriteString("\x1b[2K" + v.line(number) + "\n")
	}
	v.drawn = nodes
	v.print(b.String())
}

// print writes; where nobody reads any more the demonstration goes on for itself.
func (v *view) print(text string) { _, _ = v.out.WriteString(text) }

func (v *view) line(number int) string {
	r := v.rows[number]
	const width = 30
	filled := min(width, r.last.Memory*width/(pages*pageRows))
	bar := strings.Repeat("█", filled) + strings.Repeat("░", width-filled)
	return fmt.Sprintf("process %d  %s  %4d in memory  %2d queries  %s", number, bar, r.last.Memory, r.last.Queries, doing(r))
}

func doing(r row) string {
	switch {
	case r.gone:
		return "killed"
	case r.last.Ready && r.last.Role == warm.RoleLeader:
		return "ready: it asked the database"
	case r.last.Ready:
		return "ready: filled from Redis"
	case r.last.State != string(warm.TaskRunning):
		return "starts"
	case r.last.Role == warm.RoleLeader:
		return "leads: asks the database"
	case r.last.Memory > 0:
		return "follows: fills memory from Redis"
	default:
		return "follows: waits for the leader"
	}
}
