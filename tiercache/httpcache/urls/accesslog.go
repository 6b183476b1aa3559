package urls

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The defaults of an [AccessLog].
const (
	defaultLogURLs  = 10_000
	defaultLogBytes = 256 << 20
	defaultDistinct = 1 << 18
)

// AccessLog reads the URLs that visitors requested from access logs in the common or the combined
// log format, plain or gzip, and emits them hottest first.
//
// It counts GET requests whose status a shared cache may store (200, 203, 204, 300, 301, 304, 308,
// 404 and 410). It leaves out what a user with a name requested, as such answers are rarely for
// everybody. A URL's query is a part of it: where queries hold secrets, set Accept.
//
// The zero value of every field but Files and Base is ready to use. An AccessLog has no state of
// its own, so URLs may be called again, and by several goroutines.
type AccessLog struct {
	// Files are the logs to read: names of files, rotated and gzipped ones too. They are told
	// apart by their content. All must be readable.
	Files []string
	// Base is the scheme and host under which the cache sees the requests, such as
	// "https://www.example.com": log lines hold the path only.
	Base string
	// Max bounds the URLs emitted; default 10,000.
	Max int
	// MinHits is how often a URL must have been requested; default 1. Scanners request many URLs
	// once each: 2 leaves most of them out.
	MinHits int
	// MaxBytes bounds what is read of each file, uncompressed; default 256 MiB. Of a longer plain
	// file the end is read, which is the latest; of a longer gzip file the beginning.
	MaxBytes int64
	// Distinct bounds the URLs that are counted at the same time; default 262,144. Beyond it the
	// rarest are forgotten, so that URLs that were requested often are found all the same.
	Distinct int
	// Headers are the fields to request each URL with: one request for each of them. The log does
	// not tell them. Browsers send Accept-Encoding, so a site that compresses wants it here. The
	// default is one request without fields.
	Headers []http.Header
	// Accept, where given, is asked whether a URL's path and query are to be counted.
	Accept func(target *url.URL) bool
	// Report, where given, is told what was read, once a call of URLs.
	Report func(LogReport)
}

// LogReport says what an [AccessLog] found in one call of URLs.
type LogReport struct {
	Lines     int64 // all of them
	Counted   int64 // requests that count
	Skipped   int64 // well-formed lines of other methods, statuses and targets, and of users
	Broken    int64 // lines that are in neither format, empty ones too
	URLs      int   // the distinct URLs that were counted and not forgotten
	Emitted   int   // the URLs emitted
	Forgot    int64 // how often a URL was forgotten because of Distinct
	Shortened int   // files of which only a part was read because of MaxBytes
}

// URLs reads the logs to their end and then emits. A file that cannot be read, or not to its end,
// is an error after what could be read was emitted. Malformed lines are counted and no error.
func (l AccessLog) URLs(ctx context.Context, emit func(url string, header http.Header) error) error {
	base, err := l.check()
	if err != nil {
		return err
	}
	var report LogReport
	if l.Report != nil {
		defer func() { l.Report(report) }()
	}
	c := counter{log: l, distinct: orDefault(l.Distinct, defaultDistinct), hits: make(map[string]int64), report: &report}
	var errs []error
	for _, name := range l.Files {
		if err := c.file(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("urls: access log: %w", err))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	report.URLs = len(c.hits)
	out := emitter{ctx: ctx, emit: emit, headers: l.Headers, left: orDefault(l.Max, defaultLogURLs), emitted: &report.Emitted}
	for _, target := range c.hottest(int64(max(l.MinHits, 1)), out.left) {
		if err := out.url(base + target); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	return errors.Join(errs...)
}

// check returns Base without a slash at its end.
func (l AccessLog) check() (string, error) {
	if len(l.Files) == 0 {
		return "", errors.New("urls: access log: Files is empty; want the names of log files")
	}
	if l.Max < 0 || l.MinHits < 0 || l.MaxBytes < 0 || l.Distinct < 0 {
		return "", errors.New("urls: access log: Max, MinHits, MaxBytes and Distinct must not be negative")
	}
	base, err := parseBase("access log: Base", l.Base)
	if err != nil {
		return "", err
	}
	return base.String(), nil
}

func orDefault[N int | int64](n, otherwise N) N { return cmp.Or(n, otherwise) }

// counter counts requests by target. When it holds too many targets it forgets the rarest half and
// more (lossy counting): a target is undercounted by what it had when it was forgotten, never over.
type counter struct {
	log      AccessLog
	distinct int
	hits     map[string]int64
	report   *LogReport
}

func (c *counter) line(text []byte) {
	c.report.Lines++
	r, err := parseLine(text)
	switch {
	case err != nil:
		c.report.Broken++
	case !c.wanted(r):
		c.report.Skipped++
	default:
		c.report.Counted++
		if _, known := c.hits[r.target]; !known {
			r.target = strings.Clone(r.target) // not the whole line for it
		}
		c.hits[r.target]++
		if len(c.hits) > c.distinct {
			c.forget()
		}
	}
}

// wanted reports whether a request is one that a shared cache could have answered.
func (c *counter) wanted(r logged) bool {
	if r.method != http.MethodGet || r.user != "-" || !cacheable(r.status) || !pathLike(r.target) {
		return false
	}
	target, err := url.ParseRequestURI(r.target)
	return err == nil && (c.log.Accept == nil || c.log.Accept(target))
}

// longestTarget bounds a target, and with Distinct the memory for all; sitemaps have the same
// bound.
const longestTarget = 2048

// pathLike reports whether a target is a path with or without a query as clients send it. Whatever
// else stands there was sent by a scanner, or was meant for a proxy.
func pathLike(target string) bool {
	return strings.HasPrefix(target, "/") && len(target) <= longestTarget &&
		!strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' })
}

// cacheable reports whether an answer with this status may be stored and be of use again. 304 says
// that a visitor's copy of a 200 was good. Answers of 206 are parts, mostly of what is too long.
func cacheable(status int) bool {
	switch status {
	case http.StatusOK, http.StatusNonAuthoritativeInfo, http.StatusNoContent, http.StatusMultipleChoices,
		http.StatusMovedPermanently, http.StatusNotModified, http.StatusPermanentRedirect,
		http.StatusNotFound, http.StatusGone:
		return true
	}
	return false
}

// forget drops the targets with the fewest hits until at most half of the room is taken.
func (c *counter) forget() {
	for floor := int64(1); len(c.hits) > c.distinct/2; floor *= 2 {
		maps.DeleteFunc(c.hits, func(_ string, n int64) bool {
			if n <= floor {
				c.report.Forgot++
			}
			return n <= floor
		})
	}
}

// hottest returns at most n targets with at least so many hits, hottest first, equals by name.
func (c *counter) hottest(least int64, n int) []string {
	targets := make([]string, 0, len(c.hits))
	for target, hits := range c.hits {
		if hits >= least {
			targets = append(targets, target)
		}
	}
	slices.SortFunc(targets, func(a, b string) int {
		return cmp.Or(cmp.Compare(c.hits[b], c.hits[a]), cmp.Compare(a, b))
	})
	return targets[:min(n, len(targets))]
}
