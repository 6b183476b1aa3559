package urls

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// longestLine bounds a log line; a longer one counts as broken.
const longestLine = 64 << 10

// file counts the lines of one log.
func (c *counter) file(ctx context.Context, name string) (err error) {
	f, err := os.Open(name) //nolint:gosec // the caller names it
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	limit := orDefault(c.log.MaxBytes, defaultLogBytes)
	lines := bufio.NewReaderSize(f, longestLine)
	zipped, err := isGzip(lines)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case zipped:
		unzip, err := gzip.NewReader(lines)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		lines = bufio.NewReaderSize(unzip, longestLine)
	default:
		if err := c.seek(f, lines, limit); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := c.lines(ctx, lines, limit); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// isGzip reports whether what comes begins as gzip does.
func isGzip(r *bufio.Reader) (bool, error) {
	magic, err := r.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return bytes.Equal(magic, []byte{0x1f, 0x8b}), nil
}

// seek goes to the first line of the last bytes of a plain file that is longer than limit.
func (c *counter) seek(f *os.File, lines *bufio.Reader, limit int64) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() <= limit {
		return err
	}
	if _, err := f.Seek(-limit-1, io.SeekEnd); err != nil {
		return err
	}
	c.report.Shortened++
	lines.Reset(f)
	for { // the rest of a line, or no more than its line break
		_, err := lines.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			return ignoreEOF(err)
		}
	}
}

// lines counts lines until the end, or until limit bytes were read.
func (c *counter) lines(ctx context.Context, r *bufio.Reader, limit int64) error {
	long := false // within a line that is too long
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		text, err := r.ReadSlice('\n')
		if limit -= int64(len(text)); limit < 0 {
			c.report.Shortened++
			return nil
		}
		full := errors.Is(err, bufio.ErrBufferFull)
		switch {
		case long, full:
			if !full { // the end of a line that is too long
				c.report.Lines++
				c.report.Broken++
			}
			long = full
		case len(text) > 0 && (err == nil || errors.Is(err, io.EOF)):
			c.line(text)
		}
		if err != nil && !full {
			return ignoreEOF(err)
		}
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
