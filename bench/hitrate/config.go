package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// config is the workload on which all arms are measured. It is read from config.json, which is
// frozen: config.sha256 holds its hash, and both were committed before the results.
//
// Durations are those of the service that is simulated, such as a TTL of an hour. The simulation
// divides them all by Compression: heartbeats, which no hit rate depends on, are most of what an
// idle hour of virtual time costs.
type config struct {
	Hours       int `json:"hours"`         // measured
	BurnInHours int `json:"burn_in_hours"` // before that, not measured
	Compression int `json:"compression"`

	RequestsPerHour float64 `json:"requests_per_hour"` // calibrated: nothing else is tuned
	BurstsPerHour   float64 `json:"bursts_per_hour"`   // part of these requests
	BurstRequests   int     `json:"burst_requests"`
	BurstLasts      span    `json:"burst_lasts"`

	Alpha          float64 `json:"alpha"`             // of Zipf's law, in each cache
	Reports        int     `json:"reports"`           // rows, and so nearly all of the catalogue
	Mix            mix     `json:"mix"`               // shares of the requests
	UnknownShare   float64 `json:"unknown_share"`     // of requests for ids that the database does not have
	DriftPerHour   float64 `json:"drift_per_hour"`    // share of the ranks that another key takes over
	NewReportsHour int     `json:"new_reports_hour"`  // the latest report is the most read one
	FlashAtHour    float64 `json:"flash_at_hour"`     // of the measured ones
	FlashLasts     span    `json:"flash_lasts"`       //
	FlashShare     float64 `json:"flash_share"`       // of all requests, for one key of the tail
	ServiceMedian  span    `json:"service_median"`    // of a query; lognormal
	ServiceSigma   float64 `json:"service_sigma"`     //
	Connections    int     `json:"connections"`       // of the database
	Restart        string  `json:"restart,omitempty"` // see restarts
	RestartAtHour  float64 `json:"restart_at_hour,omitempty"`
	Nodes          int     `json:"nodes"`
	Seeds          int     `json:"seeds"`
}

// mix is how the requests are shared out among the five caches.
type mix struct {
	Brands    float64 `json:"brand_stats"`
	Reports   float64 `json:"report_info"`
	Questions float64 `json:"question_stats"`
	Users     float64 `json:"user_stats"`
	Responses float64 `json:"api_response"`
}

func (m mix) shares() [numCaches]float64 {
	return [numCaches]float64{m.Brands, m.Reports, m.Questions, m.Users, m.Responses}
}

// span is a duration whose JSON is text such as 40ms.
type span time.Duration

func (s span) MarshalText() ([]byte, error) { //nolint:unparam // an encoding.TextMarshaler
	return []byte(time.Duration(s).String()), nil
}

func (s span) String() string { return time.Duration(s).String() }

func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = span(d)
	return err
}

// virtual is how long something of the service's day takes in the simulation.
func (c config) virtual(d time.Duration) time.Duration { return d / time.Duration(c.Compression) }

// hours is a time of the service's day in the simulation.
func (c config) hours(h float64) time.Duration {
	return c.virtual(time.Duration(h * float64(time.Hour)))
}

// measured is when the measured part of a run begins and ends.
func (c config) measured() (from, to time.Duration) {
	return c.hours(float64(c.BurnInHours)), c.hours(float64(c.BurnInHours + c.Hours))
}

func (c config) check() error {
	var errs []error
	for _, f := range []struct {
		name string
		good bool
	}{
		{"hours must be at least 1", c.Hours >= 1},
		{"burn_in_hours must not be negative", c.BurnInHours >= 0},
		{"compression must be from 1 to 12", c.Compression >= 1 && c.Compression <= 12},
		{"requests_per_hour must be above 0", c.RequestsPerHour > 0},
		{"reports must be at least 1000", c.Reports >= 1000},
		{"drift_per_hour must be from 0 to 1", c.DriftPerHour >= 0 && c.DriftPerHour <= 1},
		{"nodes must be from 1 to 8", c.Nodes >= 1 && c.Nodes <= 8},
		{"seeds must be at least 2", c.Seeds >= 2},
		{"connections must be at least 1", c.Connections >= 1},
	} {
		if !f.good {
			errs = append(errs, errors.New(f.name))
		}
	}
	return errors.Join(errs...)
}

// readConfig returns the configuration of a file and the hash of the file's bytes.
func readConfig(path string) (c config, hash string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return c, "", err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, "", fmt.Errorf("%s: %w", path, err)
	}
	if err := c.check(); err != nil {
		return c, "", fmt.Errorf("%s: %w", path, err)
	}
	sum := sha256.Sum256(text)
	return c, hex.EncodeToString(sum[:]), nil
}

// frozenHash is the hash that was committed beside a configuration.
func frozenHash(path string) string {
	text, err := os.ReadFile(strings.TrimSuffix(path, ".json") + ".sha256")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// freeze writes a configuration and its hash.
func freeze(path string, c config) error {
	text, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	sum := sha256.Sum256(text)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(path, ".json")+".sha256", []byte(hex.EncodeToString(sum[:])+"\n"), 0o644)
}
