// Package urls reads lists of URLs from where a site already has them: its sitemap and its access
// logs. Each reader has a method URLs of the form that a warmup loader of an HTTP cache takes:
//
//	func(ctx context.Context, emit func(url string, header http.Header) error) error
//
// Both are bounded in bytes, files and URLs, and safe to use on data that a stranger may have
// written. Neither sends a request to a host that is not named in its configuration.
package urls

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// errEnough ends the reading where the bound on URLs is reached.
var errEnough = errors.New("enough URLs")

// emitter hands URLs on: once for each set of fields, the bound not exceeded.
type emitter struct {
	ctx     context.Context //nolint:containedctx // it lives as long as one call of URLs
	emit    func(url string, header http.Header) error
	headers []http.Header
	left    int
	emitted *int
	ended   error // why no more is to be emitted
}

func (e *emitter) url(u string) error {
	e.ended = e.send(u)
	return e.ended
}

func (e *emitter) send(u string) error {
	if e.left == 0 {
		return errEnough
	}
	e.left--
	*e.emitted++
	headers := e.headers
	if len(headers) == 0 {
		headers = []http.Header{nil}
	}
	for _, h := range headers {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		if err := e.emit(u, h); err != nil {
			return err
		}
	}
	return nil
}

// parseBase parses a scheme and a host such as "https://www.example.com".
func parseBase(field, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("urls: %s: not a URL; want a scheme and a host, such as https://www.example.com", field)
	}
	if !web(u) || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("urls: %s %q: want a scheme and a host, such as https://www.example.com", field, u.Redacted())
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

// web reports whether u is an absolute URL of http or https.
func web(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Opaque == ""
}
