package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fileOf writes a trace into a file of its own.
func fileOf(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readAll reads a trace to its end.
func readAll(t *testing.T, path, format string) (reads []read, seen noted, err error) {
	t.Helper()
	r, err := open(path, format, 10, 0.5)
	if err != nil {
		return nil, noted{}, err
	}
	defer r.close() //nolint:errcheck // it was read alone
	for {
		one, err := r.read()
		switch {
		case errors.Is(err, io.EOF):
			return reads, r.noted, nil
		case err != nil:
			return reads, r.noted, err
		}
		reads = append(reads, one)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	const line = `192.0.2.1 - ann [10/Oct/2024:13:55:36 -0700] "GET /a?b=\"c\" HTTP/1.1" 200 2326`
	at := time.Date(2024, 10, 10, 20, 55, 36, 0, time.UTC).UnixNano()
	key := hashOf([]byte("k"))
	for _, tt := range []struct {
		name, file, text string
		want             []read
		skipped, broken  int
		example          string
	}{
		{"common", "a.log", line + "\n", []read{{at, hashOf([]byte(`/a?b=\"c\"`)), 2326}}, 0, 0, ""},
		{"combined, no end of line", "a", line + ` "http://x/" "agent"`, []read{{at, hashOf([]byte(`/a?b=\"c\"`)), 2326}}, 0, 0, ""},
		{"no size", "a.log", strings.Replace(line, "2326", "-", 1), []read{{at, hashOf([]byte(`/a?b=\"c\"`)), 0}}, 0, 0, ""},
		{
			"writes and errors are no reads", "a.log", line + "\n" + strings.Replace(line, "GET", "PUT", 1) + "\n" + strings.Replace(line, " 200 ", " 500 ", 1) + "\n\n",
			[]read{{at, hashOf([]byte(`/a?b=\"c\"`)), 2326}},
			3, 0, "",
		},
		{"a broken line", "a.log", line + "\nfoo\n", []read{{at, hashOf([]byte(`/a?b=\"c\"`)), 2326}}, 0, 1, "line 2: no time in brackets"},
		{"a bad month", "a.log", line + "\n" + strings.Replace(line, "Oct", "Okt", 1) + "\n", []read{{at, hashOf([]byte(`/a?b=\"c\"`)), 2326}}, 0, 1, `line 2: time "10/Okt`},
		{"csv", "a.csv", "1728593736,k,12\n", []read{{at, key, 12}}, 0, 0, ""},
		{"csv, milliseconds, no size", "a.csv", "1728593736000,k\n", []read{{at, key, 0}}, 0, 0, ""},
		{"csv, fractions", "a.csv", "1728593736.5,k\n", []read{{at + 5e8, key, 0}}, 0, 0, ""},
		{"csv, RFC 3339, quoted", "a.csv", "\"2024-10-10T20:55:36Z\",\"k\"\n", []read{{at, key, 0}}, 0, 0, ""},
		{"csv with a head, in another order", "a.csv", "User,Bytes,Key,Time\nu,3,k,2024-10-10 20:55:36\n", []read{{at, key, 3}}, 1, 0, ""},
		{"tabs", "a.tsv", "1728593736\tk\t12\n", []read{{at, key, 12}}, 0, 0, ""},
		{"a separator in a quoted key", "a.csv", "1728593736,\"k,\"\"1\"\n", []read{{at, hashOf([]byte(`k,"1`)), 0}}, 0, 0, ""},
		{"csv, too few columns", "a.csv", "1728593736,k\n1728593736\n", []read{{at, key, 0}}, 0, 1, "line 2: 1 columns"},
		{"csv, no key", "a.csv", "1728593736,k\n1728593736,\n", []read{{at, key, 0}}, 0, 1, "line 2: no key"},
		{"csv, no end of a quote", "a.csv", "1728593736,k\n1728593736,\"k\n", []read{{at, key, 0}}, 0, 1, "line 2: a quoted field"},
		{"csv, a bad time", "a.csv", "1728593736,k\nyesterday,k\n", []read{{at, key, 0}}, 0, 1, `line 2: time "yesterday"`},
		{"csv, a negative size", "a.csv", "1728593736,k,1\n1728593736,k,-1\n", []read{{at, key, 1}}, 0, 1, `line 2: size "-1"`},
		{"keys", "a", "k\nk\n", []read{{0, mix(key), 0}, {1e8, mix(key), 0}}, 0, 0, ""},
		{"lirs", "a.lirs", "7\n*\n8\nx\n", []read{{0, mix(7), 0}, {1e8, mix(8), 0}}, 1, 1, `line 4: "x"`},
		{"arc", "a.arc", "7 2 0 1\n9 x\n", []read{{0, mix(7), 0}, {1e8, mix(8), 0}}, 0, 1, "line 2:"},
		{"be32, cut off", "a.be32", "\x00\x00\x00\x07\x00", []read{{0, mix(7), 0}}, 0, 1, "line 2: the last record"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, seen, err := readAll(t, fileOf(t, tt.file, []byte(tt.text)), "auto")
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("read %v, want %v", got, tt.want)
			}
			skipped := 0
			for _, n := range seen.Skipped {
				skipped += n
			}
			if skipped != tt.skipped || seen.Broken != tt.broken || !strings.Contains(strings.Join(seen.Examples, "\n"), tt.example) {
				t.Errorf("%+v, want %d lines skipped, and %d broken: %s", seen, tt.skipped, tt.broken, tt.example)
			}
		})
	}
}

