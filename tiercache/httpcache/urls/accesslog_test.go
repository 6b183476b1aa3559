package urls_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/tiercache/httpcache/urls"
)

const base = "https://www.example.com"

// hit is a line of the combined log format.
func hit(target string) string {
	return fmt.Sprintf("192.0.2.7 - - [27/Nov/2026:04:43:52 +0000] \"GET %s HTTP/1.1\" 200 512 \"-\" \"Mozilla/5.0\"\n", target)
}

func TestAccessLog_lines(t *testing.T) {
	t.Parallel()
	counted := func(target string) urls.LogReport {
		_ = target
		return urls.LogReport{Lines: 1, Counted: 1, URLs: 1, Emitted: 1}
	}
	skipped, broken := urls.LogReport{Lines: 1, Skipped: 1}, urls.LogReport{Lines: 1, Broken: 1}
	for name, tt := range map[string]struct {
		line string
		want urls.LogReport
		url  string
	}{
		"common":                {`192.0.2.7 - - [27/Nov/2026:04:43:52 +0000] "GET /a?b=c HTTP/1.0" 200 2326`, counted("/a"), "/a?b=c"},
		"combined":              {`2001:db8::1 - - [27/Nov/2026:04:43:52 +0000] "GET / HTTP/2.0" 304 - "https://x/\"q" "Moz [en] \"x\""`, counted("/"), "/"},
		"with a virtual host":   {`www.example.com:443 192.0.2.7 - - [27/Nov/2026:04:43:52 +0000] "GET /v HTTP/1.1" 404 9 "-" "-"`, counted("/v"), "/v"},
		"a quote of Apache":     {`h - - [t] "GET /a\"b HTTP/1.1" 200 1`, counted(""), `/a"b`},
		"a quote of nginx":      {`h - - [t] "GET /a\x22b HTTP/1.1" 200 1`, counted(""), `/a"b`},
		"no line break":         {`h - - [t] "GET /a HTTP/1.1" 200 1`, counted(""), "/a"},
		"a line break of DOS":   {"h - - [t] \"GET /a HTTP/1.1\" 200 1\r\n", counted(""), "/a"},
		"another method":        {`h - - [t] "POST /a HTTP/1.1" 200 1`, skipped, ""},
		"HEAD":                  {`h - - [t] "HEAD /a HTTP/1.1" 200 1`, skipped, ""},
		"a failure":             {`h - - [t] "GET /a HTTP/1.1" 503 1`, skipped, ""},
		"a part":                {`h - - [t] "GET /a HTTP/1.1" 206 1`, skipped, ""},
		"a temporary redirect":  {`h - - [t] "GET /a HTTP/1.1" 302 1`, skipped, ""},
		"a user":                {`h - frank [t] "GET /a HTTP/1.1" 200 1`, skipped, ""},
		"a user of two words":   {`h - frank b [t] "GET /a HTTP/1.1" 200 1`, skipped, ""},
		"a proxy's request":     {`h - - [t] "GET http://other.example/ HTTP/1.1" 200 1`, skipped, ""},
		"a target with a blank": {`h - - [t] "GET /a b HTTP/1.1" 200 1`, skipped, ""},
		"a control character":   {`h - - [t] "GET /a\x0d\x0aX:y HTTP/1.1" 200 1`, skipped, ""},
		"a bad escape of a URL": {`h - - [t] "GET /%zz HTTP/1.1" 200 1`, skipped, ""},
		"a fragment":            {`h - - [t] "GET /a#b HTTP/1.1" 200 1`, skipped, ""},
		"a very long target":    {`h - - [t] "GET /` + strings.Repeat("a", 2048) + ` HTTP/1.1" 200 1`, skipped, ""},
		"an empty line":         {"\n", broken, ""},
		"no request":            {`h - - [t] "-" 408 0`, broken, ""},
		"TLS for plain":         {`h - - [t] "\x16\x03\x01" 400 150`, broken, ""},
		"no protocol":           {`h - - [t] "GET /a" 200 1`, broken, ""},
		"an open quote":         {`h - - [t] "GET /a HTTP/1.1`, broken, ""},
		"an open escape":        {`h - - [t] "GET /a\`, broken, ""},
		"half an escape":        {`h - - [t] "GET /a\x2`, broken, ""},
		"a bad escape":          {`h - - [t] "GET /a\xzz HTTP/1.1" 200 1`, broken, ""},
		"no status":             {`h - - [t] "GET /a HTTP/1.1" - 1`, broken, ""},
		"no size":               {`h - - [t] "GET /a HTTP/1.1" 200`, broken, ""},
		"a size in words":       {`h - - [t] "GET /a HTTP/1.1" 200 big`, broken, ""},
		"a status out of range": {`h - - [t] "GET /a HTTP/1.1" 42 1`, broken, ""},
		"no time":               {`h - - "GET /a HTTP/1.1" 200 1`, broken, ""},
		"too few words":         {`- - [t] "GET /a HTTP/1.1" 200 1`, broken, ""},
		"a very long line":      {`h - - [t] "GET /a HTTP/1.1" 200 1 "` + strings.Repeat("x", 200<<10) + "\"\n", broken, ""},
		"JSON":                  {`{"path":"/a"}`, broken, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var report urls.LogReport
			emit, got := collect()
			l := urls.AccessLog{
				Files: []string{write(t, "access.log", []byte(tt.line))}, Base: base,
				Report: func(r urls.LogReport) { report = r },
			}
			if err := l.URLs(t.Context(), emit); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, report); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			var want []string
			if tt.url != "" {
				want = []string{base + tt.url}
			}
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Errorf("URLs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAccessLog_hottestFirst(t *testing.T) {
	t.Parallel()
	today := strings.Repeat(hit("/twice"), 2) + hit("/b-once") + hit("/a-once") + "broken\n" + strings.Repeat(hit("/five"), 2)
	l := urls.AccessLog{
		Files: []string{
			write(t, "access.log", []byte(today)),
			write(t, "access.log.2.gz", append(zip(t, hit("/five")), zip(t, strings.Repeat(hit("/five"), 2))...)),
		},
		Base: base + "/",
	}
	for name, tt := range map[string]struct {
		change func(l *urls.AccessLog)
		want   []string
	}{
		"all":           {func(*urls.AccessLog) {}, []string{"/five", "/twice", "/a-once", "/b-once"}},
		"Max":           {func(l *urls.AccessLog) { l.Max = 2 }, []string{"/five", "/twice"}},
		"MinHits":       {func(l *urls.AccessLog) { l.MinHits = 2 }, []string{"/five", "/twice"}},
		"Accept":        {func(l *urls.AccessLog) { l.Accept = func(u *url.URL) bool { return u.Path == "/twice" } }, []string{"/twice"}},
		"two requests":  {func(l *urls.AccessLog) { l.Max = 1; l.Headers = make([]http.Header, 2) }, []string{"/five", "/five"}},
		"few are known": {func(l *urls.AccessLog) { l.Distinct = 3 }, []string{"/five", "/twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := l
			tt.change(&l)
			emit, got := collect()
			if err := l.URLs(t.Context(), emit); err != nil {
				t.Fatal(err)
			}
			want := make([]string, len(tt.want))
			for i, target := range tt.want {
				want[i] = base + target
			}
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Errorf("URLs (-want +got):\n%s", diff)
			}
		})
	}
}

// What is requested often is found however many URLs a scanner tries.
func TestAccessLog_manyURLs(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 20_000 {
		b.WriteString(hit(fmt.Sprintf("/scan/%d", i)))
		if i%20 == 0 {
			b.WriteString(hit("/hot"))
		}
	}
	var report urls.LogReport
	emit, got := collect()
	l := urls.AccessLog{
		Files: []string{write(t, "access.log", []byte(b.String()))}, Base: base,
		Distinct: 500, Max: 1, Report: func(r urls.LogReport) { report = r },
	}
	if err := l.URLs(t.Context(), emit); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{base + "/hot"}, *got); diff != "" {
		t.Errorf("URLs (-want +got):\n%s", diff)
	}
	if report.URLs > 500 || report.Forgot < 19_000 {
		t.Errorf("%d URLs are held and %d were forgotten, want at most 500, and 19,000 or more", report.URLs, report.Forgot)
	}
}

// Of a long plain file the end is read, of a long gzip file the beginning.
func TestAccessLog_MaxBytes(t *testing.T) {
	t.Parallel()
	text := hit("/first") + hit("/second") + hit("/third")
	limit := int64(len(hit("/second")+hit("/third"))) + 3
	for name, tt := range map[string]struct {
		file []byte
		want []string
	}{
		"plain": {[]byte(text), []string{base + "/second", base + "/third"}},
		"gzip":  {zip(t, text), []string{base + "/first", base + "/second"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var report urls.LogReport
			emit, got := collect()
			l := urls.AccessLog{
				Files: []string{write(t, "access.log", tt.file)}, Base: base, MaxBytes: limit,
				Report: func(r urls.LogReport) { report = r },
			}
			if err := l.URLs(t.Context(), emit); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("URLs (-want +got):\n%s", diff)
			}
			if report.Shortened != 1 || report.Broken != 0 {
				t.Errorf("report %+v, want one file shortened and no broken line", report)
			}
		})
	}
}

