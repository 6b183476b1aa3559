package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// csvParser reads "time,key" or "time,key,size" a line, separated by commas, tabs or semicolons,
// whichever the first line has. Where the first line names its columns they may stand in any order,
// beside others.
type csvParser struct {
	separator     byte
	at, key, size int // columns; size is -1 where there is none
	fields        []string
}

// names of columns, in lower case.
func columnNames() (at, key, size []string) {
	return []string{"time", "timestamp", "ts", "at", "date"}, []string{"key", "url", "path", "id", "object"}, []string{"size", "bytes", "length"}
}

func (p *csvParser) parse(line []byte) (one read, err error) {
	if p.separator == 0 {
		if head := p.begin(string(line)); head {
			return one, skipError("head")
		}
	}
	if err := p.split(string(line)); err != nil {
		return one, err
	}
	if most := max(p.at, p.key, p.size); most >= len(p.fields) {
		return one, fmt.Errorf("%d columns, want at least %d: time, key and, optionally, size", len(p.fields), most+1)
	}
	if one.at, err = timeOf(p.fields[p.at]); err != nil {
		return one, err
	}
	if p.fields[p.key] == "" {
		return one, errors.New("no key")
	}
	one.key = hashOf([]byte(p.fields[p.key]))
	if p.size >= 0 {
		text := strings.TrimSpace(p.fields[p.size])
		size, err := strconv.ParseInt(text, 10, 32)
		if err != nil || size < 0 {
			return one, fmt.Errorf("size %.40q must be a number of bytes from 0 to %d", text, math.MaxInt32)
		}
		one.size = int32(size)
	}
	return one, nil
}

// begin looks at the first line, and reports whether it names the columns.
func (p *csvParser) begin(line string) (head bool) {
	p.separator, p.at, p.key, p.size = ',', 0, 1, -1
	if i := strings.IndexAny(line, ",\t;"); i >= 0 {
		p.separator = line[i]
	}
	if p.split(line) != nil {
		return false
	}
	atNames, keyNames, sizeNames := columnNames()
	column := func(names []string) int {
		return slices.IndexFunc(p.fields, func(f string) bool { return slices.Contains(names, strings.ToLower(strings.TrimSpace(f))) })
	}
	at, key := column(atNames), column(keyNames)
	if at >= 0 && key >= 0 {
		p.at, p.key, p.size = at, key, column(sizeNames)
		return true
	}
	if len(p.fields) > 2 {
		p.size = 2
	}
	return false
}

// split cuts a line into fields. A quoted one may hold separators, and quotes doubled; it ends in
// its line.
func (p *csvParser) split(line string) error {
	p.fields = p.fields[:0]
	for {
		if !strings.HasPrefix(line, `"`) {
			field, rest, more := strings.Cut(line, string(p.separator))
			p.fields = append(p.fields, field)
			if !more {
				return nil
			}
			line = rest
			continue
		}
		field, rest, err := unquote(line)
		if err != nil {
			return err
		}
		p.fields = append(p.fields, field)
		if rest == "" {
			return nil
		}
		if rest[0] != p.separator {
			return errors.New("text follows a quoted field: double the quotes inside it")
		}
		line = rest[1:]
	}
}

func unquote(line string) (field, rest string, err error) {
	var text strings.Builder
	for i := 1; i < len(line); i++ {
		if line[i] != '"' {
			text.WriteByte(line[i])
			continue
		}
		if i+1 == len(line) || line[i+1] != '"' {
			return text.String(), line[i+1:], nil
		}
		text.WriteByte('"')
		i++
	}
	return "", "", errors.New("a quoted field has no end in this line")
}

// timeOf reads RFC 3339, "2006-01-02 15:04:05", or a Unix time in seconds, milliseconds,
// microseconds or nanoseconds: which of them is told by its size.
func timeOf(text string) (int64, error) {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		for _, unit := range []struct{ below, nanos int64 }{{9e9, 1e9}, {9e12, 1e6}, {9e15, 1e3}} {
			if n < unit.below {
				return n * unit.nanos, nil
			}
		}
		return n, nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 0 && f < 9e9 {
		return int64(f * 1e9), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UnixNano(), nil
		}
	}
	return 0, fmt.Errorf("time %.40q must be RFC 3339, 2006-01-02 15:04:05, or Unix seconds, ms, µs or ns", text)
}
