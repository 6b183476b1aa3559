package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// read is one read of the trace. The key is a hash of its text, so that a long key costs no more
// than a short one; two of a hundred million keys share a hash with a probability of 0.03 %.
type read struct {
	at   int64 // Unix time in nanoseconds
	key  uint64
	size int32 // bytes of the value; 0 where the trace does not say
}

// noted is what a reader saw beside the reads that it returned.
type noted struct {
	Lines     int            `json:"lines"` // records, where the format has no lines
	Reads     int            `json:"reads"`
	Skipped   map[string]int `json:"skipped"` // whole lines that are no reads, by reason
	Broken    int            `json:"broken"`
	Examples  []string       `json:"examples,omitempty"` // of broken lines, the first three
	Backwards int            `json:"out_of_order"`       // reads whose time lay before that of an earlier line; they count at the later time
	Far       int            `json:"far_out_of_order"`   // of these, by more than farBack
	Furthest  time.Duration  `json:"furthest,omitempty"` // by how much, the worst of them
	Distinct  int            `json:"distinct_keys"`      // exact up to distinctMost, then a lower bound
	FirstAt   time.Time      `json:"first"`
	LastAt    time.Time      `json:"last"`
	Paced     float64        `json:"paced,omitempty"` // reads a second that were assumed, as the format has no time
}

const distinctMost = 2_000_000

// skipError is the reason why a whole line is no read.
type skipError string

func (e skipError) Error() string { return string(e) }

// lineParser turns one line into a read. The line is valid during the call alone.
type lineParser interface {
	parse(line []byte) (read, error)
}

// reader yields the reads of a file in bounded memory, in the order of time.
type reader struct {
	name   string
	in     *bufio.Reader
	close  func() error
	next   func() (read, error) // of the format; a *brokenError may be followed by further reads
	noted  noted
	seen   map[uint64]struct{}
	last   int64
	broken float64 // the share of lines that may be broken
}

// brokenError says which line cannot be read, and what would be right.
type brokenError struct {
	line int
	why  string
}

func (e *brokenError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.why) }

const longestLine = 64 << 10

// open opens a trace, compressed or not. "-" is the standard input.
func open(path, format string, rate, broken float64) (*reader, error) {
	file := os.Stdin
	if path != "-" {
		var err error
		if file, err = os.Open(path); err != nil {
			return nil, err
		}
	}
	r := &reader{name: path, close: file.Close, seen: make(map[uint64]struct{}), broken: broken}
	r.noted.Skipped = make(map[string]int)
	in := bufio.NewReaderSize(file, longestLine)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) { // a shorter file is no gzip file
		plain, err := gzip.NewReader(in)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: it begins as a gzip file and is none: %w", path, err), file.Close())
		}
		in = bufio.NewReaderSize(plain, longestLine)
	}
	r.in = in
	if err := r.setFormat(format, rate); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	return r, nil
}

// read returns the next read, or io.EOF. Any other error ends the trace.
func (r *reader) read() (read, error) {
	for {
		one, err := r.next()
		var broken *brokenError
		var skip skipError
		switch {
		case errors.As(err, &broken):
			if err := r.noteBroken(broken); err != nil {
				return read{}, err
			}
		case errors.As(err, &skip):
			r.noted.Skipped[string(skip)]++
		case errors.Is(err, io.EOF):
			return read{}, r.end()
		case err != nil:
			return read{}, fmt.Errorf("%s: after line %d: %w", r.name, r.noted.Lines, err)
		default:
			r.note(&one)
			return one, nil
		}
	}
}

// farBack is more than servers write late, which log a request when it ends. Where many reads are
// that far out of order the file is not sorted, and ages mean nothing.
const farBack = time.Minute

// enough lines must have been read before a share of them says something.
const enough = 1000

func (r *reader) noteBroken(broken *brokenError) error {
	r.noted.Broken++
	if len(r.noted.Examples) < 3 {
		r.noted.Examples = append(r.noted.Examples, broken.Error())
	}
	if r.noted.Lines >= enough && float64(r.noted.Broken) > r.broken*float64(r.noted.Lines) {
		return r.tooMany()
	}
	return nil
}

func (r *reader) tooMany() error {
	return fmt.Errorf("%s: %d of the first %d lines cannot be read (-broken allows a share of %g); the first: %s",
		r.name, r.noted.Broken, r.noted.Lines, r.broken, r.noted.Examples[0])
}

func (r *reader) note(one *read) {
	if r.noted.Reads == 0 {
		r.noted.FirstAt = time.Unix(0, one.at).UTC()
		r.last = one.at
	}
	if one.at < r.last {
		r.noted.Backwards++
		late := time.Duration(r.last - one.at)
		r.noted.Furthest = max(r.noted.Furthest, late)
		if late > farBack {
			r.noted.Far++
		}
		one.at = r.last
	}
	r.last = one.at
	r.noted.Reads++
	if len(r.seen) < distinctMost {
		r.seen[one.key] = struct{}{}
	}
}

// end judges the whole trace.
func (r *reader) end() error {
	r.noted.LastAt = time.Unix(0, r.last).UTC()
	r.noted.Distinct = len(r.seen)
	switch {
	case r.noted.Broken > 0 && float64(r.noted.Broken) > r.broken*float64(r.noted.Lines):
		return r.tooMany()
	case float64(r.noted.Far) > r.broken*float64(r.noted.Reads):
		return fmt.Errorf("%s: %d of %d reads are more than %v older than one before them, the worst by %v (-broken allows a share of %g): sort the lines by time, or merge the logs of several servers by it",
			r.name, r.noted.Far, r.noted.Reads, farBack, r.noted.Furthest.Round(time.Second), r.broken)
	case r.noted.Reads == 0 && r.noted.Lines == 0:
		return fmt.Errorf("%s: the file is empty: it must have a read a line", r.name)
	case r.noted.Reads == 0:
		return fmt.Errorf("%s: none of its %d lines is a read; skipped: %s", r.name, r.noted.Lines, r.noted.reasons())
	}
	return io.EOF
}

// reasons says why lines were skipped.
func (n *noted) reasons() string {
	var all []string
	for _, why := range slices.Sorted(maps.Keys(n.Skipped)) {
		all = append(all, fmt.Sprintf("%d: %s", n.Skipped[why], why))
	}
	return strings.Join(all, "; ")
}

// line returns the next line without its end. A line that is too long is broken, and is passed over
// without being held.
func (r *reader) line() ([]byte, error) {
	text, err := r.in.ReadSlice('\n')
	if errors.Is(err, io.EOF) && len(text) == 0 {
		return nil, io.EOF
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	r.noted.Lines++
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.in.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, &brokenError{r.noted.Lines, fmt.Sprintf("longer than %d bytes", longestLine)}
	}
	return bytes.TrimRight(text, "\r\n"), nil
}

// lines reads each line with p.
func (r *reader) lines(p lineParser) func() (read, error) {
	return func() (read, error) {
		text, err := r.line()
		if err != nil {
			return read{}, err
		}
		if len(text) == 0 {
			return read{}, skipError("empty")
		}
		one, err := p.parse(text)
		var skip skipError
		if err != nil && !errors.As(err, &skip) {
			return read{}, &brokenError{r.noted.Lines, err.Error()}
		}
		return one, err
	}
}

// hashOf is FNV-1a with a final mix, so that the low bits of similar keys differ too.
func hashOf(text []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range text {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return mix(h)
}

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
