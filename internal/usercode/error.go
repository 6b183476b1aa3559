package usercode

import (
	"errors"
	"fmt"
)

// guarded is an error that code of the user returned. Its methods are code of the user too: they
// are called here and nowhere else, and one that panics says nothing. It has no Unwrap, by which
// others would come to them.
type guarded struct{ err error }

// Error is a user's error that is safe to ask, to print and to pass on.
func Error(err error) error {
	switch err.(type) { //nolint:errorlint // the very error: one that wraps ours is a user's
	case nil:
		return nil
	case *guarded:
		return err
	default:
		return &guarded{err}
	}
}

// Error is the error's own text.
func (g *guarded) Error() (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("an error of type %T, whose Error panics: %s", g.err, Text(v))
		}
	}()
	return g.err.Error()
}

// Is is errors.Is of the error itself.
func (g *guarded) Is(target error) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	return errors.Is(g.err, target)
}

// As is errors.As of the error itself.
func (g *guarded) As(target any) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	return errors.As(g.err, target)
}

// Text is what a user's value prints. fmt survives a method that panics, but not one that panics
// with a value whose own methods panic in turn.
func Text(v any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a %T, whose text panics", v)
		}
	}()
	return fmt.Sprint(v)
}
