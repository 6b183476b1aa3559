package warm_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/warmcache/warmcache/warm"
)

// hostileError is an error type whose methods all dereference their receiver, as a nil of it
// returned by mistake.
type hostileError struct{ text string }

func (e *hostileError) Error() string   { return e.text }
func (e *hostileError) Is(error) bool   { return e.text == "" }
func (e *hostileError) Unwrap() error   { return errors.New(e.text) }
func (e *hostileError) Permanent() bool { return e.text == "" }

// unprintable panics with itself where it is printed, which fmt passes on.
type unprintable struct{}

func (u unprintable) Error() string { panic(u) }

// panickyHandler is a user's log handler.
type panickyHandler struct{}

func (panickyHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickyHandler) Handle(context.Context, slog.Record) error { panic("Handle") }
func (panickyHandler) WithAttrs([]slog.Attr) slog.Handler        { panic("WithAttrs") }
func (panickyHandler) WithGroup(string) slog.Handler             { panic("WithGroup") }

// What users bring fails its own task alone, whatever its methods do.
func TestRun_whatUsersBringMayPanic(t *testing.T) {
	t.Parallel()
	e, err := warm.New(warm.Config{Retries: 1, Logger: slog.New(panickyHandler{})})
	if err != nil {
		t.Fatal(err)
	}
	for name, fn := range map[string]func(context.Context) (int, error){
		"typed-nil":         func(context.Context) (int, error) { return 0, (*hostileError)(nil) },
		"unprintable":       func(context.Context) (int, error) { return 0, unprintable{} },
		"unprintable-panic": func(context.Context) (int, error) { panic(unprintable{}) },
		"good":              func(context.Context) (int, error) { return 3, nil },
	} {
		if err := e.AddFunc(name, fn, warm.TaskOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := e.Run(t.Context(), warm.Request{})
	if err != nil || r.Items() != 3 {
		t.Errorf("%d items, %v", r.Items(), err)
	}
	for _, got := range r.Tasks {
		if (got.Err == nil) != (got.Name == "good") || got.Err != nil && got.Err.Error() == "" {
			t.Errorf("%s: %v", got.Name, got.Err)
		}
	}
	if r.Err().Error() == "" || len(e.Status().Warmup.Tasks) != 4 {
		t.Errorf("%v, %+v", r.Err(), e.Status())
	}
	if err := e.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
