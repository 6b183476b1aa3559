package admin_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
	"github.com/warmcache/warmcache/warm/admin"
)

// Keys are shown to those alone who may run tasks.
func TestInspect_onlyAuthorized(t *testing.T) {
	s := serve(t, warm.Config{}, admin.Config{Authorize: admin.Bearer("secret")})
	for path, method := range map[string]string{
		"/api/cache/warmup/hot?cache=numbers":                "GET",
		"/api/cache/warmup/explain?cache=numbers&key=secret": "GET",
		"/api/cache/warmup/plan":                             "POST",
	} {
		if code, text, _ := s.do(t, method, path, ""); code != 401 || strings.Contains(text, "numbers") {
			t.Errorf("%s %s without a token: %d %s", method, path, code, text)
		}
		if code, _, _ := s.do(t, method, path, "", "Authorization: Bearer wrong"); code != 401 {
			t.Errorf("%s %s with a wrong token: %d", method, path, code)
		}
		if code, _, _ := s.do(t, "DELETE", path, "", "Authorization: Bearer secret"); code != 405 {
			t.Errorf("DELETE %s: %d, want 405", path, code)
		}
	}
}

func TestInspect(t *testing.T) {
	s := serve(t, warm.Config{}, open())
	for _, try := range []struct {
		path string
		code int
		want string
	}{
		{"/api/cache/warmup/hot?cache=numbers", 404, "LearnHot"},
		{"/api/cache/warmup/hot?cache=nobody", 404, `unknown cache \"nobody\"; known: numbers`},
		{"/api/cache/warmup/hot?cache=numbers&n=x", 400, `n \"x\"`},
		{"/api/cache/warmup/explain?cache=numbers", 400, "key=KEY"},
		{"/api/cache/warmup/explain?cache=nobody&key=k", 404, "known: numbers"},
		{"/api/cache/warmup/explain?cache=numbers&key=" + strings.Repeat("k", 9000), 400, "at most 8192 bytes"},
		{"/api/cache/warmup/explain?cache=numbers&key=", 200, `"key":""`},
	} {
		if code, text, _ := s.do(t, "GET", try.path, ""); code != try.code || !strings.Contains(text, try.want) {
			t.Errorf("GET %.80s: %d %.300s; want %d with %s", try.path, code, text, try.code, try.want)
		}
	}

	code, text, _ := s.do(t, "POST", "/api/cache/warmup/plan", `{"tasks":["numbers"]}`)
	var p warm.Plan
	if err := json.Unmarshal([]byte(text), &p); err != nil || code != 200 || len(p.Tasks) != 1 || p.Tasks[0].Items != 3 || p.Tasks[0].Keys[0] != "one" {
		t.Errorf("plan: %d %s, %v; want three items", code, text, err)
	}
	if code, text, _ := s.do(t, "POST", "/api/cache/warmup/plan", `{"tasks":["nobody"]}`); code != 400 || !strings.Contains(text, "nobody") {
		t.Errorf("plan of an unknown task: %d %s", code, text)
	}

	code, text, _ = s.do(t, "GET", "/api/cache/warmup/explain?cache=numbers&key="+url.QueryEscape("no\nsuch key"), "")
	var x tiercache.Explanation
	if err := json.Unmarshal([]byte(text), &x); err != nil || code != 200 || x.Key != "no\nsuch key" || x.Memory.Present || x.Verdict == "" {
		t.Errorf("explain: %d %s, %v", code, text, err)
	}
	if strings.Contains(text, "\n") && strings.Index(text, "\n") != len(text)-1 {
		t.Errorf("the answer has a raw line break: %q", text)
	}
}
