package main

import (
	"bytes"
	"io"
	"net/url"
	"slices"
	"strings"
)

// redaction is the texts that are never shown.
type redaction []string

// secrets collects what the environment holds of them: the token, and the passwords of both URLs, as they stand there and decoded.
func secrets(env func(string) string) redaction {
	var hide redaction
	add := func(texts ...string) {
		for _, text := range texts {
			if len(text) >= shortestSecret && !slices.Contains(hide, text) {
				hide = append(hide, text)
			}
		}
	}
	add(env("ADMIN_TOKEN"))
	for _, name := range []string{"REDIS_URL", "DATABASE_URL"} {
		text := env(name)
		if _, rest, found := strings.Cut(text, "://"); found {
			authority, _, _ := strings.Cut(rest, "/")
			if i := strings.LastIndexByte(authority, '@'); i >= 0 {
				_, password, _ := strings.Cut(authority[:i], ":")
				decoded, _ := url.PathUnescape(password)
				add(password, decoded)
			}
		}
		if u, err := url.Parse(text); err == nil {
			for name, values := range u.Query() {
				if strings.Contains(strings.ToLower(name), "password") {
					add(values...)
				}
			}
		}
	}
	// The longest first: one may be a part of another.
	slices.SortFunc(hide, func(a, b string) int { return len(b) - len(a) })
	return hide
}

// shortestSecret keeps a password of one or two letters from blotting out all there is to read.
const shortestSecret = 3

// text is s without secrets.
func (r redaction) text(s string) string {
	for _, secret := range r {
		s = strings.ReplaceAll(s, secret, "***")
	}
	return s
}

// writer passes on what is written to it without secrets. A secret is found where it is written in one piece, as every caller here does.
func (r redaction) writer(w io.Writer) io.Writer { return redacting{r, w} }

type redacting struct {
	hide redaction
	w    io.Writer
}

func (r redacting) Write(p []byte) (int, error) {
	clean := p
	for _, secret := range r.hide {
		clean = bytes.ReplaceAll(clean, []byte(secret), []byte("***"))
	}
	if _, err := r.w.Write(clean); err != nil {
		return 0, err
	}
	return len(p), nil
}
