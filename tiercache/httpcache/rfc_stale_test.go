package httpcache_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// fails is an origin that answers once, and then fails in some way.
func fails(how func(w http.ResponseWriter, r *http.Request), fields ...string) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, r *http.Request, n int) {
		if n > 1 {
			how(w, r)
			return
		}
		answer(w, "good", fields...)
	}
}

func unavailable(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "down", http.StatusServiceUnavailable)
}

func staleness(t *testing.T) {
	for _, forbidden := range []string{"must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2"} {
		inTime(t, "never after "+forbidden, func(t *testing.T) {
			w := newWorld(t, httpcache.Config{StaleIfError: time.Minute},
				fails(unavailable, "Cache-Control: max-age=2, stale-if-error=60, stale-while-revalidate=60, "+forbidden))
			w.get("http://example.com/a")
			after(3 * time.Second)
			if r := w.get("http://example.com/a", "Cache-Control: max-stale"); r.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s, want what the origin says", r.Status)
			}
		})
	}
	inTime(t, "stale-if-error for a 5xx", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, fails(unavailable, "Cache-Control: max-age=2, stale-if-error=60"))
		w.get("http://example.com/a")
		after(3 * time.Second)
		r := w.get("http://example.com/a")
		if r.StatusCode != http.StatusOK || body(t, r) != "good" || r.Header.Get("N") != "1" {
			t.Errorf("%s, want the stale answer", r.Status)
		}
		after(time.Minute)
		if r := w.get("http://example.com/a"); r.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s after the window, want what the origin says", r.Status)
		}
	})
	inTime(t, "stale-if-error for a panic", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{Logger: quiet()}, fails(func(http.ResponseWriter, *http.Request) { panic("broken") }, "Cache-Control: max-age=2, stale-if-error=60"))
		w.get("http://example.com/a")
		after(3 * time.Second)
		if r := w.get("http://example.com/a"); r.StatusCode != http.StatusOK || body(t, r) != "good" {
			t.Errorf("%s, want the stale answer", r.Status)
		}
	})
	inTime(t, "stale-if-error only where it says so", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, fails(unavailable, "Cache-Control: max-age=2"))
		w.get("http://example.com/a")
		after(3 * time.Second)
		if r := w.get("http://example.com/a"); r.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s, want what the origin says", r.Status)
		}
	})
	inTime(t, "StaleIfError of answers that don't say", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{StaleIfError: time.Minute}, fails(unavailable, "Cache-Control: max-age=2"))
		w.get("http://example.com/a")
		after(3 * time.Second)
		if r := w.get("http://example.com/a"); r.StatusCode != http.StatusOK {
			t.Errorf("%s, want the stale answer", r.Status)
		}
	})
	inTime(t, "stale-while-revalidate at once, one refresh behind", func(t *testing.T) {
		gate := make(chan struct{})
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 2 {
				if r.Header.Get("Cookie") != "" || r.Header.Get("X-Other") != "" {
					t.Error("the refresh has fields of a client")
				}
				<-gate
			}
			answer(w, "hello", "Cache-Control: max-age=2, stale-while-revalidate=60")
		})
		w.get("http://example.com/a")
		after(3 * time.Second)
		for range 5 {
			if r := w.get("http://example.com/a", "X-Other: 1"); r.Header.Get("N") != "1" || r.Header.Get("Age") != "3" {
				t.Errorf("%v, want the stale answer", r.Header)
			}
			after(0)
		}
		w.want(2, "one refresh behind")
		if n := w.cache.Stats().Refreshes; n != 1 {
			t.Errorf("%d refreshes are under way, want one", n)
		}
		close(gate)
		after(0)
		if r := w.get("http://example.com/a"); r.Header.Get("N") != "2" {
			t.Errorf("N %s, want the refreshed answer", r.Header.Get("N"))
		}
	})
	inTime(t, "not after the window of stale-while-revalidate", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=2, stale-while-revalidate=3"))
		w.get("http://example.com/a")
		after(6 * time.Second)
		if r := w.get("http://example.com/a"); r.Header.Get("N") != "2" {
			t.Error("a stale answer was served")
		}
	})
	inTime(t, "after Authorization only in the foreground", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: public, max-age=2, stale-while-revalidate=60"))
		w.get("http://example.com/a", "Authorization: Basic eDp5")
		after(3 * time.Second)
		if r := w.get("http://example.com/a", "Authorization: Basic eDp5"); r.Header.Get("N") != "2" {
			t.Error("an answer to a credential was refreshed without it")
		}
		if w.last().Header.Get("Authorization") == "" {
			t.Error("it was asked for without the credential")
		}
	})
	inTime(t, "max-stale", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("hello", "Cache-Control: max-age=2"))
		w.get("http://example.com/a")
		after(5 * time.Second)
		w.get("http://example.com/a", "Cache-Control: max-stale=4")
		w.want(1, "3 s beyond, with max-stale=4")
		w.get("http://example.com/a", "Cache-Control: max-stale=2")
		w.want(2, "3 s beyond, with max-stale=2")
	})
	inTime(t, "no connection", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, answers("unused"))
		down := false
		client := &http.Client{Transport: w.cache.Transport(tripper(func(r *http.Request) (*http.Response, error) {
			if down {
				return nil, errDown
			}
			rec := httptest.NewRecorder()
			answer(rec, "good", "Cache-Control: max-age=2, stale-if-error=60")
			return rec.Result(), nil
		}))}
		for range 2 {
			r, err := client.Get("http://example.com/a")
			if err != nil {
				t.Fatal(err)
			}
			if got := body(t, r); got != "good" {
				t.Errorf("%q, want the stored answer", got)
			}
			_ = r.Body.Close()
			down = true
			after(3 * time.Second)
		}
	})
}

