package usercode

import (
	"context"
	"fmt"
	"log/slog"
)

// handler is the handler of a user's logger. One that panics loses the line, and harms nobody who
// logs.
type handler struct{ own slog.Handler }

// Logger is the logger to use: the default one where none is given.
func Logger(log *slog.Logger) *slog.Logger {
	if log == nil {
		log = slog.Default()
	}
	if _, ok := log.Handler().(handler); ok {
		return log
	}
	return slog.New(handler{log.Handler()})
}

// Enabled asks the user's handler.
func (h handler) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	defer func() { _ = recover() }()
	return h.own.Enabled(ctx, level)
}

// Handle hands the record on.
func (h handler) Handle(ctx context.Context, record slog.Record) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the handler panicked: %s", Text(v))
		}
	}()
	return h.own.Handle(ctx, record)
}

// WithAttrs is the same on the user's handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func() slog.Handler { return h.own.WithAttrs(attrs) })
}

// WithGroup is the same on the user's handler.
func (h handler) WithGroup(name string) slog.Handler {
	return h.with(func() slog.Handler { return h.own.WithGroup(name) })
}

func (h handler) with(do func() slog.Handler) (with slog.Handler) {
	defer func() {
		if recover() != nil {
			with = h
		}
	}()
	return handler{do()}
}
