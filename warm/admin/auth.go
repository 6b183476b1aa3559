package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/warmcache/warmcache/internal/usercode"
)

// ErrUnauthenticated is what an Authorize function returns, or wraps, where a request doesn't say
// who it comes from, or not credibly: 401. Any other error means that it comes from somebody who
// may not: 403.
var ErrUnauthenticated = errors.New("admin: unauthenticated")

// Bearer returns an Authorize function that wants the header "Authorization: Bearer <token>" and
// compares in constant time. With the empty token it refuses everything.
func Bearer(token string) func(*http.Request) error {
	want := sha256.Sum256([]byte(token)) // of one length, so that the comparison doesn't tell the token's
	return func(r *http.Request) error {
		scheme, given, found := strings.Cut(r.Header.Get("Authorization"), " ")
		if !found || !strings.EqualFold(scheme, "Bearer") {
			return fmt.Errorf("%w: no bearer token", ErrUnauthenticated)
		}
		got := sha256.Sum256([]byte(strings.TrimSpace(given)))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || token == "" {
			return fmt.Errorf("%w: wrong bearer token", ErrUnauthenticated)
		}
		return nil
	}
}

// authorized asks Authorize and answers the request where it says no.
func (h *handler) authorized(w http.ResponseWriter, r *http.Request) bool {
	if h.cfg.Authorize == nil {
		return true
	}
	err := h.ask(r)
	if err == nil {
		return true
	}
	h.cfg.Logger.WarnContext(r.Context(), "admin: request refused", slog.String("remote", r.RemoteAddr),
		slog.String("path", r.URL.Path), slog.Any("error", err))
	if errors.Is(err, ErrUnauthenticated) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="warmcache"`)
		fail(w, http.StatusUnauthorized, "a valid token is needed: Authorization: Bearer TOKEN")
		return false
	}
	fail(w, http.StatusForbidden, "not allowed")
	return false
}

// ask keeps a panic of Authorize from letting anybody in, or the server's connection down.
func (h *handler) ask(r *http.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("admin: Authorize panicked: %s", usercode.Text(v))
		}
	}()
	return usercode.Error(h.cfg.Authorize(r))
}
