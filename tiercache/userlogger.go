package tiercache

import (
	"context"
	"log/slog"

	"github.com/warmcache/warmcache/tiercache/internal/failure"
)

// userHandler is the handler of a user's logger. One that panics loses the line, and harms nobody
// who logs.
type userHandler struct{ handler slog.Handler }

// userLogger is the logger to use: the default one where none is given.
func userLogger(log *slog.Logger) *slog.Logger {
	if log == nil {
		log = slog.Default()
	}
	if _, ok := log.Handler().(userHandler); ok {
		return log
	}
	return slog.New(userHandler{log.Handler()})
}

// Enabled asks the user's handler.
func (h userHandler) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	defer func() { _ = recover() }()
	return h.handler.Enabled(ctx, level)
}

// Handle hands the record on.
func (h userHandler) Handle(ctx context.Context, record slog.Record) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = failure.NewPanicError(v)
		}
	}()
	return h.handler.Handle(ctx, record)
}

// WithAttrs is the same on the user's handler.
func (h userHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func() slog.Handler { return h.handler.WithAttrs(attrs) })
}

// WithGroup is the same on the user's handler.
func (h userHandler) WithGroup(name string) slog.Handler {
	return h.with(func() slog.Handler { return h.handler.WithGroup(name) })
}

func (h userHandler) with(do func() slog.Handler) (with slog.Handler) {
	defer func() {
		if recover() != nil {
			with = h
		}
	}()
	return userHandler{do()}
}
