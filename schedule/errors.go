package schedule

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Errors of a [Scheduler]. They are wrapped with the name of the job.
var (
	ErrNeverRuns  = errors.New("never runs")            // the schedule has no due time: an impossible date, or one that has passed
	ErrDuplicate  = errors.New("name is already taken") // two jobs of one name
	ErrUnknownJob = errors.New("unknown job")           // no job has the name
	ErrNotStarted = errors.New("not started")           // Stop or Trigger before Start
	ErrStarted    = errors.New("already started")       // a second Start
	ErrStopped    = errors.New("stopped")               // after Stop
	ErrGoexit     = errors.New("run ended its goroutine by runtime.Goexit")
)

// ParseError says what is wrong with an expression.
type ParseError struct {
	Expr  string // the expression as it was given
	Field string // "minute", "day of month", …, "time zone", "nickname", "interval" or "expression"
	Text  string // the faulty part
	Pos   int    // where Text begins in Expr, in bytes from 0
	Want  string // what is right
}

// Error returns one line with the field, the text, its column (from 1) and what is right.
func (e *ParseError) Error() string {
	return fmt.Sprintf("schedule: parse %q: %s %q at column %d: want %s", short(e.Expr), e.Field, short(e.Text), e.Pos+1, e.Want)
}

// Caret returns two lines for a terminal: the expression, and a caret under each character of the
// fault. Characters that would break the lines are shown as '?'.
func (e *ParseError) Caret() string {
	line := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, e.Expr)
	before, width := utf8.RuneCountInString(e.Expr[:e.Pos]), utf8.RuneCountInString(e.Text)
	return line + "\n" + strings.Repeat(" ", before) + strings.Repeat("^", max(1, width))
}

// short bounds what an error repeats of a text.
func short(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

func (p *parser) fail(field string, at span, want string) *ParseError {
	return &ParseError{Expr: p.text, Field: field, Text: p.text[at.from:at.to], Pos: at.from, Want: want}
}
