package urls_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/tiercache/httpcache/urls"
)

// sitemap is a sitemap of these URLs.
func sitemap(locs ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">`)
	for _, loc := range locs {
		fmt.Fprintf(&b, "\n<url><loc>%s</loc><lastmod>2026-11-27</lastmod></url>", loc)
	}
	return b.String() + "</urlset>"
}

// index is an index of these sitemaps.
func index(locs ...string) string {
	var b strings.Builder
	b.WriteString(`<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">`)
	for _, loc := range locs {
		fmt.Fprintf(&b, "<sitemap><loc>%s</loc></sitemap>", loc)
	}
	return b.String() + "</sitemapindex>"
}

// site serves texts by path, "HOST" in them being its own scheme and host.
func site(t *testing.T, texts map[string]string) string {
	t.Helper()
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := texts[r.URL.RequestURI()]
		if to, moved := strings.CutPrefix(text, "to "); moved {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(strings.ReplaceAll(text, "HOST", s.URL)))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestSitemap(t *testing.T) {
	t.Parallel()
	www := "https://www.example.com"
	for name, tt := range map[string]struct {
		texts  map[string]string
		change func(s *urls.Sitemap)
		want   []string // of the site, or whole
		report urls.SitemapReport
	}{
		"a sitemap": {
			texts:  map[string]string{"/sitemap.xml": sitemap("HOST/", " HOST/a?b=1&amp;c=2#part\n", "HOST/<![CDATA[c&d]]>")},
			want:   []string{"/", "/a?b=1&c=2", "/c&d"},
			report: urls.SitemapReport{Files: 1, Emitted: 3},
		},
		"gzip": {
			texts:  map[string]string{"/sitemap.xml": string(zip(t, sitemap("http://www.example.com/a")))},
			change: func(s *urls.Sitemap) { s.Hosts = []string{"www.example.com:80"} },
			want:   []string{"/a"},
			report: urls.SitemapReport{Files: 1, Emitted: 1},
		},
		"an index": {
			texts: map[string]string{
				"/sitemap.xml":     index("HOST/one.xml", "HOST/two.xml?page=2", "HOST/one.xml", "HOST/sitemap.xml"),
				"/one.xml":         sitemap("HOST/1"),
				"/two.xml?page=2":  sitemap("HOST/2", "HOST/3"),
				"/not/named/there": sitemap("HOST/4"),
			},
			want:   []string{"/1", "/2", "/3"},
			report: urls.SitemapReport{Files: 3, Emitted: 3},
		},
		"an index of another host is read from the given one": {
			texts: map[string]string{
				"/sitemap.xml": index("https://www.example.com/one.xml"),
				"/one.xml":     sitemap("https://www.example.com/1", "https://www.example.com:443/2"),
			},
			change: func(s *urls.Sitemap) { s.Base = www },
			want:   []string{www + "/1", www + "/2"},
			report: urls.SitemapReport{Files: 2, Emitted: 2},
		},
		"other hosts": {
			texts:  map[string]string{"/sitemap.xml": sitemap("http://169.254.169.254/latest", "HOST/a", "http://evil.example/", "https://example.com/")},
			want:   []string{"/a"},
			report: urls.SitemapReport{Files: 1, Emitted: 1, Skipped: 3},
		},
		"no URLs": {
			texts:  map[string]string{"/sitemap.xml": sitemap("", "/relative", "ftp://x/", "javascript:alert(1)", "http://", "HOST/"+strings.Repeat("a", 4000), "HOST/a")},
			want:   []string{"/a"},
			report: urls.SitemapReport{Files: 1, Emitted: 1, Broken: 6},
		},
		"extensions": {
			texts: map[string]string{"/sitemap.xml": strings.Replace(sitemap("HOST/a"), "<lastmod>",
				`<image:image xmlns:image="i"><image:loc>HOST/picture</image:loc></image:image><loc2>HOST/b</loc2><lastmod>`, 1)},
			want:   []string{"/a"},
			report: urls.SitemapReport{Files: 1, Emitted: 1},
		},
		"Max": {
			texts:  map[string]string{"/sitemap.xml": index("HOST/one.xml", "HOST/two.xml"), "/one.xml": sitemap("HOST/1", "HOST/2")},
			change: func(s *urls.Sitemap) { s.Max = 1 },
			want:   []string{"/1"},
			report: urls.SitemapReport{Files: 2, Emitted: 1, Full: true},
		},
		"MaxFiles": {
			texts:  map[string]string{"/sitemap.xml": index("HOST/one.xml", "HOST/two.xml"), "/one.xml": sitemap("HOST/1")},
			change: func(s *urls.Sitemap) { s.MaxFiles = 2 },
			want:   []string{"/1"},
			report: urls.SitemapReport{Files: 2, Emitted: 1, Full: true},
		},
		"Accept": {
			texts:  map[string]string{"/sitemap.xml": sitemap("HOST/shop/1", "HOST/blog/1")},
			change: func(s *urls.Sitemap) { s.Accept = func(u *url.URL) bool { return strings.HasPrefix(u.Path, "/shop/") } },
			want:   []string{"/shop/1"},
			report: urls.SitemapReport{Files: 1, Emitted: 1, Skipped: 1},
		},
		"a redirect within the site": {
			texts:  map[string]string{"/sitemap.xml": "to /real.xml", "/real.xml": sitemap("HOST/a")},
			want:   []string{"/a"},
			report: urls.SitemapReport{Files: 1, Emitted: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := site(t, tt.texts)
			var report urls.SitemapReport
			s := urls.Sitemap{URL: at + "/sitemap.xml", Report: func(r urls.SitemapReport) { report = r }}
			if tt.change != nil {
				tt.change(&s)
			}
			emit, got := collect()
			if err := s.URLs(t.Context(), emit); err != nil {
				t.Error(err)
			}
			var want []string
			for _, u := range tt.want {
				if !strings.Contains(u, "://") {
					u = at + u
				}
				want = append(want, u)
			}
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Errorf("URLs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.report, report); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

// What a stranger may have written costs little and reaches nothing.
func TestSitemap_refuses(t *testing.T) {
	t.Parallel()
	secret := write(t, "secret.txt", []byte("secret"))
	bomb := `<!DOCTYPE urlset [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>` + sitemap("HOST/&b;")
	for name, tt := range map[string]struct {
		texts map[string]string
		want  string
		urls  []string
	}{
		"a bomb of entities":  {map[string]string{"/sitemap.xml": bomb}, "invalid character entity &b;", nil},
		"an outer entity":     {map[string]string{"/sitemap.xml": `<!DOCTYPE urlset [<!ENTITY x SYSTEM "file://` + secret + `">]>` + sitemap("HOST/&x;")}, "invalid character entity &x;", nil},
		"a bomb of gzip":      {map[string]string{"/sitemap.xml": string(zip(t, sitemap()+strings.Repeat(" ", 1<<20)))}, "longer than 65536 bytes, see MaxBytes", nil},
		"a long document":     {map[string]string{"/sitemap.xml": sitemap("HOST/a", "HOST/"+strings.Repeat("x", 1<<20))}, "longer than 65536 bytes, see MaxBytes", []string{"/a"}},
		"deep elements":       {map[string]string{"/sitemap.xml": "<urlset>" + strings.Repeat("<url>", 1000)}, "more than 32 deep", nil},
		"deep indexes":        {map[string]string{"/sitemap.xml": index("HOST/2"), "/2": index("HOST/3"), "/3": index("HOST/4"), "/4": sitemap("HOST/a")}, "/3: it is an index below 2 others", nil},
		"another document":    {map[string]string{"/sitemap.xml": "<html></html>"}, "its element is <html>; want a urlset or a sitemapindex", nil},
		"nothing":             {map[string]string{"/sitemap.xml": ""}, "it is empty", nil},
		"half a document":     {map[string]string{"/sitemap.xml": strings.TrimSuffix(sitemap("HOST/a"), "</urlset>")}, "unexpected EOF", []string{"/a"}},
		"another coding":      {map[string]string{"/sitemap.xml": strings.Replace(sitemap("HOST/a"), "UTF-8", "UTF-16", 1)}, "UTF-16", nil},
		"not there":           {nil, "/sitemap.xml: the answer is 404, want 200", nil},
		"one that is not":     {map[string]string{"/sitemap.xml": index("HOST/gone.xml", "HOST/one.xml"), "/one.xml": sitemap("HOST/1")}, "/gone.xml: the answer is 404", []string{"/1"}},
		"to another host":     {map[string]string{"/sitemap.xml": "to http://169.254.169.254/x"}, "leads to another host, http://169.254.169.254", nil},
		"around in a circle":  {map[string]string{"/sitemap.xml": "to /sitemap.xml"}, "10 redirects", nil},
		"no gzip that it was": {map[string]string{"/sitemap.xml": "\x1f\x8b"}, "EOF", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := site(t, tt.texts)
			emit, got := collect()
			err := urls.Sitemap{URL: at + "/sitemap.xml", MaxBytes: 1 << 16}.URLs(t.Context(), emit)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			var want []string
			for _, u := range tt.urls {
				want = append(want, at+u)
			}
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Errorf("URLs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSitemap_files(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"sitemap.xml": index("https://www.example.com/maps/one.xml.gz", "https://www.example.com/..", "https://www.example.com/maps/%2e%2e%2fsecret.xml"),
		"one.xml.gz":  string(zip(t, sitemap("https://www.example.com/1", "https://other.example/2"))),
		"secret.xml":  sitemap("https://www.example.com/secret"),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder = filepath.Join(folder, "sitemap.xml")
	var report urls.SitemapReport
	emit, got := collect()
	s := urls.Sitemap{File: folder, Base: "https://www.example.com", Report: func(r urls.SitemapReport) { report = r }}
	if err := s.URLs(t.Context(), emit); err != nil {
		t.Error(err)
	}
	// %2e%2e%2fsecret.xml ends in secret.xml, which is in the folder: no other folder is reached.
	want := []string{"https://www.example.com/1", "https://www.example.com/secret"}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Errorf("URLs (-want +got):\n%s", diff)
	}
	if want := (urls.SitemapReport{Files: 3, Emitted: 2, Skipped: 1, Broken: 1}); report != want {
		t.Errorf("report %+v, want %+v", report, want)
	}
}

func TestSitemap_config(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]urls.Sitemap{
		"want either URL or File":                  {},
		"URL: want one such as":                    {URL: "ftp://x/sitemap.xml"},
		"Base \"\": want a scheme":                 {File: "sitemap.xml"},
		"must not be negative":                     {File: "sitemap.xml", MaxBytes: -1},
		"nowhere.xml: no such file":                {File: "nowhere.xml", Base: base},
		"http://u:xxxxx@127.0.0.1:1/sitemap.xml: ": {URL: "http://u:secret@127.0.0.1:1/sitemap.xml"},
	} {
		emit, got := collect()
		err := s.URLs(t.Context(), emit)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || len(*got) > 0 {
			t.Errorf("%+v: error %v, want one with %q", s, err, want)
		}
	}
}

func TestSitemap_ends(t *testing.T) {
	t.Parallel()
	texts := map[string]string{"/sitemap.xml": index("HOST/one.xml", "HOST/two.xml"), "/one.xml": sitemap("HOST/1", "HOST/2")}
	at := site(t, texts)
	s := urls.Sitemap{URL: at + "/sitemap.xml", Headers: []http.Header{{"Accept-Encoding": {"gzip"}}, nil}}
	full, asked := errors.New("the cache is full"), 0
	err := s.URLs(t.Context(), func(_ string, h http.Header) error {
		if asked++; asked == 2 && h == nil {
			return full
		}
		return nil
	})
	if !errors.Is(err, full) || asked != 2 || strings.Contains(err.Error(), "two.xml") {
		t.Errorf("error %v after %d, want emit's after two and nothing else", err, asked)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	err = s.URLs(ctx, func(string, http.Header) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
}

// Whatever is read, it ends, and URLs of the site alone come out.
func FuzzSitemap(f *testing.F) {
	for _, seed := range []string{
		sitemap("https://www.example.com/a"), index("https://www.example.com/sitemap.xml"), "<urlset><url><loc>https://www.example.com//@x:1/",
		"<?xml version='1.0' encoding='x'?>", "\x1f\x8b", "<urlset><url><loc>a<loc>b</loc></loc></url>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := urls.Sitemap{File: write(t, "sitemap.xml", text), Base: base, MaxBytes: 1 << 16}
		_ = s.URLs(t.Context(), func(text string, _ http.Header) error {
			if u, err := url.Parse(text); err != nil || u.Scheme+"://"+u.Host != base || u.User != nil || u.Fragment != "" {
				t.Errorf("emitted %q (%v)", text, err)
			}
			return nil
		})
	})
}
