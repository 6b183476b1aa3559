package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// setFormat chooses how the trace is read. "auto" goes by the file's name, then by its first line.
func (r *reader) setFormat(format string, rate float64) error {
	if format == "auto" {
		format = r.guess()
	}
	keys := map[string]func() (uint64, error){
		"keys": r.textKeys, "lirs": r.lirsKeys, "arc": r.arcKeys(), "be32": r.binaryKeys(4), "be64": r.binaryKeys(8),
	}[format]
	switch {
	case format == "log":
		r.next = r.lines(&logParser{})
	case format == "csv":
		r.next = r.lines(&csvParser{})
	case keys != nil:
		r.next = r.paced(keys, rate)
	default:
		return fmt.Errorf("-format %q: it must be auto, log (common or combined), csv, keys, lirs, arc, be32 or be64", format)
	}
	return nil
}

// paced gives times to the keys of a format that has none.
func (r *reader) paced(keys func() (uint64, error), rate float64) func() (read, error) {
	r.noted.Paced = rate
	step, n := float64(time.Second)/rate, 0
	return func() (read, error) {
		key, err := keys()
		one := read{at: int64(float64(n) * step), key: mix(key)}
		if err == nil {
			n++
		}
		return one, err
	}
}

// guess tells the format by the file's name or, for want of a known one, by its first line.
func (r *reader) guess() string {
	name := strings.TrimSuffix(r.name, ".gz")
	switch ext := strings.TrimPrefix(filepath.Ext(name), "."); ext {
	case "log", "csv", "keys", "lirs", "arc", "be32", "be64":
		return ext
	case "tsv":
		return "csv"
	}
	first, _ := r.in.Peek(4 << 10) // a shorter file gives what it has
	first, _, _ = bytes.Cut(first, []byte("\n"))
	switch {
	case bytes.Contains(first, []byte(" [")) && bytes.Contains(first, []byte("\"")):
		return "log"
	case bytes.ContainsAny(first, ",\t;"):
		return "csv"
	}
	return "keys"
}

// textKeys is one key a line, of any text.
func (r *reader) textKeys() (uint64, error) {
	text, err := r.line()
	if err == nil && len(text) == 0 {
		err = skipError("empty")
	}
	return hashOf(text), err
}

// lirsKeys is one decimal key a line; lines with * are marks.
func (r *reader) lirsKeys() (uint64, error) {
	text, err := r.line()
	if err != nil {
		return 0, err
	}
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0:
		return 0, skipError("empty")
	case bytes.IndexByte(text, '*') >= 0:
		return 0, skipError("mark")
	}
	key, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0, &brokenError{r.noted.Lines, fmt.Sprintf("%.40q is no decimal key", text)}
	}
	return key, nil
}

// mostCount bounds one line of an ARC trace: more is no request, but a broken line.
const mostCount = 1 << 20

// arcKeys is "start count ..." a line: the reads of start to start+count-1.
func (r *reader) arcKeys() func() (uint64, error) {
	var start, left uint64
	return func() (uint64, error) {
		for left == 0 {
			text, err := r.line()
			if err != nil {
				return 0, err
			}
			if _, err := fmt.Sscan(string(text), &start, &left); err != nil || left > mostCount {
				left = 0
				return 0, &brokenError{r.noted.Lines, fmt.Sprintf("%.40q must begin with a block's number and a count up to %d", text, mostCount)}
			}
		}
		start, left = start+1, left-1
		return start - 1, nil
	}
}

// binaryKeys is one big-endian key after the other.
func (r *reader) binaryKeys(width int) func() (uint64, error) {
	return func() (uint64, error) {
		var b [8]byte
		switch _, err := io.ReadFull(r.in, b[8-width:]); {
		case errors.Is(err, io.EOF):
			return 0, io.EOF
		case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
			return 0, err
		case err != nil:
			r.noted.Lines++
			return 0, &brokenError{r.noted.Lines, fmt.Sprintf("the last record has fewer than %d bytes", width)}
		}
		r.noted.Lines++
		return binary.BigEndian.Uint64(b[:]), nil
	}
}
