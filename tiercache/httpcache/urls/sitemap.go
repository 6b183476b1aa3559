package urls

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The defaults of a [Sitemap].
const (
	defaultSitemapURLs  = 50_000 // what one sitemap may hold by the protocol
	defaultSitemapFiles = 500
	defaultSitemapBytes = 50 << 20 // likewise
	fetchTime           = 30 * time.Second
)

// deepestIndex is how many indexes may stand above a sitemap; the protocol allows one.
const deepestIndex = 2

// Sitemap reads the URLs of a sitemap by the protocol of sitemaps.org, or of all sitemaps of a
// sitemap index, plain or gzip, over HTTP or from a file. URLs are emitted as they are read, in the
// order of the document.
//
// Only URLs of the site are taken. A sitemap is read with bounds on bytes, files and depth, and XML
// entities other than those of XML itself are errors. A Sitemap has no state of its own, so URLs
// may be called again, and by several goroutines.
type Sitemap struct {
	// URL is where the sitemap is, such as "https://www.example.com/sitemap.xml". Sitemaps that an
	// index names are fetched from the same scheme and host, whatever host the index says, and
	// a redirect to another host is an error.
	URL string
	// File is the name of a file to read instead. An index's sitemaps are then read from files
	// of the same folder: the last element of each URL's path is the file's name.
	File string
	// Base is the scheme and host under which the cache sees the requests; it replaces those of the
	// URLs. The default is the scheme and host of URL. File wants it given.
	Base string
	// Hosts are the hosts whose URLs are taken, with a port unless it is the scheme's own. The
	// default is the host of URL and that of Base.
	Hosts []string
	// Client fetches URL; the default is a client that waits 30 s for each file.
	Client *http.Client
	// Max bounds the URLs emitted; default 50,000.
	Max int
	// MaxFiles bounds the files read, indexes too; default 500.
	MaxFiles int
	// MaxBytes bounds each file, uncompressed; default 50 MiB. A longer file is an error.
	MaxBytes int64
	// Headers are the fields to request each URL with: one request for each of them. The default
	// is one request without fields.
	Headers []http.Header
	// Accept, where given, is asked whether a URL is to be emitted.
	Accept func(u *url.URL) bool
	// Report, where given, is told what was read, once a call of URLs.
	Report func(SitemapReport)
}

// SitemapReport says what a [Sitemap] found in one call of URLs.
type SitemapReport struct {
	Files   int  // the files read, indexes too
	Emitted int  // the URLs emitted
	Skipped int  // URLs of other hosts, and those that Accept refused
	Broken  int  // entries whose URL is none, or longer than 2,048 bytes
	Full    bool // Max or MaxFiles ended the reading
}

// URLs reads the sitemap and emits its URLs. A sitemap of an index that cannot be read does not
// keep the others from being read; the error joins those of all.
func (s Sitemap) URLs(ctx context.Context, emit func(url string, header http.Header) error) error {
	r, err := s.reader()
	if err != nil {
		return err
	}
	if s.Report != nil {
		defer func() { s.Report(r.report) }()
	}
	r.out = emitter{ctx: ctx, emit: emit, headers: s.Headers, left: orDefault(s.Max, defaultSitemapURLs), emitted: &r.report.Emitted}
	err = r.read(ctx, cmp.Or(s.File, s.URL), 0)
	switch {
	case r.out.ended == nil:
		return err
	case errors.Is(r.out.ended, errEnough):
		r.report.Full = true
		return nil
	default:
		return r.out.ended
	}
}

// reader checks the configuration.
func (s Sitemap) reader() (*sitemapReader, error) {
	if (s.URL == "") == (s.File == "") {
		return nil, errors.New("urls: sitemap: want either URL or File")
	}
	if s.Max < 0 || s.MaxFiles < 0 || s.MaxBytes < 0 {
		return nil, errors.New("urls: sitemap: Max, MaxFiles and MaxBytes must not be negative")
	}
	r := &sitemapReader{
		Sitemap: s, open: openFile, files: orDefault(s.MaxFiles, defaultSitemapFiles),
		bytes: orDefault(s.MaxBytes, defaultSitemapBytes), seen: make(map[string]bool),
	}
	var hosts []string
	if s.File == "" {
		at, err := url.Parse(s.URL)
		if err != nil || !web(at) {
			return nil, errors.New("urls: sitemap: URL: want one such as https://www.example.com/sitemap.xml")
		}
		r.at, r.open, hosts = at, fetcher(s.Client, at), []string{at.Host}
		r.Base = cmp.Or(s.Base, at.Scheme+"://"+at.Host)
	}
	base, err := parseBase("sitemap: Base", r.Base)
	if err != nil {
		return nil, err
	}
	r.base, hosts = base.String(), append(hosts, base.Host)
	if len(s.Hosts) > 0 {
		hosts = s.Hosts
	}
	for _, h := range hosts {
		r.hosts = append(r.hosts, plainHost(h))
	}
	return r, nil
}

// plainHost is a host in lower case, without a port that a scheme has by itself.
func plainHost(host string) string {
	return strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(host), ":80"), ":443")
}
