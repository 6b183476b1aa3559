package main_test

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	samples   = regexp.MustCompile(`curl -i http://127\.0\.0\.1:8080(\S+)(?: +# (\d+))?(.*)`)
	endpoints = regexp.MustCompile("`GET (/[^`]*)`")
)

// TestREADME sends what the READMEs show, to a service with all defaults but a smaller database.
func TestREADME(t *testing.T) {
	t.Parallel()
	s := serve(t, "DATABASE_URL="+filled(t))
	s.warmed()
	for _, file := range []string{"../../README.md", "README.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := samples.FindAllStringSubmatch(string(text), -1)
		if len(lines) == 0 {
			t.Errorf("%s shows no request", file)
		}
		for _, line := range lines {
			sample(s, line[1], line[2], line[3])
		}
		paths := endpoints.FindAllStringSubmatch(string(text), -1)
		if len(paths) < 10 {
			t.Errorf("%s has %d endpoints", file, len(paths))
		}
		for _, path := range paths {
			known := strings.NewReplacer("{name}", "Nike", "questions/{id}", "questions/q1-001", "/{id}", "/nobody").Replace(path[1])
			if code, body := head(s, known); code != http.StatusOK && !strings.Contains(body, "there is no") {
				t.Errorf("%s: GET %s: %d %s", file, known, code, body)
			}
		}
	}
	s.terminate()
}

// sample sends a request, and looks for the code and the tier that the comment behind it tells.
func sample(s *service, path, code, told string) {
	s.t.Helper()
	a := s.get(path)
	if want, _ := strconv.Atoi(code); want != 0 && a.code != want || want == 0 && a.code != http.StatusOK {
		s.t.Errorf("GET %s: %d %s, want %s", path, a.code, a.body, code)
	}
	if _, tier, found := strings.Cut(told, "X-Cache: "); found {
		want := strings.TrimRight(strings.Fields(tier)[0], ",;")
		if got := a.header.Get("X-Cache"); got != want && !strings.Contains(told, "unless") {
			s.t.Errorf("GET %s: X-Cache %s, want %s", path, got, want)
		}
	}
	if strings.Contains(told, "memory the second time") {
		if got := s.get(path).header.Get("X-Cache"); got != "memory" {
			s.t.Errorf("GET %s again: X-Cache %s, want memory", path, got)
		}
	}
	if at := strings.Index(told, "{"); at >= 0 && strings.TrimSpace(a.body) != strings.TrimSpace(told[at:]) {
		s.t.Errorf("GET %s: %s, want %s", path, a.body, told[at:])
	}
}

// head returns an answer's code and the beginning of its body, as that of /events has no end.
func head(s *service, path string) (code int, body string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it need not be read
	begin := make([]byte, 256)
	n, _ := response.Body.Read(begin)
	return response.StatusCode, string(begin[:n])
}
