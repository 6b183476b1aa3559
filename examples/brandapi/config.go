package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/dsn"
	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/warm"
)

// config is what the environment says.
type config struct {
	addr       string         // ADDR
	database   dsn.Database   // DATABASE_URL
	redis      *redis.Options // REDIS_URL; nil is an embedded Redis
	timeout    time.Duration  // REDIS_TIMEOUT: bound on one operation
	adminToken string         // ADMIN_TOKEN
	reports    int            // DEMO_REPORTS: how many an empty database is filled with
	warm       warm.Config
	loaders    loaders.Config
}

const (
	defaultAddr     = "127.0.0.1:8080"
	defaultDatabase = "brandapi.db"
	defaultReports  = 100_000
	mostReports     = 10_000_000

	// Over the 100 ms of tiercache: here the database is in the process, and its queries keep all
	// cores busy while a warm-up runs. The embedded Redis stands behind the same queue, and cannot
	// be away.
	defaultTimeout  = 250 * time.Millisecond
	embeddedTimeout = 2 * time.Second
	shortestTimeout = time.Millisecond
	longestTimeout  = 10 * time.Second
)

// configFromEnv reads all variables; the error names every bad one, and no secret.
func configFromEnv() (config, error) {
	var errs [7]error
	cfg := config{addr: env("ADDR", defaultAddr), adminToken: os.Getenv("ADMIN_TOKEN")}
	errs[0] = checkAddr(cfg.addr)
	cfg.database, errs[1] = dsn.ParseDatabase(env("DATABASE_URL", defaultDatabase))
	cfg.redis, errs[2] = parseRedis(os.Getenv("REDIS_URL"))
	if strings.ContainsFunc(cfg.adminToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		errs[3] = errors.New("ADMIN_TOKEN must have no blanks and nothing but printable ASCII, as it travels in a header")
	}
	var warmErr, loadersErr error
	cfg.reports, errs[4] = demoReports()
	cfg.warm, warmErr = loaders.WarmConfigFromEnv()
	cfg.loaders, loadersErr = loaders.ConfigFromEnv()
	errs[5] = errors.Join(warmErr, loadersErr)
	standard := defaultTimeout
	if cfg.redis == nil {
		standard = embeddedTimeout
	}
	cfg.timeout, errs[6] = redisTimeout(standard)
	return cfg, errors.Join(errs[:]...)
}

func env(name, standard string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return standard
}

func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("ADDR=%q must be HOST:PORT such as %s, or 127.0.0.1:0 for a free port", addr, defaultAddr)
	}
	return nil
}

func redisTimeout(standard time.Duration) (time.Duration, error) {
	text := env("REDIS_TIMEOUT", standard.String())
	d, err := time.ParseDuration(text)
	if err != nil || d < shortestTimeout || d > longestTimeout {
		return 0, fmt.Errorf("REDIS_TIMEOUT=%q must be a duration such as %v, from %v to %v", text, defaultTimeout, shortestTimeout, longestTimeout)
	}
	return d, nil
}

func demoReports() (int, error) {
	text := env("DEMO_REPORTS", strconv.Itoa(defaultReports))
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > mostReports {
		return 0, fmt.Errorf("DEMO_REPORTS=%q must be a whole number from 1 to %d", text, mostReports)
	}
	return n, nil
}
