package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// job is one simulation: an arm on a workload with a seed.
type job struct {
	Cell   string `json:"cell"` // of the grid; for the progress alone
	Config config `json:"config"`
	Arm    string `json:"arm"`
	Seed   uint64 `json:"seed"`
}

// A runner runs jobs and returns their outcomes in the jobs' order.
type runner func(ctx context.Context, jobs []job) ([]outcome, error)

// Virtual time is for tests (testing/synctest), so the simulations run in this package's test
// binary, which the program builds and starts: each of its processes takes jobs from stdin and
// writes outcomes to the file that workerEnv names, one a line.
const (
	workerEnv  = "HITRATE_WORKER"
	workerTest = "^TestWorker$"
)

// workers returns a runner with n processes of the test binary, each with a folder of its own whose
// name begins so; nobody else may write there meanwhile. It begins no job once enough fires:
// the outcomes of the others are zero then.
func workers(binary, folders string, n int, enough <-chan time.Time, done func(done, of int, j job, o outcome) error) runner { //nolint:gocognit // one loop over jobs
	return func(ctx context.Context, jobs []job) ([]outcome, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		outs := make([]outcome, len(jobs))
		next := make(chan int)
		go func() {
			defer close(next)
			for i := range jobs {
				select {
				case next <- i:
				case <-enough:
					return
				case <-ctx.Done():
					return
				}
			}
		}()
		errs := make([]error, n)
		var all sync.WaitGroup
		var mu sync.Mutex
		count := 0
		for k := range n {
			all.Go(func() {
				w, err := startWorker(ctx, binary, fmt.Sprintf("%s-%d", folders, k))
				for i := range next {
					if err == nil {
						outs[i], err = w.do(jobs[i])
					}
					if err == nil {
						mu.Lock()
						count++
						err = done(count, len(jobs), jobs[i], outs[i])
						mu.Unlock()
					}
					if err != nil {
						cancel() // the others stop, too
						break
					}
				}
				errs[k] = errors.Join(err, w.close())
			})
		}
		all.Wait()
		return outs, errors.Join(errs...)
	}
}

// worker is a process that simulates.
type worker struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *os.File
	text *bufio.Reader
}

func startWorker(ctx context.Context, binary, folder string) (*worker, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary, "-test.run", workerTest, "-test.timeout", "0")
	cmd.Env = append(os.Environ(), workerEnv+"="+folder)
	cmd.ExtraFiles = []*os.File{w}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	return &worker{cmd: cmd, in: in, out: r, text: bufio.NewReader(r)}, errors.Join(err, w.Close())
}

func (w *worker) do(j job) (out outcome, err error) {
	if err := json.NewEncoder(w.in).Encode(j); err != nil {
		return out, err
	}
	line, err := w.text.ReadBytes('\n')
	if err != nil {
		return out, fmt.Errorf("the process that simulates %s, %s, seed %d has ended: %w", j.Cell, j.Arm, j.Seed, err)
	}
	var a result
	if err := json.Unmarshal(line, &a); err != nil {
		return out, err
	}
	if a.Error != "" {
		return out, errors.New(a.Error)
	}
	return a.Outcome, nil
}

func (w *worker) close() error {
	if w == nil {
		return nil
	}
	return errors.Join(w.in.Close(), w.cmd.Wait(), w.out.Close())
}

// result is what a worker answers.
type result struct {
	Outcome outcome `json:"outcome"`
	Error   string  `json:"error,omitempty"`
}

// files are the databases of a process, one for each number of reports.
type files struct {
	folder string
	open   map[int]*file
}

func (f *files) of(ctx context.Context, reports int) (*file, error) {
	if have, ok := f.open[reports]; ok {
		return have, nil
	}
	path, err := copyOf(ctx, f.folder, reports)
	if err != nil {
		return nil, err
	}
	opened, err := openFile(ctx, path)
	if err != nil {
		return nil, err
	}
	f.open[reports] = opened
	return opened, nil
}
