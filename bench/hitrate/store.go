package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// store keeps outcomes in a file, a line each, so that a run that was interrupted can be resumed.
type store struct {
	mu   sync.Mutex
	file *os.File
	have map[string]outcome
}

// kept is a line of the file.
type kept struct {
	Job     string  `json:"job"`
	Outcome outcome `json:"outcome"`
}

// openStore opens a file, with the outcomes that it has.
func openStore(path string) (*store, error) {
	s := &store{have: make(map[string]outcome)}
	if err := s.read(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var err error
	s.file, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	return s, err
}

func (s *store) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var k kept
		if err := json.Unmarshal(lines.Bytes(), &k); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		s.have[k.Job] = k.Outcome
	}
	return lines.Err()
}

// key is what an outcome depends on, the program itself aside.
func (j job) key() string {
	text, _ := json.Marshal(job{Config: j.Config, Arm: j.Arm, Seed: j.Seed}) // plain fields
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func (s *store) keep(j job, o outcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.Marshal(kept{j.key(), o})
	if err == nil {
		_, err = s.file.Write(append(text, '\n'))
	}
	return err
}

// over returns a runner that runs what the store does not have.
func (s *store) over(run runner) runner {
	return func(ctx context.Context, jobs []job) ([]outcome, error) {
		outs := make([]outcome, len(jobs))
		var missing []job
		var places []int
		for i, j := range jobs {
			if have, ok := s.have[j.key()]; ok {
				outs[i] = have
				continue
			}
			missing, places = append(missing, j), append(places, i)
		}
		ran, err := run(ctx, missing)
		for k, at := range places {
			outs[at] = ran[k]
		}
		return outs, err
	}
}
