package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// purge ends answers of an HTTP cache by the method PURGE, see httpcache.Cache.Handler.
func purge(ctx context.Context, t terminal, args []string) error {
	f := newFlags(t, "purge", "URL|-tag TAG", "end all variants of URLs, or what has a tag, in the whole fleet")
	var p purger
	f.Func("tag", "a tag or group; end what is in it at the origin of URL, or of -addr without one; may be given again", func(tag string) error {
		p.tags = append(p.tags, tag)
		return groupName(tag)
	})
	addr := f.String("addr", "", "where the cache listens, if not at the URL's own host; with -tag and without URL "+defaultAddr)
	f.Func("header", `a field such as "X-Forwarded-Proto: https", which a proxy before the cache would send; may be given again`, p.header)
	urls, err := f.parse(args, 0, 1000)
	if err != nil {
		return err
	}
	switch {
	case len(p.tags) > 1000 || len(p.tags) > 0 && len(urls) > 1:
		return usageError{"with -tag it takes one URL at most, and 1000 tags"}
	case len(p.tags) > 0 && len(urls) == 0:
		urls = []string{cmp.Or(*addr, defaultAddr)}
	case len(urls) == 0:
		return usageError{"no URL given; want URLs, or -tag TAG"}
	}
	if p.client, err = newClient(cmp.Or(*addr, defaultAddr), t.env("ADMIN_TOKEN"), t.hide); err != nil {
		return err
	}
	defer p.client.close()
	p.elsewhere = *addr != ""
	p.json = *f.json
	return p.all(ctx, t, urls)
}

// groupName checks that a tag can travel as a string of a structured field.
func groupName(tag string) error {
	if tag == "" || len(tag) > 1024 || strings.ContainsFunc(tag, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("want 1 to 1024 characters of printable ASCII")
	}
	return nil
}

// purger sends PURGE requests.
type purger struct {
	client    *client
	elsewhere bool // to the client's address, whatever the host of the URL
	json      bool
	tags      []string
	fields    [][2]string
}

func (p *purger) header(text string) error {
	name, value, ok := strings.Cut(text, ":")
	if !ok || strings.ContainsAny(name, " \t") || strings.ContainsAny(text, "\r\n") {
		return errors.New(`want "Name: value"`)
	}
	p.fields = append(p.fields, [2]string{name, strings.TrimSpace(value)})
	return nil
}

// purged is what was ended.
type purged struct {
	URL   string   `json:"url"`
	Tags  []string `json:"tags,omitempty"`
	Error string   `json:"error,omitempty"`
}

// all tries each URL, also where another failed.
func (p *purger) all(ctx context.Context, t terminal, urls []string) error {
	targets := make([]*url.URL, len(urls))
	for i, text := range urls {
		if len(p.tags) > 0 && !strings.Contains(text, "://") {
			text = "http://" + text // as -addr may be written
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
			return usageError{"want an absolute URL without user and fragment, such as https://www.example.com/page?id=1"}
		}
		targets[i] = u
	}
	done := make([]purged, len(targets))
	failed := false
	for i, u := range targets {
		done[i] = purged{URL: p.client.hide.text(u.String()), Tags: p.tags}
		if err := p.send(ctx, u); err != nil {
			done[i].Error, failed = err.Error(), true
		}
		switch {
		case p.json:
		case done[i].Error != "":
			say(t.err, "warmctl purge: %s: %s\n", shown(done[i].URL), done[i].Error)
		case len(p.tags) > 0:
			say(t.out, "purged what is tagged %s at %s\n", shown(strings.Join(p.tags, ", ")), shown(done[i].URL))
		default:
			say(t.out, "purged %s\n", shown(done[i].URL))
		}
	}
	var err error
	if p.json {
		err = printJSON(t.out, done)
	}
	if err == nil && failed {
		err = errFound
	}
	return err
}

// send ends one URL, or the tags at its origin.
func (p *purger) send(ctx context.Context, u *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	to, at := *u, u.Scheme+"://"+u.Host
	if p.elsewhere {
		to.Scheme, to.Host, at = p.client.base.Scheme, p.client.base.Host, p.client.at
	}
	req, err := http.NewRequestWithContext(ctx, "PURGE", to.String(), http.NoBody)
	if err != nil {
		return err
	}
	req.Host = u.Host
	for _, field := range p.fields {
		req.Header.Add(field[0], field[1])
		if strings.EqualFold(field[0], "Host") {
			req.Host = field[1]
		}
	}
	for _, tag := range p.tags {
		req.Header.Add("Cache-Group-Invalidation", `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(tag)+`"`)
	}
	if p.client.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.client.token)
	}
	res, err := p.client.http.Do(req)
	if err != nil {
		return fmt.Errorf("no service answers at %s: %w", p.client.hide.text(at), inner(err))
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	if res.StatusCode == http.StatusNoContent {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // a part of it is as good
	return p.refused(res, p.client.hide.text(at), strings.TrimSpace(p.client.hide.text(string(text))))
}

// refused says what an answer other than yes means.
func (p *purger) refused(res *http.Response, at, text string) error {
	switch {
	case res.StatusCode/100 == 3:
		return fmt.Errorf("%s leads to %s: give that if it is right; the token is sent to no other address", at, shown(p.client.hide.text(res.Header.Get("Location"))))
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		if p.client.token == "" {
			return fmt.Errorf("the service says %d: %s; set ADMIN_TOKEN if it wants a token", res.StatusCode, shown(text))
		}
		return fmt.Errorf("the service says %d: %s", res.StatusCode, shown(text))
	case res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusAccepted:
		return fmt.Errorf("the service says %d: %s", res.StatusCode, shown(text))
	default:
		return fmt.Errorf("%s answers %d: no HTTP cache of ours that grants PURGE is there; check the URL, -addr, and Config.Purge of the cache", at, res.StatusCode)
	}
}
