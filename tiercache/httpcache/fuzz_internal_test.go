package httpcache

import (
	"bytes"
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzFields parses fields of answers and requests: nothing panics, no number of seconds is out of
// range, and no member of a list has a comma outside of quotes.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{
		"max-age=60, no-store", `no-cache="a, b", private="x`, `max-age="60"`, "max-age=-1,max-age", `"\`, ", ,", "W/\"a,b\", *",
		"Thu, 18 Aug 2050 02:01:18 GMT", "Thursday, 18-Aug-50 02:01:18 GMT", "Thu Aug  8 02:01:18 2050", "for=1;host=\"a;b\";proto=http",
	} {
		f.Add(seed)
	}
	now := time.Unix(1e9, 0)
	f.Fuzz(func(t *testing.T, text string) {
		d := parseDirectives([]string{text, text})
		for _, n := range []int64{d.maxAge, d.sMaxAge, d.whileRevalidate, d.ifError, d.maxStale, d.minFresh} {
			if n < -1 || n > longestSeconds {
				t.Errorf("%q: %d seconds", text, n)
			}
		}
		for member := range members(text, ',') {
			if again := slices.Collect(members(member, ',')); len(again) != 1 || again[0] != member {
				t.Errorf("member %q of %q falls apart: %q", member, text, again)
			}
		}
		if age := parseAge([]string{text}); age < 0 || age > seconds(longestSeconds) {
			t.Errorf("%q: age %v", text, age)
		}
		_, _ = parseDate(text, now)
		_ = condition{match: []string{text}, since: text}.met(text, 1)
		_, _ = (&answer{header: http.Header{"Vary": {text}}}).selecting()
		_ = forwardedHost(text)
		_ = groupsOf([]string{text})
		c := &Cache{cfg: Config{Targeted: []string{"X"}}}
		_, _ = c.directivesOf(func(string) []string { return []string{text} })
	})
}

// FuzzKey makes keys of two requests: they are the same only where all that is in a key is, and a
// key leads back to a request with the same key.
func FuzzKey(f *testing.F) {
	f.Add("a.com", "/x?y=1", "b.com", "gzip", "a.com", "/x", "", "")
	f.Add("A.com:80", "/x", "h=1", "a\nb", "a.com", "/x\nh=b", "", "a")
	f.Add("a", "/\x00", "", "", "a", "/%00", "", "")
	c := &Cache{recent: recentKeys{seed: maphash.MakeSeed()}}
	index := &value{id: "0123456789abc", names: []string{"Accept", "User-Agent"}, marks: marks{memos: new(keyMemos)}}
	make1 := func(host, uri, forwarded, agent string) (*http.Request, string) {
		u, err := url.Parse("http://" + host + uri)
		if err != nil || u.Host == "" || u.User != nil || u.RawPath != "" || !strings.HasPrefix(uri, "/") {
			return nil, ""
		}
		r := newRequest(u)
		if forwarded != "" {
			r.Header.Set("X-Forwarded-Host", forwarded)
		}
		if agent != "" {
			r.Header.Set("User-Agent", agent)
		}
		what := c.keyOf(r, traitsOf(r))
		if what.key == "" {
			return nil, ""
		}
		key, ok := index.under(what.key, r.Header)
		if !ok {
			return nil, ""
		}
		return r, key
	}
	f.Fuzz(func(t *testing.T, host1, uri1, forwarded1, agent1, host2, uri2, forwarded2, agent2 string) {
		a, first := make1(host1, uri1, forwarded1, agent1)
		b, second := make1(host2, uri2, forwarded2, agent2)
		if a == nil || b == nil {
			return
		}
		said := func(r *http.Request) []string {
			return []string{
				withoutPort("http", strings.ToLower(r.URL.Host)), r.URL.RequestURI(), r.Header.Get("X-Forwarded-Host"),
				string(appendJoined(nil, r.Header["User-Agent"])),
			}
		}
		if (first == second) != slices.Equal(said(a), said(b)) {
			t.Errorf("keys %q and %q of %q and %q", first, second, said(a), said(b))
		}
		if r := requestOf(first); r != nil {
			if again, ok := index.under(c.keyOf(r, traitsOf(r)).key, r.Header); !ok || again != first {
				t.Errorf("key %q leads back to %q", first, again)
			}
		}
	})
}

// FuzzCodec decodes anything: it fails, or encodes to a value that decodes to the same bytes.
func FuzzCodec(f *testing.F) {
	v := newAnswer(200, http.Header{"A": {"1", "2"}, "Date": nil})
	v.body, v.etag, v.tags, v.lifetime = []byte("hello"), `"v1"`, []string{"t"}, time.Minute
	for _, seed := range []*value{v, newIndex([]string{"Accept"}), {kind: kindPass}} {
		data, _ := codec{}.Encode(nil, seed)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := codec{}.Decode(data)
		if err != nil {
			return
		}
		once, _ := codec{}.Encode(nil, v)
		again, err := codec{}.Decode(once)
		if err != nil {
			t.Fatal(err)
		}
		if twice, _ := (codec{}).Encode(nil, again); !bytes.Equal(once, twice) {
			t.Errorf("%q and %q", once, twice)
		}
	})
}
