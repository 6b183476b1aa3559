package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/warmcache/warmcache/internal/usercode"
	"github.com/warmcache/warmcache/warm"
)

// Config describes a handler. One of Authorize and Unprotected must be set.
type Config struct {
	// Authorize is asked before anything is changed, before the source is asked, and before keys
	// are shown. An error that is [ErrUnauthenticated] is answered with 401, any other with 403;
	// its text is logged and not sent. It must be safe for concurrent use. [Bearer] makes one.
	Authorize func(*http.Request) error
	// Unprotected lets everybody run tasks and see keys who reaches the handler, where Authorize is
	// nil.
	Unprotected bool
	// TrustedOrigins are the origins, such as "https://ops.example.com", whose pages may run tasks
	// although the request's Host is another: that of a proxy that rewrites Host, under which
	// people open the page. Requests of all other sites' pages are refused.
	TrustedOrigins []string
	// Logger hears of runs that were asked for and of requests that were refused; default
	// slog.Default().
	Logger *slog.Logger
}

type handler struct {
	engine *warm.Engine
	cfg    Config
	slots  chan struct{} // of event streams

	mu      sync.Mutex
	servers map[*http.Server]chan struct{} // closed and left out once the server is shut down
}

// mostStreams bounds the event streams at a time: they need no authorization, and each costs a
// connection and two goroutines.
const mostStreams = 128

// Handler returns the handler of an engine, for the root of a server or, with http.StripPrefix,
// below a prefix. It has no goroutine of its own and needs no closing; event streams end with their
// client, with the engine, or once the server's Shutdown is called.
func Handler(e *warm.Engine, cfg Config) (http.Handler, error) {
	var errs []error
	if e == nil {
		errs = append(errs, errors.New("admin: the engine is nil"))
	}
	switch {
	case cfg.Authorize == nil && !cfg.Unprotected:
		errs = append(errs, errors.New("admin: execute is a lever for everybody who reaches it: set Config.Authorize, or Config.Unprotected if that is wanted"))
	case cfg.Authorize != nil && cfg.Unprotected:
		errs = append(errs, errors.New("admin: Config.Authorize and Config.Unprotected contradict each other: set one"))
	}
	crossOrigin := http.NewCrossOriginProtection()
	for _, origin := range cfg.TrustedOrigins {
		if err := crossOrigin.AddTrustedOrigin(origin); err != nil {
			errs = append(errs, fmt.Errorf("admin: Config.TrustedOrigins: want SCHEME://HOST[:PORT], such as https://ops.example.com: %w", err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	cfg.Logger = usercode.Logger(cfg.Logger)
	h := &handler{engine: e, cfg: cfg, slots: make(chan struct{}, mostStreams), servers: make(map[*http.Server]chan struct{})}

	mux := http.NewServeMux()
	mux.HandleFunc("/api/cache/warmup/status", read(h.status))
	mux.HandleFunc("/api/cache/warmup/execute", h.execute)
	mux.HandleFunc("/api/cache/warmup/events", read(h.events))
	mux.HandleFunc("/api/cache/warmup/plan", h.plan)
	mux.HandleFunc("/api/cache/warmup/hot", read(h.hot))
	mux.HandleFunc("/api/cache/warmup/explain", read(h.explain))
	mux.HandleFunc("/readyz", read(h.readyz))
	mux.HandleFunc("/{$}", read(page("page.html", "text/html; charset=utf-8")))
	mux.HandleFunc("/page.css", read(page("page.css", "text/css; charset=utf-8")))
	mux.HandleFunc("/page.js", read(page("page.js", "text/javascript; charset=utf-8")))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "there is nothing at "+quote(r.URL.Path))
	})

	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cfg.Logger.WarnContext(r.Context(), "admin: cross-site request refused", slog.String("remote", r.RemoteAddr), slog.String("origin", r.Header.Get("Origin")))
		fail(w, http.StatusForbidden, "a request from another site")
	}))
	return secured(crossOrigin.Handler(mux)), nil
}

// secured sets what every answer has, and leads a prefix without its slash to the one with it,
// below which the page finds its parts.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		if r.URL.Path == "" {
			// http.StripPrefix has taken the whole path. The reference is relative, so that it
			// needn't know the prefix.
			asked, _, _ := strings.Cut(r.RequestURI, "?")
			header.Set("Location", "./"+asked[strings.LastIndexByte(asked, '/')+1:]+"/")
			w.WriteHeader(http.StatusMovedPermanently)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// read answers GET and HEAD alone.
func read(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			wrongMethod(w, "GET, HEAD")
			return
		}
		next(w, r)
	}
}

func wrongMethod(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	fail(w, http.StatusMethodNotAllowed, "the method must be "+strings.ReplaceAll(allow, ", ", " or "))
}

func (h *handler) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, h.engine.Status())
}

func (h *handler) readyz(w http.ResponseWriter, _ *http.Request) {
	s := h.engine.Status().Warmup.Ready
	code := http.StatusOK
	if !s.Ready {
		code = http.StatusServiceUnavailable
	}
	answer(w, code, s)
}

// answer writes body as JSON. A client that is gone is nobody to tell.
func answer(w http.ResponseWriter, code int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		fail(w, http.StatusInternalServerError, "the answer cannot be written as JSON")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n'))
}

func fail(w http.ResponseWriter, code int, message string) {
	answer(w, code, map[string]string{"error": message})
}

// quote shows foreign text in an error: escaped, and no longer than a line can bear.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
