package main

import (
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// redaction is the texts that are never shown. It is put to others' texts where they come in: in
// finished output, JSON above all, it would meet what is no secret.
type redaction []string

// secrets collects what the environment holds of them: the token, and the passwords of both URLs,
// as they stand there and decoded.
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
	if cfg, err := pgx.ParseConfig(env("DATABASE_URL")); err == nil && env("DATABASE_URL") != "" { // keywords, or PGPASSWORD
		add(cfg.Password)
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

// error is err, which is of somebody else's, without secrets in its text.
func (r redaction) error(err error) error {
	if err == nil || r.text(err.Error()) == err.Error() {
		return err
	}
	return redacted{err, r.text(err.Error())}
}

type redacted struct {
	error

	text string
}

func (r redacted) Error() string { return r.text }
func (r redacted) Unwrap() error { return r.error }
