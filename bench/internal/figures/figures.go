// Package figures turns measurements into what is printed and kept: percentiles, tables, and files
// of raw data.
package figures

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Percentile is the smallest of the values that at least the share p of them does not exceed
// (nearest rank), p from 0 to 1; zero where there are none.
func Percentile(values []time.Duration, p float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Millis shows a duration in milliseconds, to three digits.
func Millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms >= 100:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 10:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return fmt.Sprintf("%.2f ms", ms)
	}
}

// Table lays rows out in columns. The first row is the head.
func Table(rows [][]string) string {
	var text strings.Builder
	tab := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		_, _ = tab.Write([]byte("  " + strings.Join(row, "\t") + "\n")) // a Builder takes everything
	}
	_ = tab.Flush()
	return text.String()
}

// Machine is what a figure depends on beside the program, without a name by which the machine could
// be known.
type Machine struct {
	Go         string `json:"go"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	GOMAXPROCS int    `json:"gomaxprocs"`
}

// ThisMachine describes the machine that measures.
func ThisMachine() Machine {
	return Machine{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, GOMAXPROCS: runtime.GOMAXPROCS(0)}
}

// String is one line for people.
func (m Machine) String() string {
	return fmt.Sprintf("%s %s/%s, GOMAXPROCS %d", m.Go, m.OS, m.Arch, m.GOMAXPROCS)
}

// Save writes raw data as JSON; the empty path writes nothing.
func Save(path string, raw any) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(raw, "", " ")
	if err != nil {
		return fmt.Errorf("figures: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("figures: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("figures: %w", err)
	}
	return nil
}
