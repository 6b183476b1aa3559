package warm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/warmcache/warmcache/tiercache"
)

// UnknownCacheError says that none of an engine's targets that can be looked into has the name;
// find it with [errors.As] and an *UnknownCacheError.
type UnknownCacheError struct {
	Name  string
	Known []string // those that can be looked into
}

// Error names the unknown cache and every known one.
func (e *UnknownCacheError) Error() string {
	known := strings.Join(e.Known, ", ")
	if known == "" {
		known = "none"
	}
	return fmt.Sprintf("warm: unknown cache %s; known: %s", quote(e.Name), known)
}

// Hot returns the n hottest keys of a cache in their text form, as [tiercache.Cache.Hot] does: all
// that were learned for n of 0 or less, and what there is beside an error.
func (e *Engine) Hot(ctx context.Context, cache string, n int) ([]tiercache.HotKey[string], error) {
	c, err := e.inspector(cache)
	if err != nil {
		return nil, err
	}
	return c.HotTexts(ctx, n)
}

// Explain says why a read of a key, given in its text form, would answer as it does at this moment.
// See [tiercache.Cache.Explain].
func (e *Engine) Explain(ctx context.Context, cache, key string) (tiercache.Explanation, error) {
	c, err := e.inspector(cache)
	if err != nil {
		return tiercache.Explanation{}, err
	}
	return c.ExplainText(ctx, key)
}

// inspector finds a target that can be looked into.
func (e *Engine) inspector(name string) (Inspector, error) { //nolint:ireturn // the target is the caller's
	e.mu.Lock()
	targets := slices.Clone(e.targets)
	e.mu.Unlock()
	unknown := &UnknownCacheError{Name: name}
	for _, t := range targets {
		c, ok := t.(Inspector)
		switch {
		case !ok:
		case t.Name() == name:
			return c, nil
		default:
			unknown.Known = append(unknown.Known, t.Name())
		}
	}
	return nil, unknown
}

// keep remembers targets, for those who want to look into them.
func (e *Engine) keep(targets []Target) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.targets = append(e.targets, targets...)
}
