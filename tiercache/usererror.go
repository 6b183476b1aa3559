package tiercache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// userError is an error that code of the user returned. Its methods are code of the user too: they
// are called here and nowhere else, and one that panics says nothing. It has no Unwrap, by which
// others would come to them.
type userError struct {
	err   error
	alien bool // its ErrNotFound and ErrClosed are about something else than the key and the cache
}

// fromUser is a user's error, of whatever call, as the package keeps it and passes it on.
func fromUser(err error) error {
	switch err.(type) { //nolint:errorlint // the very error: one that wraps ours is a user's
	case nil:
		return nil
	case *userError:
		return err
	default:
		return &userError{err: err}
	}
}

// ofLoader is the error of a loader that was asked for one key: its ErrNotFound states that the
// source has no such key. Its ErrClosed is of another cache than this one, whose readers it would
// tell that theirs is closed.
func ofLoader(err error) error {
	if err == nil || err == ErrNotFound { //nolint:errorlint // as nearly always; a wrapped one follows
		return err
	}
	e := &userError{err: err}
	if e.Is(ErrNotFound) {
		return e
	}
	return alien(err)
}

// alien is an error of a loader that states nothing of a key: of LoadMany, whose answer is not
// complete then, or a panic.
func alien(err error) error {
	if err == nil {
		return nil
	}
	return &userError{err: err, alien: true}
}

// Error is the error's own text.
func (e *userError) Error() (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("an error of type %T, whose Error panics: %v", e.err, v)
		}
	}()
	return e.err.Error()
}

// Is is errors.Is of the error itself.
func (e *userError) Is(target error) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	if e.alien && (target == ErrNotFound || target == ErrClosed) { // the very sentinels
		return false
	}
	return errors.Is(e.err, target)
}

// As is errors.As of the error itself.
func (e *userError) As(target any) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	return errors.As(e.err, target)
}

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
			err = newPanicError(v)
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
