package httpcache_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// rule is one row of a table of what is stored: whether a second request reaches the origin.
type rule struct {
	name   string
	cfg    httpcache.Config
	fields []string // of the answer
	asked  []string // fields of the requests
	wait   time.Duration
	stored bool // the second request is answered from the cache
}

func (r rule) run(t *testing.T) {
	inTime(t, r.name, func(t *testing.T) {
		w := newWorld(t, r.cfg, answers("hello", r.fields...))
		first := body(t, w.get("http://example.com/a", r.asked...))
		after(r.wait)
		second := body(t, w.get("http://example.com/a", r.asked...))
		want := 2
		if r.stored {
			want = 1
		}
		w.want(want, "two requests")
		if first != second {
			t.Errorf("bodies %q and %q differ", first, second)
		}
	})
}

// TestRFC has a test for each rule of the table in docs/httpcache.md, named after it.
func TestRFC(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"9111 §3": storing, "9111 §3.1": fieldsStored, "9111 §3.2": fieldsRenewed, "9111 §4": reusing,
		"9111 §4.2.1": lifetimes, "9111 §4.2.3": ages, "9111 §4.2.4": staleness, "9111 §4.3": validating,
		"9111 §4.3.5": heads, "9111 §4.4": invalidating, "9111 §5.2.1": requestDirectives,
		"9110": rangesAndInterim, "9211": cacheStatus, "9213": targeted, "9875": groups, "9111 §4.1": varying,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

func storing(t *testing.T) {
	old := "Last-Modified: Sat, 01 Jan 1999 00:00:00 GMT"
	for _, r := range []rule{
		{name: "explicit freshness", fields: []string{"Cache-Control: max-age=60"}, stored: true},
		{name: "nothing said", fields: nil},
		{name: "no-store", fields: []string{"Cache-Control: max-age=60, no-store"}},
		{name: "No-StOrE", fields: []string{"Cache-Control: max-age=60, No-StOrE"}},
		{name: "private", fields: []string{"Cache-Control: private, max-age=60"}},
		{name: "private for one user's client", cfg: httpcache.Config{Private: true}, fields: []string{"Cache-Control: private, max-age=60"}, stored: true},
		{name: "any status with explicit freshness", fields: []string{"status: 599", "Cache-Control: max-age=60"}, stored: true},
		{name: "an error with explicit freshness", fields: []string{"status: 500", "Cache-Control: max-age=60"}, stored: true},
		{name: "not 206", fields: []string{"status: 206", "Cache-Control: max-age=60", "Content-Range: bytes 0-4/10"}},
		{name: "not 304", fields: []string{"status: 304", "Cache-Control: max-age=60"}},
		{name: "must-understand beats no-store", fields: []string{"Cache-Control: max-age=60, no-store, must-understand"}, stored: true},
		{name: "must-understand of an unknown status", fields: []string{"status: 599", "Cache-Control: max-age=60, must-understand"}},
		{name: "DefaultTTL", cfg: httpcache.Config{DefaultTTL: time.Minute}, stored: true},
		{name: "DefaultTTL of a status that is not cacheable", cfg: httpcache.Config{DefaultTTL: time.Minute}, fields: []string{"status: 403"}},
		{name: "heuristics", cfg: httpcache.Config{Heuristic: 0.1}, fields: []string{old}, stored: true},
		{name: "no heuristics unless they are on", fields: []string{old}},
		{name: "public has a heuristic", cfg: httpcache.Config{Heuristic: 0.1}, fields: []string{old, "status: 403", "Cache-Control: public"}, stored: true},
		{name: "after Authorization", fields: []string{"Cache-Control: max-age=60"}, asked: []string{"Authorization: Basic eDp5"}},
		{name: "after Authorization with public", fields: []string{"Cache-Control: max-age=60, public"}, asked: []string{"Authorization: Basic eDp5"}, stored: true},
		{name: "after Authorization with s-maxage", fields: []string{"Cache-Control: s-maxage=60"}, asked: []string{"Authorization: Basic eDp5"}, stored: true},
		{name: "after Authorization with must-revalidate", fields: []string{"Cache-Control: max-age=60, must-revalidate"}, asked: []string{"Authorization: Basic eDp5"}, stored: true},
		{name: "after Cookie", fields: []string{"Cache-Control: max-age=60"}, asked: []string{"Cookie: id=1"}},
		{name: "after Cookie with public", fields: []string{"Cache-Control: max-age=60, public"}, asked: []string{"Cookie: id=1"}, stored: true},
		{name: "an event stream", fields: []string{"Cache-Control: max-age=60", "Content-Type: text/event-stream"}},
		{name: "Set-Cookie with StoreSetCookie", cfg: httpcache.Config{StoreSetCookie: true}, fields: []string{"Cache-Control: max-age=60", "Set-Cookie: a=b"}, stored: true},
		{name: "Set-Cookie with StoreSetCookie, not explicitly fresh", cfg: httpcache.Config{StoreSetCookie: true, DefaultTTL: time.Minute}, fields: []string{"Set-Cookie: a=b"}},
	} {
		r.run(t)
	}
	inTime(t, "only GET", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=60"))
		w.do(http.MethodPost, "http://example.com/a")
		w.get("http://example.com/a")
		w.want(2, "after a POST")
	})
}

