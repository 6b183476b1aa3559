package failure

import (
	"errors"
	"fmt"
)

// userError is an error that code of the user returned. Its methods are code of the user too: they
// are called here and nowhere else, and one that panics says nothing. It has no Unwrap, by which
// others would come to them.
type userError struct {
	err   error
	alien bool // its ErrNotFound and ErrClosed are about something else than the key and the cache
}

// FromUser is a user's error, of whatever call, as the package keeps it and passes it on.
func FromUser(err error) error {
	switch err.(type) { //nolint:errorlint // the very error: one that wraps ours is a user's
	case nil:
		return nil
	case *userError:
		return err
	default:
		return &userError{err: err}
	}
}

// OfLoader is the error of a loader that was asked for one key: its ErrNotFound states that the
// source has no such key. Its ErrClosed is of another cache than this one, whose readers it would
// tell that theirs is closed.
func OfLoader(err error) error {
	if err == nil || err == ErrNotFound { //nolint:errorlint // as nearly always; a wrapped one follows
		return err
	}
	e := &userError{err: err}
	if e.Is(ErrNotFound) {
		return e
	}
	return Alien(err)
}

// Alien is an error of a loader that states nothing of a key: of LoadMany, whose answer is not
// complete then, or a panic.
func Alien(err error) error {
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
