package main

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// trace is a sequence of reads.
type trace struct {
	name     string
	keys     []uint64
	distinct int
}

func newTrace(name string, keys []uint64) trace {
	seen := make(map[uint64]bool)
	for _, k := range keys {
		seen[k] = true
	}
	return trace{name, keys, len(seen)}
}

// format reads one access after the other, as far as yield takes them. The formats are those of the
// simulators that the traces come from.
type format func(r *bufio.Reader, yield func(uint64) bool) error

// formats by the file's extension before ".gz".
func formats() map[string]format {
	return map[string]format{".be32": binaryKeys(4), ".be64": binaryKeys(8), ".lirs": lirsKeys, ".arc": arcKeys}
}

func binaryKeys(width int) format {
	return func(r *bufio.Reader, yield func(uint64) bool) error {
		var b [8]byte
		for {
			switch _, err := io.ReadFull(r, b[8-width:]); {
			case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
				return nil
			case err != nil:
				return err
			}
			if !yield(binary.BigEndian.Uint64(b[:])) {
				return nil
			}
		}
	}
}

// lirsKeys is one decimal key a line; lines with * are marks.
func lirsKeys(r *bufio.Reader, yield func(uint64) bool) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.Contains(text, "*") {
			continue
		}
		key, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return err
		}
		if !yield(key) {
			return nil
		}
	}
	return lines.Err()
}

// arcKeys is "start count ..." a line: the reads of start to start+count-1.
func arcKeys(r *bufio.Reader, yield func(uint64) bool) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var start, count uint64
		if _, err := fmt.Sscan(lines.Text(), &start, &count); err != nil {
			return err
		}
		for i := range count {
			if !yield(start + i) {
				return nil
			}
		}
	}
	return lines.Err()
}

// recorded reads every trace of a folder, each up to most accesses.
func recorded(folder string, most int) ([]trace, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.gz"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no trace (*.gz) in %s", folder)
	}
	var all []trace
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".gz")
		read := formats()[filepath.Ext(name)]
		if read == nil {
			return nil, fmt.Errorf("%s: unknown format", file)
		}
		keys, err := readKeys(file, read, most)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, newTrace(strings.TrimSuffix(name, filepath.Ext(name)), keys))
	}
	return all, nil
}

func readKeys(file string, read format, most int) (keys []uint64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	plain, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	err = read(bufio.NewReader(plain), func(k uint64) bool {
		keys = append(keys, k)
		return len(keys) < most
	})
	return keys, err
}