func validating(t *testing.T) {
	inTime(t, "with the stored ETag and Last-Modified", func(t *testing.T) {
		modified := "Sat, 01 Jan 1999 00:00:00 GMT"
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, n int) {
			if n > 1 {
				if r.Header.Get("If-None-Match") != `"v1"` || r.Header.Get("If-Modified-Since") != modified {
					t.Errorf("asked with %v", r.Header)
				}
				answer(w, "", "status: 304", `ETag: "v1"`, "Cache-Control: max-age=2")
				return
			}
			answer(w, "hello", "Cache-Control: max-age=2", `ETag: "v1"`, "Last-Modified: "+modified)
		})
		w.get("http://example.com/a")
		for n := 2; n < 4; n++ {
			after(3 * time.Second)
			r := w.get("http://example.com/a", `If-None-Match: "client's"`)
			if r.StatusCode != http.StatusOK || body(t, r) != "hello" {
				t.Errorf("%s, want the stored answer", r.Status)
			}
			w.want(n, "validated")
			w.get("http://example.com/a")
			w.want(n, "fresh again")
		}
		if s := w.cache.Stats(); s.Validated != 2 || s.Hits != 2 || s.Misses != 1 {
			t.Errorf("%+v", s)
		}
	})
	inTime(t, "no-cache is validated each time", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.Header.Get("If-None-Match") == `"v1"` {
				answer(w, "", "status: 304")
				return
			}
			answer(w, "hello", "Cache-Control: no-cache, max-age=60", `ETag: "v1"`)
		})
		for n := range 4 {
			if r := w.get("http://example.com/a"); r.StatusCode != http.StatusOK || body(t, r) != "hello" {
				t.Error("not the answer")
			}
			w.want(n+1, "no-cache")
		}
	})
	inTime(t, "a changed answer replaces the stored one", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, n int) {
			answer(w, string(rune('a'+n)), "Cache-Control: max-age=2", `ETag: "`+string(rune('a'+n))+`"`)
		})
		w.get("http://example.com/a")
		after(3 * time.Second)
		if got := body(t, w.get("http://example.com/a")); got != "c" {
			t.Errorf("%q, want the new answer", got)
		}
		if got := body(t, w.get("http://example.com/a")); got != "c" {
			t.Errorf("%q, want the new answer stored", got)
		}
		w.want(2, "stored")
	})
	inTime(t, "a 304 about something else confirms nothing", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, n int) {
			if r.Header.Get("If-None-Match") != "" {
				answer(w, "", "status: 304", `ETag: "v2"`)
				return
			}
			answer(w, string(rune('a'+n)), "Cache-Control: max-age=2", `ETag: "v1"`)
		})
		w.get("http://example.com/a")
		after(3 * time.Second)
		if got := body(t, w.get("http://example.com/a")); got != "d" {
			t.Errorf("%q, want an answer that was asked for anew", got)
		}
	})
	inTime(t, "a condition that the new answer meets", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, _ *http.Request, n int) {
			tag := []string{"", `"v1"`, `"v2"`}[min(n, 2)]
			answer(w, "body of "+tag, "Cache-Control: max-age=2", "ETag: "+tag)
		})
		w.get("http://example.com/a")
		after(3 * time.Second)
		r := w.get("http://example.com/a", `If-None-Match: "v2"`)
		if r.StatusCode != http.StatusNotModified || body(t, r) != "" {
			t.Errorf("%s, want 304", r.Status)
		}
		if got := body(t, w.get("http://example.com/a")); got != `body of "v2"` {
			t.Errorf("%q, want the new answer stored", got)
		}
		w.want(2, "stored")
	})
	conditions(t)
}

