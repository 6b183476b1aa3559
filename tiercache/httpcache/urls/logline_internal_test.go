package urls

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// A line that is understood says the same again when it is written anew, and a target that counts
// stays on the site.
func FuzzLogLine(f *testing.F) {
	for _, seed := range []string{
		`192.0.2.7 - - [27/Nov/2026:04:43:52 +0000] "GET /a?b=c HTTP/1.0" 200 2326`,
		`::1 - bob [27/Nov/2026:04:43:52 +0000] "GET /a\"b\x22\\\n HTTP/1.1" 304 - "-" "Mozilla/5.0"`,
		`v:443 h - - [t] "POST  HTTP/1.1" 999 0`, `h - - [t] "\x16\x03" 400 1`, `h - - [`, "",
	} {
		f.Add([]byte(seed))
	}
	quote := strings.NewReplacer(`\`, `\x5c`, `"`, `\x22`, "\n", `\x0a`, "\r", `\x0d`)
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseLine(line)
		if err != nil {
			return
		}
		again, err := parseLine(fmt.Appendf(nil, `h - %s [t] "%s %s HTTP/1.1" %d -`, r.user, quote.Replace(r.method), quote.Replace(r.target), r.status))
		if err != nil || again != r {
			t.Errorf("%q is %+v, and written anew %+v, %v", line, r, again, err)
		}
		c := counter{report: new(LogReport)}
		if !c.wanted(r) {
			return
		}
		u, err := url.Parse("https://www.example.com" + r.target)
		if err != nil || u.Host != "www.example.com" || u.User != nil || u.RequestURI() != r.target && u.RawPath == "" && !strings.Contains(r.target, "?") {
			t.Errorf("%q counts, and leads to %v (%v)", r.target, u, err)
		}
	})
}
