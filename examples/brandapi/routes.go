package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
)

// routes are the API, each answer from its cache, and the admin panel beside it.
func routes(caches *loaders.Caches, panel http.Handler) http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range map[string]http.Handler{
		"/api/brands/{name}":      answer(caches.Brands, "brand", fromPath("name")),
		"/api/reports/{id}":       answer(caches.Reports, "report", fromPath("id")),
		"/api/questions/{id}":     answer(caches.Questions, "question", fromPath("id")),
		"/api/users/{id}":         answer(caches.Users, "user", fromPath("id")),
		"/api/monitoring":         answer(caches.Responses, "response", always(loaders.ResponseMonitoring)),
		"/api/brand-distribution": answer(caches.Responses, "response", always(loaders.ResponseBrandDistribution)),
		"/api/cache/stats":        stats(caches),
	} {
		mux.Handle("GET "+pattern, handler) // HEAD too
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", "GET, HEAD")
			reply(w, http.StatusMethodNotAllowed, problem{"the method must be GET or HEAD"})
		})
	}
	mux.Handle("/", panel)
	return mux
}

func fromPath(name string) func(*http.Request) string {
	return func(r *http.Request) string { return r.PathValue(name) }
}

func always(key string) func(*http.Request) string {
	return func(*http.Request) string { return key }
}

// answer serves a cache: X-Cache says which tier answered, Age how long ago the database was read.
func answer[V any](cache *tiercache.Cache[string, V], what string, key func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry, err := cache.GetEntry(r.Context(), key(r))
		switch {
		case err == nil:
			w.Header().Set("X-Cache", entry.Source.String())
			w.Header().Set("Age", strconv.FormatInt(int64(entry.Age/time.Second), 10))
			reply(w, http.StatusOK, entry.Value)
		case errors.Is(err, tiercache.ErrNotFound):
			reply(w, http.StatusNotFound, problem{fmt.Sprintf("there is no %s %s", what, quote(key(r)))})
		case r.Context().Err() != nil:
			// the client has gone
		case errors.Is(err, tiercache.ErrClosed):
			reply(w, http.StatusServiceUnavailable, problem{"the service is stopping"})
		default:
			slog.ErrorContext(r.Context(), "no answer", slog.String("cache", cache.Name()), slog.Any("error", err))
			reply(w, http.StatusBadGateway, problem{"the database did not answer"})
		}
	})
}

// stats are the counters of the five caches: Loads counts the reads of the database.
func stats(caches *loaders.Caches) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]tiercache.Stats{
			caches.Brands.Name(): caches.Brands.Stats(), caches.Reports.Name(): caches.Reports.Stats(),
			caches.Questions.Name(): caches.Questions.Stats(), caches.Users.Name(): caches.Users.Stats(),
			caches.Responses.Name(): caches.Responses.Stats(),
		})
	})
}

type problem struct {
	Error string `json:"error"`
}

func reply(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		slog.Error("encode an answer", slog.Any("error", err))
		status, data = http.StatusInternalServerError, []byte(`{"error":"internal error"}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // the client may have gone
}

// quote shows a client's own text back to it, no longer than a line can bear.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return strconv.Quote(s)
}
