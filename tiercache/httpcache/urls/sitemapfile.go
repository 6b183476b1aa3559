package urls

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// opener opens a sitemap: of the web by its URL, or a file by its name.
type opener func(ctx context.Context, name string) (io.ReadCloser, error)

// sitemapReader is one call of Sitemap.URLs.
type sitemapReader struct {
	Sitemap

	open   opener
	at     *url.URL // of URL; nil with File
	base   string
	hosts  []string
	files  int // that may still be read
	bytes  int64
	seen   map[string]bool
	out    emitter
	report SitemapReport
}

// read reads a sitemap or an index, which stands below depth others.
func (r *sitemapReader) read(ctx context.Context, name string, depth int) error {
	if r.seen[name] { // an index that names itself, or a sitemap twice
		return nil
	}
	if r.files == 0 {
		r.report.Full = true
		return nil
	}
	r.seen[name] = true
	r.files--
	children, err := r.file(ctx, name)
	if r.out.ended != nil {
		return err
	}
	var errs []error
	if err != nil {
		errs = append(errs, fmt.Errorf("urls: sitemap %s: %w", shown(name), err))
	}
	if len(children) > 0 && depth == deepestIndex {
		return fmt.Errorf("urls: sitemap %s: it is an index below %d others; the protocol allows none", shown(name), depth)
	}
	for _, child := range children {
		if err := r.read(ctx, child, depth+1); err != nil {
			errs = append(errs, err)
		}
		if r.out.ended != nil || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// shown is a name without a password.
func shown(name string) string {
	if u, err := url.Parse(name); err == nil && u.User != nil {
		return u.Redacted()
	}
	return name
}

// file emits what a sitemap holds, and returns what an index holds.
func (r *sitemapReader) file(ctx context.Context, name string) (children []string, err error) {
	body, err := r.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer body.Close() //nolint:errcheck // it was only read
	r.report.Files++
	text := bufio.NewReader(body)
	zipped, err := isGzip(text)
	if err != nil {
		return nil, err
	}
	var plain io.Reader = text
	if zipped {
		if plain, err = gzip.NewReader(text); err != nil {
			return nil, err
		}
	}
	d := document{xml: xml.NewDecoder(&bounded{r: plain, left: r.bytes, limit: r.bytes})}
	err = d.read(func(loc string, index bool) error {
		if !index {
			return r.take(loc)
		}
		child := r.child(loc)
		switch {
		case child == "":
			r.report.Broken++
		case len(children) == r.files:
			r.report.Full = true
		default:
			children = append(children, child)
		}
		return nil
	})
	return children, err
}

// bounded is a reader that fails at its limit. An end without an error would look like a broken
// document.
type bounded struct {
	r           io.Reader
	left, limit int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, fmt.Errorf("longer than %d bytes, see MaxBytes", b.limit)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])
	b.left -= int64(n)
	if b.left < 0 {
		n--
	}
	return n, err
}

// take emits a URL of a sitemap.
func (r *sitemapReader) take(loc string) error {
	u := parseLoc(loc)
	switch {
	case u == nil:
		r.report.Broken++
	case !slices.Contains(r.hosts, plainHost(u.Host)), r.Accept != nil && !r.Accept(u):
		r.report.Skipped++
	default:
		return r.out.url(r.base + u.RequestURI())
	}
	return nil
}

// parseLoc returns nil for what is no absolute URL of the web, or longer than the protocol allows.
func parseLoc(loc string) *url.URL {
	u, err := url.Parse(loc)
	if err != nil || !web(u) || len(loc) > longestTarget {
		return nil
	}
	return u
}

// child is where a sitemap of an index is read from, "" where the index names none.
func (r *sitemapReader) child(loc string) string {
	u := parseLoc(loc)
	if u == nil {
		return ""
	}
	if r.at != nil {
		at := *r.at
		at.Path, at.RawPath, at.RawQuery, at.Fragment = u.Path, u.RawPath, u.RawQuery, ""
		return at.String()
	}
	base := path.Base(u.Path)
	if base == "." || base == ".." || base == "/" || strings.ContainsRune(base, filepath.Separator) {
		return ""
	}
	return filepath.Join(filepath.Dir(r.File), base)
}

func openFile(_ context.Context, name string) (io.ReadCloser, error) {
	f, err := os.Open(name) //nolint:gosec // the caller names it, or the index beside it
	if err != nil {
		return nil, errors.Unwrap(err) // the name is said already
	}
	return f, nil
}

// fetcher returns an opener by HTTP that leaves neither the host of a URL nor its scheme.
func fetcher(client *http.Client, at *url.URL) opener {
	if client == nil {
		client = &http.Client{Timeout: fetchTime}
	}
	own := *client
	own.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if req.URL.Host != at.Host || req.URL.Scheme != at.Scheme {
			return fmt.Errorf("it leads to another host, %s://%s", req.URL.Scheme, req.URL.Host)
		}
		if client.CheckRedirect != nil {
			return client.CheckRedirect(req, via)
		}
		if len(via) >= 10 {
			return errors.New("10 redirects")
		}
		return nil
	}
	return func(ctx context.Context, name string) (io.ReadCloser, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, name, http.NoBody)
		if err != nil {
			return nil, err
		}
		res, err := own.Do(req)
		if err != nil {
			if outer, ok := errors.AsType[*url.Error](err); ok {
				err = outer.Err // the URL is said already
			}
			return nil, err
		}
		if res.StatusCode != http.StatusOK {
			res.Body.Close() //nolint:errcheck // nothing was read
			return nil, fmt.Errorf("the answer is %d, want 200", res.StatusCode)
		}
		return res.Body, nil
	}
}
