package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	defaultAddr = "http://127.0.0.1:8080"
	api         = "/api/cache/warmup/"
	mostAnswer  = 32 << 20
	dialTime    = 5 * time.Second
	answerTime  = 15 * time.Second // of what takes the service no work
)

// client talks to a service's admin handler.
type client struct {
	base  *url.URL
	token string
	hide  redaction
	at    string // the address, for people
	http  *http.Client
}

// admin adds the flag -addr, and returns what makes the client once the flags are parsed.
func (f flags) admin(t terminal) func() (*client, error) {
	addr := f.String("addr", defaultAddr, "where the service's admin handler is, its prefix included; the token is in ADMIN_TOKEN")
	return func() (*client, error) { return newClient(*addr, t.env("ADMIN_TOKEN"), t.hide) }
}

func newClient(addr, token string, hide redaction) (*client, error) {
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the service does not accept the token of ADMIN_TOKEN: a token is printable ASCII without blanks and line breaks; it travels in a header")
	}
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	base, err := url.Parse(addr)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.User != nil {
		return nil, usageError{"-addr: want a URL without user and query, such as " + defaultAddr + " or https://service.internal/admin"}
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	return &client{base: base, token: token, hide: hide, at: hide.text(base.String()), http: &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialTime}).DialContext},
		// The token is meant for this address and no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// request is what is asked of the handler.
type request struct {
	method, path string // the path below api
	query        url.Values
	body         any    // marshalled to JSON; nil = none
	accept       string // "" = whatever the service prefers
}

// send makes a request and returns its answer with the code 200 or 202; all else is an error.
func (c *client) send(ctx context.Context, r request) (*http.Response, error) {
	to := *c.base
	to.Path += api + r.path
	to.RawQuery = r.query.Encode()
	var reader io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, to.String(), reader)
	if err != nil {
		return nil, err
	}
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no service answers at %s: %w", c.at, inner(err))
	}
	if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusAccepted {
		return res, nil
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	return nil, c.refused(res)
}

// inner leaves out what http says about the request before it says what is wrong.
func inner(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}

// refused says what an answer other than yes means.
func (c *client) refused(res *http.Response) error {
	var said struct {
		Error string `json:"error"`
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // a part of it is as good
	_ = json.Unmarshal(text, &said)                         // what is no JSON says nothing
	switch {
	case res.StatusCode/100 == 3:
		return fmt.Errorf("%s leads to %s: give that as -addr if it is right; the token is sent to no other address", c.at, shown(c.hide.text(res.Header.Get("Location"))))
	case res.StatusCode == http.StatusUnauthorized && c.token == "":
		return errors.New("the service wants a token: set ADMIN_TOKEN")
	case res.StatusCode == http.StatusUnauthorized:
		return errors.New("the service does not accept the token of ADMIN_TOKEN")
	case said.Error != "":
		return fmt.Errorf("the service says %d: %s", res.StatusCode, shown(c.hide.text(said.Error)))
	default:
		return fmt.Errorf("%s answers %d and is no admin handler of ours: check -addr, and the prefix under which the handler is served", c.at, res.StatusCode)
	}
}

// read makes a request and reads its JSON.
func (c *client) read(ctx context.Context, r request, into any) error {
	res, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	if err != nil {
		return fmt.Errorf("the answer of %s broke off: %w", c.at, inner(err))
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s does not answer in JSON: check -addr, and the prefix under which the handler is served", c.at)
	}
	return nil
}

// get reads what takes the service no work.
func (c *client) get(ctx context.Context, path string, query url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return c.read(ctx, request{method: http.MethodGet, path: path, query: query}, into)
}
