package main

import (
	"fmt"
	"os"
	"strings"
)

// bar draws progress on a terminal; elsewhere it draws nothing.
type bar struct {
	out   *os.File // nil where it is no terminal
	total int
	shown int // the last percentage
}

func newBar(out *os.File, total int) *bar {
	if info, err := out.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		out = nil
	}
	return &bar{out: out, total: total, shown: -1}
}

// show says how much is done.
func (b *bar) show(done int) {
	percent := done * 100 / max(1, b.total)
	if b.out == nil || percent == b.shown {
		return
	}
	b.shown = percent
	const width = 40
	full := min(width, percent*width/100)
	_, _ = fmt.Fprintf(b.out, "\r  %s%s %3d %%", strings.Repeat("█", full), strings.Repeat("░", width-full), percent)
}

// end leaves the line.
func (b *bar) end() {
	if b.out != nil && b.shown >= 0 {
		_, _ = fmt.Fprintln(b.out)
	}
}
