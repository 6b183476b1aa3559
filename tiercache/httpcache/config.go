package httpcache

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/warmcache/warmcache/internal/usercode"
	"github.com/warmcache/warmcache/tiercache"
)

// Config describes a cache. The zero value is usable. It is checked once, in New.
type Config struct {
	// Name is the namespace: the Redis key prefix, the metric label, the log attribute; default
	// "http". [A-Za-z0-9_.-]+.
	Name string
	// Redis is the shared tier; nil = this process alone.
	Redis *tiercache.Redis
	// Capacity bounds memory in bytes; default 64 MiB.
	Capacity int64

	// MaxBody is the longest body that is stored, in bytes; longer ones stream past. Default 1 MiB.
	MaxBody int64
	// MaxVariants is how many variants of a URL are stored, those that differ in the fields that
	// Vary names; more pass. Default 32.
	MaxVariants int

	// DefaultTTL is how long answers are fresh that say nothing about it; 0 = they are not stored.
	DefaultTTL time.Duration
	// Heuristic is the share of the time since Last-Modified for which such answers are fresh, at
	// most one day; it goes before DefaultTTL. 0 = off; 0.1 is usual.
	Heuristic float64
	// Keep is how long answers are kept beyond their freshness, to be validated; default 1 h.
	Keep time.Duration
	// StaleIfError is how long an answer that doesn't say may be served beyond its freshness where
	// the origin fails; 0 = not at all.
	StaleIfError time.Duration
	// PassFor is how long it is remembered that a URL's answer cannot be stored, so that nobody
	// waits for another's; default 10 s.
	PassFor time.Duration
	// WaitFor is how long a request waits for the answer to another's before it asks the origin
	// itself; default 5 s.
	WaitFor time.Duration
	// LoadTimeout is how long others wait for one answer of the origin, and how long an answer may
	// take to be stored; default 30 s. It cuts no answer that its own client waits for.
	LoadTimeout time.Duration

	// Private makes it the cache of one user's client: what is for that user alone is stored too.
	// It is not for a Handler.
	Private bool
	// StoreSetCookie stores answers with a Set-Cookie too, where they say how long they are fresh.
	StoreSetCookie bool
	// IgnoreClient ignores the Cache-Control and the Pragma of requests: no client can make the
	// cache ask the origin.
	IgnoreClient bool
	// Targeted names fields such as "CDN-Cache-Control" (RFC 9213), the first of which that an
	// answer has replaces its Cache-Control and Expires.
	Targeted []string
	// TagHeader names a field of answers, such as "Surrogate-Key", whose words are read as the
	// answer's groups, besides those of Cache-Groups (RFC 9875). It is not passed on.
	TagHeader string

	// Key names what a request asks for, in place of its URL; "" = the request passes. The text
	// must tell apart whatever the handler tells apart, but for what its Vary names.
	Key func(*http.Request) string
	// Purge says who may invalidate by a PURGE request: nil is granted. It must be safe for
	// concurrent use. Without it PURGE is a method like any other. See [Cache.Handler].
	Purge func(*http.Request) error

	// LearnHot is how many of the hottest URLs to learn and to share through Redis; 0 = off. An
	// engine of package warm replays them as the task "hot:NAME", through what the cache's only
	// Handler or Transport stands before. That must need nothing of what stands before the cache:
	// wrap the mux, and not a handler that it calls with Request.PathValue.
	LearnHot int

	// Status is this cache's name in Cache-Status (RFC 9211); default "warmcache", "-" = none.
	Status string
	// Logger hears of what happens in the background; default slog.Default().
	Logger *slog.Logger
}

const (
	defaultCapacity    = 64 << 20
	defaultMaxBody     = 1 << 20
	defaultMaxVariants = 32
	defaultKeep        = time.Hour
	defaultPassFor     = 10 * time.Second
	defaultWaitFor     = 5 * time.Second
	defaultLoadTimeout = 30 * time.Second
	// longest bounds every duration of Config.
	longest = 365 * 24 * time.Hour
)

// withDefaults returns cfg with every zero field filled in, or one error that names every bad
// field.
func (cfg Config) withDefaults() (Config, error) {
	if err := cfg.check(); err != nil {
		return cfg, fmt.Errorf("httpcache: %w", err)
	}
	orDefault(&cfg.Name, "http")
	orDefault(&cfg.Capacity, defaultCapacity)
	orDefault(&cfg.MaxBody, defaultMaxBody)
	orDefault(&cfg.MaxVariants, defaultMaxVariants)
	orDefault(&cfg.Keep, defaultKeep)
	orDefault(&cfg.PassFor, defaultPassFor)
	orDefault(&cfg.WaitFor, defaultWaitFor)
	orDefault(&cfg.LoadTimeout, defaultLoadTimeout)
	orDefault(&cfg.Status, "warmcache")
	cfg.Logger = usercode.Logger(cfg.Logger)
	cfg.TagHeader = http.CanonicalHeaderKey(cfg.TagHeader)
	return cfg, nil
}

func orDefault[T comparable](field *T, usual T) {
	var zero T
	if *field == zero {
		*field = usual
	}
}

func (cfg Config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"DefaultTTL", cfg.DefaultTTL},
		{"Keep", cfg.Keep},
		{"StaleIfError", cfg.StaleIfError},
		{"PassFor", cfg.PassFor},
		{"WaitFor", cfg.WaitFor},
		{"LoadTimeout", cfg.LoadTimeout},
	} {
		if d.value < 0 || d.value > longest {
			bad("%s %v must be from 0 to %v", d.field, d.value, longest)
		}
	}
	for _, n := range []struct {
		field string
		value int64
	}{{"Capacity", cfg.Capacity}, {"MaxBody", cfg.MaxBody}, {"MaxVariants", int64(cfg.MaxVariants)}} {
		if n.value < 0 {
			bad("%s %d is negative", n.field, n.value)
		}
	}
	if !(cfg.Heuristic >= 0 && cfg.Heuristic <= 1) {
		bad("Heuristic %v must be from 0 to 1", cfg.Heuristic)
	}
	for _, name := range cfg.Targeted {
		if !isToken(name) {
			bad("Targeted %q is no name of a field", name)
		}
	}
	if cfg.TagHeader != "" && !isToken(cfg.TagHeader) {
		bad("TagHeader %q is no name of a field", cfg.TagHeader)
	}
	if cfg.Status != "" && cfg.Status != "-" && !isStatusName(cfg.Status) {
		bad("Status %q must be a token that begins with a letter or *, or \"-\"", cfg.Status)
	}
	return errors.Join(errs...)
}

// isToken reports whether s is a token of RFC 9110.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isTokenRune(r) })
}

func isTokenRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// isStatusName reports whether s is a token of Structured Fields.
func isStatusName(s string) bool {
	first := rune(s[0])
	if first != '*' && (first|0x20 < 'a' || first|0x20 > 'z') {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !isTokenRune(r) && r != ':' && r != '/' })
}
