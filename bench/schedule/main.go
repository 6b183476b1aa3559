// Command schedule measures a scheduler with 10,000 jobs: start-up, memory, CPU while idle, and how
// late runs begin.
//
//	go run ./bench/schedule [-jobs 10000] [-seconds 20]
//
// It prints its table and writes bench/results/schedule-jobs.json. Idle means that no job is due;
// firing spreads the jobs over the seconds of a minute by jitter-free cron expressions, and one
// burst has every job due in the same second.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/warmcache/warmcache/schedule"
)

type figures struct {
	Jobs        int     `json:"jobs"`
	Go          string  `json:"go"`
	Procs       int     `json:"gomaxprocs"`
	AddMillis   float64 `json:"add_ms"`
	StartMillis float64 `json:"start_ms"`
	BytesPerJob float64 `json:"bytes_per_job"`
	Goroutines  int     `json:"goroutines_idle"`
	IdlePercent float64 `json:"idle_cpu_percent"`
	Spread      late    `json:"spread"`
	Burst       late    `json:"burst"`
	StopMillis  float64 `json:"stop_ms"`
}

// late is how late runs began, in microseconds.
type late struct {
	Runs int     `json:"runs"`
	P50  float64 `json:"p50_us"`
	P99  float64 `json:"p99_us"`
	Max  float64 `json:"max_us"`
}

func main() {
	jobs := flag.Int("jobs", 10_000, "how many jobs")
	seconds := flag.Int("seconds", 20, "how long each part is measured")
	flag.Parse()
	if err := run(*jobs, time.Duration(*seconds)*time.Second); err != nil {
		slog.Error("benchmark failed", slog.Any("error", err))
		os.Exit(1)
	}
}

func run(jobs int, span time.Duration) error {
	f := figures{Jobs: jobs, Go: runtime.Version(), Procs: runtime.GOMAXPROCS(0)}
	if err := f.idle(jobs, span); err != nil {
		return err
	}
	// one job in ten is due in each second
	var err error
	if f.Spread, err = f.firing(jobs, span, func(i int) string { return strconv.Itoa(i%10) + "-59/10 * * * * *" }); err != nil {
		return err
	}
	if f.Burst, err = f.firing(jobs, span, func(int) string { return "*/10 * * * * *" }); err != nil {
		return err
	}
	fmt.Printf("%d jobs, %s, GOMAXPROCS %d\n", f.Jobs, f.Go, f.Procs)
	fmt.Printf("parse and Add      %10.1f ms\n", f.AddMillis)
	fmt.Printf("Start              %10.1f ms\n", f.StartMillis)
	fmt.Printf("memory             %10.0f bytes a job\n", f.BytesPerJob)
	fmt.Printf("goroutines, idle   %10d\n", f.Goroutines)
	fmt.Printf("CPU, idle          %10.3f %% of one core\n", f.IdlePercent)
	for _, l := range []struct {
		name string
		late
	}{{"spread", f.Spread}, {"burst", f.Burst}} {
		fmt.Printf("late, %-12s p50 %6.0f µs, p99 %6.0f µs, max %6.0f µs over %d runs\n", l.name, l.P50, l.P99, l.Max, l.Runs)
	}
	fmt.Printf("Stop               %10.1f ms\n", f.StopMillis)
	return f.write()
}

// idle measures start-up, memory and CPU with jobs that are due once a year.
func (f *figures) idle(jobs int, span time.Duration) error {
	before := heapBytes()
	goroutines := runtime.NumGoroutine()
	s := schedule.New(schedule.Config{})
	start := time.Now()
	for i := range jobs {
		day := time.Now().AddDate(0, 0, 60+i%200)
		c, err := schedule.Parse(fmt.Sprintf("%d %d %d %d *", i%60, i%24, min(day.Day(), 28), day.Month()))
		if err != nil {
			return err
		}
		if err := s.Add(schedule.Job{Name: "job-" + strconv.Itoa(i), Schedule: c, Run: func(context.Context) error { return nil }}); err != nil {
			return err
		}
	}
	f.AddMillis = millis(time.Since(start))
	start = time.Now()
	if err := s.Start(context.Background()); err != nil {
		return err
	}
	f.StartMillis = millis(time.Since(start))
	f.BytesPerJob = float64(heapBytes()-before) / float64(jobs)
	f.Goroutines = runtime.NumGoroutine() - goroutines
	cpu := cpuTime()
	<-time.After(span)
	f.IdlePercent = 100 * float64(cpuTime()-cpu) / float64(span)
	start = time.Now()
	err := s.Stop(context.Background())
	f.StopMillis = millis(time.Since(start))
	return err
}

// firing measures how late runs begin that are due by the wall clock.
func (f *figures) firing(jobs int, span time.Duration, expr func(i int) string) (late, error) {
	started := make([][]float64, jobs) // a job never overlaps itself
	s := schedule.New(schedule.Config{History: -1})
	for i := range jobs {
		c, err := schedule.Parse(expr(i))
		if err != nil {
			return late{}, err
		}
		err = s.Add(schedule.Job{Name: "job-" + strconv.Itoa(i), Schedule: c, Run: func(ctx context.Context) error {
			now := time.Now()
			r, ok := schedule.RunFromContext(ctx)
			if !ok {
				return errors.New("no run in the context")
			}
			started[i] = append(started[i], float64(now.Sub(r.Due).Nanoseconds())/1e3)
			return nil
		}})
		if err != nil {
			return late{}, err
		}
	}
	ctx := context.Background()
	if err := s.Start(ctx); err != nil {
		return late{}, err
	}
	<-time.After(span)
	if err := s.Stop(ctx); err != nil {
		return late{}, err
	}
	all := slices.Concat(started...)
	slices.Sort(all)
	n := len(all)
	if n == 0 {
		return late{}, errors.New("no run at all")
	}
	return late{Runs: n, P50: all[n/2], P99: all[n*99/100], Max: all[n-1]}, nil
}

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// cpuTime is what this process has used, in user and system mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

func (f *figures) write() error {
	text, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	dir := filepath.Join("bench", "results")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, "schedule-jobs.json")
	fmt.Println("raw figures in", path)
	return os.WriteFile(path, append(text, '\n'), 0o600)
}