func lifetimes(t *testing.T) {
	future := "Expires: " + date(time.Date(2000, 1, 1, 0, 1, 0, 0, time.UTC))
	long := []string{"Cache-Control: max-age=1", "Cache-Control: s-maxage=60"}
	second := 2 * time.Second
	fresh := func(name string, fields ...string) rule {
		return rule{name: name, fields: fields, wait: second, stored: true}
	}
	stale := func(name string, fields ...string) rule { return rule{name: name, fields: fields, wait: second} }
	for _, r := range []rule{
		fresh("s-maxage before max-age", long...),
		stale("s-maxage is not for one user's client", long...).with(httpcache.Config{Private: true}),
		fresh("max-age before Expires", "Cache-Control: max-age=60", "Expires: 0"),
		stale("max-age=0 before Expires", "Cache-Control: max-age=0", future),
		fresh("Expires less Date", future, "Date: Sat, 01 Jan 2000 00:00:00 GMT"),
		fresh("Expires without Date", future),
		fresh("no case", "Cache-Control: MaX-AgE=60"),
		fresh("quoted", `Cache-Control: max-age="60"`),
		fresh("overlarge", "Cache-Control: max-age=99999999999"),
		stale("no number", "Cache-Control: max-age=a60", future),
		stale("a fraction", "Cache-Control: max-age=60.0"),
		stale("negative", "Cache-Control: max-age=-60"),
		stale("two that differ", "Cache-Control: max-age=60, max-age=1000"),
		fresh("two that are the same", "Cache-Control: max-age=60, max-age=60"),
		stale("in a quoted string", `Cache-Control: extension="max-age=60", max-age=1`),
		stale("a blank before the equals sign", "Cache-Control: max-age =60"),
		fresh("Expires in RFC 850's form", "Expires: Wednesday, 18-Aug-49 02:01:18 GMT"),
		fresh("Expires in asctime's form", "Expires: Thu Aug  8 02:01:18 2049"),
		fresh("Expires in any case", "Expires: thu, 18 AUG 2050 02:01:18 gMT"),
		stale("Expires in another zone", "Expires: Thu, 18 Aug 2050 02:01:18 UTC"),
		stale("Expires with one digit", "Expires: Thu, 18 Aug 2050 2:01:18 GMT"),
		stale("Expires with two blanks", "Expires: Thu, 18  Aug  2050 02:01:18 GMT"),
		stale("Expires is no date", "Expires: 0"),
		stale("two Expires that differ", "Expires: Thu, 18 Aug 2050 02:01:18 GMT", "Expires: Thu, 18 Aug 2050 02:01:19 GMT"),
	} {
		r.run(t)
	}
	rule{
		name: "the heuristic is a share of the age of Last-Modified", cfg: httpcache.Config{Heuristic: 0.1},
		fields: []string{"Last-Modified: Fri, 31 Dec 1999 23:59:00 GMT"}, wait: 7 * time.Second,
	}.run(t)
	rule{
		name: "the heuristic is at most a day", cfg: httpcache.Config{Heuristic: 1},
		fields: []string{"Last-Modified: Fri, 31 Dec 1990 23:59:00 GMT"}, wait: 25 * time.Hour,
	}.run(t)
	inTime(t, "it ends on time", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=10"))
		w.get("http://example.com/a")
		after(9900 * time.Millisecond)
		w.get("http://example.com/a")
		w.want(1, "before its time is over")
		after(200 * time.Millisecond)
		w.get("http://example.com/a")
		w.want(2, "once its time is over")
	})
}

func (r rule) with(cfg httpcache.Config) rule {
	r.cfg = cfg
	return r
}

func ages(t *testing.T) {
	for _, r := range []rule{
		{name: "Age counts", fields: []string{"Cache-Control: max-age=60", "Age: 60"}},
		{name: "Age is the first member", fields: []string{"Cache-Control: max-age=60", "Age: 0, 7200"}, stored: true},
		{name: "Age is the first line", fields: []string{"Cache-Control: max-age=60", "Age: 7200", "Age: 0"}},
		{name: "Age that is no number is ignored", fields: []string{"Cache-Control: max-age=60", "Age: abc"}, stored: true},
		{name: "Age that is negative is ignored", fields: []string{"Cache-Control: max-age=60", "Age: -7200"}, stored: true},
		{name: "Age with a fraction is ignored", fields: []string{"Cache-Control: max-age=60", "Age: 7200.0"}, stored: true},
		{name: "Age that is overlarge", fields: []string{"Cache-Control: max-age=60", "Age: 99999999999"}},
		{name: "apparent age", fields: []string{"Cache-Control: max-age=60", "Date: Fri, 31 Dec 1999 23:58:00 GMT"}},
	} {
		r.run(t)
	}
	inTime(t, "the delay counts", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, _ int) {
			after(3 * time.Second)
			answer(w, "late", "Cache-Control: max-age=10", "Age: 5")
		})
		w.get("http://example.com/a")
		after(time.Second)
		if got := w.get("http://example.com/a").Header.Get("Age"); got != "9" {
			t.Errorf("Age %q, want 9: 5 that were told, 3 of delay and 1 since", got)
		}
		after(2 * time.Second)
		w.get("http://example.com/a")
		w.want(2, "at an age of 11 of 10 seconds")
	})
	inTime(t, "Age is sent with each reuse", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=100", "Age: 7"))
		w.get("http://example.com/a")
		for _, want := range []string{"10", "13"} {
			after(3 * time.Second)
			if got := w.get("http://example.com/a").Header["Age"]; len(got) != 1 || got[0] != want {
				t.Errorf("Age %q, want %s once", got, want)
			}
		}
	})
}
