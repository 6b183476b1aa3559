package failure

import (
	"errors"

	"github.com/warmcache/warmcache/internal/usercode"
)

// FromUser is a user's error, of whatever call, as the package keeps it and passes it on.
func FromUser(err error) error {
	if _, ok := err.(*alien); ok { //nolint:errorlint // the very error: one that wraps ours is a user's
		return err
	}
	return usercode.Error(err)
}

// OfLoader is the error of a loader that was asked for one key: its ErrNotFound states that the
// source has no such key. Its ErrClosed is of another cache than this one, whose readers it would
// tell that theirs is closed.
func OfLoader(err error) error {
	if err == nil || err == ErrNotFound { //nolint:errorlint // as nearly always; a wrapped one follows
		return err
	}
	if err = usercode.Error(err); errors.Is(err, ErrNotFound) {
		return err
	}
	return Alien(err)
}

// Alien is an error of a loader that states nothing of a key: of LoadMany, whose answer is not
// complete then, or a panic.
func Alien(err error) error {
	if err == nil {
		return nil
	}
	return &alien{usercode.Error(err)}
}

// alien is an error whose ErrNotFound and ErrClosed are about something else than the key and the
// cache. It has no Unwrap, which would lead to them.
type alien struct{ err error }

// Error is the error's own text.
func (a *alien) Error() string { return a.err.Error() }

// Is is errors.Is of the error itself, but for those two.
func (a *alien) Is(target error) bool {
	return target != ErrNotFound && target != ErrClosed && errors.Is(a.err, target)
}

// As is errors.As of the error itself.
func (a *alien) As(target any) bool { return errors.As(a.err, target) }
