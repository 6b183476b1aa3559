package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
)

// fleet is the processes. Only one goroutine uses it.
type fleet struct {
	program, redis string
	view           *view
	running        map[int]*exec.Cmd
	readers        sync.WaitGroup
}

// start begins a process and hands what it reports to the view.
func (f *fleet) start(ctx context.Context, number int) error {
	cmd := exec.CommandContext(ctx, f.program)
	cmd.Env = append(os.Environ(), nodeVariable+"="+strconv.Itoa(number), redisVariable+"="+f.redis)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start process %d: %w", number, err)
	}
	if f.running == nil {
		f.running = make(map[int]*exec.Cmd)
	}
	f.running[number] = cmd
	f.view.begin(number)
	f.readers.Go(func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var r report
			if json.Unmarshal(lines.Bytes(), &r) == nil {
				f.view.update(number, cmd.Process.Pid, r)
			}
		}
		f.view.end(number, cmd.Process.Pid)
	})
	return nil
}

// kill ends a process as the system would, and waits until it is gone.
func (f *fleet) kill(number int) error {
	cmd := f.running[number]
	delete(f.running, number)
	if err := cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill process %d: %w", number, err)
	}
	f.view.forget(number)
	_ = cmd.Wait() // its error is our kill
	return nil
}

func (f *fleet) stop() {
	for number := range f.running {
		_ = f.kill(number) // it may be gone already
	}
	f.readers.Wait()
}
