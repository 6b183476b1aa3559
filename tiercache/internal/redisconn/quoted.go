package redisconn

import (
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// argumentsFollow is what a server says before it repeats the arguments of a command that it does
// not know. Those of AUTH and HELLO are a password, those of other commands keys and values.
const argumentsFollow = "with args beginning with"

// Quoted is err as it may be shown: without the arguments that a server repeats. It is put to every
// error where it comes from go-redis, so that no text that is made of it has to be searched.
func Quoted(err error) error {
	if err == nil || err == redis.Nil { //nolint:errorlint // it is frequent, and never wrapped there
		return err
	}
	text := err.Error()
	if !strings.Contains(text, argumentsFollow) {
		return err
	}
	lines := strings.Split(text, "\n") // errors that were joined
	for i, line := range lines {
		if head, _, found := strings.Cut(line, argumentsFollow); found {
			lines[i] = strings.TrimRight(head, ", ") + " (its arguments are not shown)"
		}
	}
	q := quotedError{text: strings.Join(lines, "\n"), from: err}
	if IsReply(err) {
		return replyError{q}
	}
	return q
}

// quotedError tells what it is from as errors.Is and errors.As do, and does not hand it out.
type quotedError struct {
	text string
	from error
}

func (e quotedError) Error() string { return e.text }

func (e quotedError) Is(target error) bool { return errors.Is(e.from, target) }

// replyError is one that a server has answered.
type replyError struct{ quotedError }

// RedisError is go-redis's mark of a reply.
func (replyError) RedisError() {}

// As finds what the error is about beside the reply, such as that a connection could not be made.
func (e quotedError) As(target any) bool {
	if _, ok := target.(*redis.Error); ok {
		return false
	}
	return errors.As(e.from, target)
}