func TestAccessLog_errors(t *testing.T) {
	t.Parallel()
	good := write(t, "access.log", []byte(hit("/a")))
	cut := zip(t, strings.Repeat(hit("/cut"), 1000))
	for name, tt := range map[string]struct {
		log  urls.AccessLog
		want string
		urls int // emitted before
	}{
		"no files":     {urls.AccessLog{Base: base}, "Files is empty", 0},
		"no base":      {urls.AccessLog{Files: []string{good}}, `Base "": want a scheme and a host`, 0},
		"a path":       {urls.AccessLog{Files: []string{good}, Base: base + "/shop"}, "want a scheme and a host", 0},
		"a password":   {urls.AccessLog{Files: []string{good}, Base: "https://u:secret@h"}, "u:xxxxx@h", 0},
		"another form": {urls.AccessLog{Files: []string{good}, Base: "://"}, "Base: not a URL", 0},
		"negative":     {urls.AccessLog{Files: []string{good}, Base: base, Max: -1}, "must not be negative", 0},
		"no such file": {urls.AccessLog{Files: []string{"nowhere.log", good}, Base: base}, "nowhere.log: no such file", 1},
		"a cut file":   {urls.AccessLog{Files: []string{write(t, "a.gz", cut[:len(cut)-9])}, Base: base}, "unexpected EOF", 1},
		"no gzip":      {urls.AccessLog{Files: []string{write(t, "a.gz", []byte("\x1f\x8bnot"))}, Base: base}, "a.gz: ", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			emit, got := collect()
			err := tt.log.URLs(t.Context(), emit)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if len(*got) != tt.urls {
				t.Errorf("emitted %q, want %d", *got, tt.urls)
			}
		})
	}
}

func TestAccessLog_ends(t *testing.T) {
	t.Parallel()
	l := urls.AccessLog{Files: []string{write(t, "access.log", []byte(hit("/a")+hit("/b")))}, Base: base}
	full := errors.New("the cache is full")
	asked := 0
	err := l.URLs(t.Context(), func(string, http.Header) error { asked++; return full })
	if !errors.Is(err, full) || asked != 1 {
		t.Errorf("error %v after %d URLs, want emit's after one", err, asked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	emit, got := collect()
	if err := l.URLs(ctx, emit); !errors.Is(err, context.Canceled) || len(*got) != 0 {
		t.Errorf("error %v after %q, want Canceled after none", err, *got)
	}
}
