package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// programStart is one start of brandapi on a database that is filled.
type programStart struct {
	Reports   int           `json:"reports"`
	WarmRedis bool          `json:"warm_redis"` // an earlier start has warmed Redis
	Listening time.Duration `json:"listening_ns"`
	Answered  time.Duration `json:"answered_ns"` // both from the exec; the second to the last byte of the first answer
	Cache     string        `json:"cache"`       // the tier that it came from
}

// build compiles brandapi into a folder.
func build(ctx context.Context, folder string) (string, error) {
	program := filepath.Join(folder, "brandapi")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/warmcache/warmcache/examples/brandapi").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build brandapi: %w\n%s", err, out)
	}
	return program, nil
}

var (
	listening = regexp.MustCompile(`msg=listening url=(\S+)`)
	runEnded  = regexp.MustCompile(`msg="warm: run ended"`)
)

// measure starts the program with its default configuration, asks it for a brand as soon as it
// listens, lets it warm, and stops it.
func (s *programStart) measure(ctx context.Context, program, path, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Dir = filepath.Dir(program)
	cmd.Env = []string{"ADDR=127.0.0.1:0", "DATABASE_URL=" + path, "REDIS_URL=redis://" + addr}
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	var all []byte
	asked := false
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		all = append(append(all, lines.Bytes()...), '\n')
		if found := listening.FindStringSubmatch(lines.Text()); found != nil {
			s.Listening = time.Since(began)
			s.Cache, err = ask(ctx, found[1]+"/api/brands/Nike")
			s.Answered = time.Since(began)
			asked = true
		}
		if asked && (err != nil || runEnded.Match(lines.Bytes())) {
			err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM))
			break
		}
	}
	_, _ = io.Copy(io.Discard, log) // until it is gone
	err = errors.Join(err, cmd.Wait())
	switch {
	case !asked:
		return fmt.Errorf("it never listened: %w\n%s", err, all)
	case err != nil:
		return fmt.Errorf("%w\n%s", err, all)
	}
	return nil
}

func ask(ctx context.Context, url string) (tier string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return response.Header.Get("X-Cache"), err
}
