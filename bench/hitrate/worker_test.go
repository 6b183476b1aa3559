package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
)

// TestWorker is the program's way into virtual time; it is no test. See workers.
func TestWorker(t *testing.T) {
	folder := os.Getenv(workerEnv)
	if folder == "" {
		t.Skip("the program runs this")
	}
	fs := &files{folder: folder, open: make(map[int]*file)}
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.NewFile(3, "outcomes"))
	for {
		var j job
		if err := in.Decode(&j); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		var r result
		o, err := virtually(t, fs, j)
		if r.Outcome = o; err != nil {
			r.Error = err.Error()
		}
		if err := out.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
}

// virtually runs a job in virtual time.
func virtually(t *testing.T, fs *files, j job) (out outcome, err error) {
	t.Helper()
	f, err := fs.of(t.Context(), j.Config.Reports)
	if err != nil {
		return out, err
	}
	synctest.Test(t, func(t *testing.T) { out, err = simulate(t, f, j) })
	if err == nil {
		err = out.check()
	}
	return out, err
}