func conditions(t *testing.T) {
	modified := "Last-Modified: Sat, 01 Jan 1999 00:00:00 GMT"
	for _, c := range []struct {
		name   string
		stored []string
		asked  []string
		want   int
	}{
		{"the same tag", []string{`ETag: "a"`}, []string{`If-None-Match: "a"`}, 304},
		{"another tag", []string{`ETag: "a"`}, []string{`If-None-Match: "b"`}, 200},
		{"a weak tag", []string{`ETag: W/"a"`}, []string{`If-None-Match: "a"`}, 304},
		{"a list", []string{`ETag: "a"`}, []string{`If-None-Match: "x,y", W/"a" , "z"`}, 304},
		{"lines", []string{`ETag: "a"`}, []string{`If-None-Match: "x"`, `If-None-Match: "a"`}, 304},
		{"a star", []string{`ETag: "a"`}, []string{"If-None-Match: *"}, 304},
		{"a star without a tag", nil, []string{"If-None-Match: *"}, 304},
		{"If-None-Match before If-Modified-Since", []string{`ETag: "a"`, modified}, []string{`If-None-Match: "b"`, "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT"}, 200},
		{"If-Modified-Since", []string{modified}, []string{"If-Modified-Since: Sat, 01 Jan 1999 00:00:00 GMT"}, 304},
		{"If-Modified-Since, modified later", []string{modified}, []string{"If-Modified-Since: Thu, 01 Jan 1998 00:00:00 GMT"}, 200},
		{"If-Modified-Since without Last-Modified", nil, []string{"If-Modified-Since: Sat, 01 Jan 2000 00:00:10 GMT"}, 304},
		{"If-Modified-Since that is no date", []string{modified}, []string{"If-Modified-Since: yesterday"}, 200},
	} {
		inTime(t, "304 from what is fresh/"+c.name, func(t *testing.T) {
			w := newWorld(t, httpcache.Config{}, answers("hello", append(c.stored, "Cache-Control: max-age=60")...))
			w.get("http://example.com/a")
			r := w.get("http://example.com/a", c.asked...)
			if r.StatusCode != c.want {
				t.Errorf("%s, want %d", r.Status, c.want)
			}
			if r.StatusCode == 304 && (body(t, r) != "" || len(c.stored) > 0 && r.Header.Get("ETag")+r.Header.Get("Last-Modified") == "") {
				t.Error("a 304 with a body, or without its validator")
			}
			w.want(1, "from the cache")
		})
	}
	inTime(t, "without an entry it goes through", func(t *testing.T) {
		w := newWorld(t, httpcache.Config{}, func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.Header.Get("If-None-Match") != `"a"` {
				t.Errorf("asked with %v", r.Header)
			}
			answer(w, "", "status: 304", `ETag: "a"`)
		})
		if r := w.get("http://example.com/a", `If-None-Match: "a"`); r.StatusCode != http.StatusNotModified {
			t.Errorf("%s, want 304", r.Status)
		}
	})
}