func TestRead_whatCannotBe(t *testing.T) {
	t.Parallel()
	var cut bytes.Buffer
	zip := gzip.NewWriter(&cut)
	_, _ = zip.Write(bytes.Repeat([]byte("1728593736,k\n"), 1000)) // a Buffer takes everything
	_ = zip.Flush()
	for _, tt := range []struct {
		name, file string
		content    []byte
		want       string
	}{
		{"empty", "a.log", nil, "the file is empty"},
		{"nothing but writes", "a.log", []byte(`h - - [10/Oct/2024:13:55:36 -0700] "PUT /a HTTP/1.1" 200 2` + "\n"), "none of its 1 lines is a read; skipped: 1: method other than GET and HEAD"},
		{"not sorted", "a.csv", []byte("1000,k\n100,k\n50,k\n60,k\n"), "3 of 4 reads are more than 1m0s older than one before them, the worst by 15m50s"},
		{"noise", "a.log", []byte("\x00\xff\x1b[\n\x80\x00\n"), "2 of the first 2 lines cannot be read"},
		{"another format", "a.log", []byte("{}\n{}\n"), "2 of the first 2 lines cannot be read (-broken allows a share of 0.5); the first: line 1"},
		{"many broken lines end it early", "a.csv", []byte("1,k\n" + strings.Repeat("x\n", 5000)), "of the first 1000 lines"},
		{"gzip that is cut off", "a.csv.gz", cut.Bytes(), "after line 1000: unexpected EOF"},
		{"no gzip", "a.csv.gz", []byte{0x1f, 0x8b, 1}, "it begins as a gzip file and is none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := fileOf(t, tt.file, tt.content)
			_, _, err := readAll(t, path, "auto")
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, want the file's name and %q", err, tt.want)
			}
		})
	}
}

func TestRead_longLinesAreNotHeld(t *testing.T) {
	t.Parallel()
	text := "1728593736,k\n1728593736," + strings.Repeat("x", 3*longestLine) + "\n1728593737,k\n"
	got, seen, err := readAll(t, fileOf(t, "a.csv", []byte(text)), "auto")
	if err != nil || len(got) != 2 || seen.Broken != 1 || !strings.HasPrefix(seen.Examples[0], "line 2: longer") {
		t.Errorf("%d reads, %+v, %v: want two reads around a broken line", len(got), seen, err)
	}
}

func TestRead_timeNeverGoesBack(t *testing.T) {
	t.Parallel()
	got, seen, err := readAll(t, fileOf(t, "a.csv", []byte("10,a\n8,b\n11,c\n")), "auto")
	if err != nil || len(got) != 3 || got[1].at != 10e9 || seen.Backwards != 1 || seen.Far != 0 || seen.Furthest != 2*time.Second {
		t.Errorf("%v, %+v, %v: want the second read at the time of the first", got, seen, err)
	}
}
