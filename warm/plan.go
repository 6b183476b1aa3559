package warm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/warmcache/warmcache/internal/order"
)

// plan puts all tasks into the order in which they run one by one: dependencies first, then the
// tasks that the priority list names in its order, then higher priorities, then registration. Each
// time the first of the tasks whose dependencies are met is taken. The error names every unknown
// dependency, or the tasks of a cycle.
func plan(tasks []*task, priority []string) ([]*task, error) {
	known := make(map[string]bool, len(tasks))
	for _, t := range tasks {
		known[t.name] = true
	}
	var errs []error
	for _, t := range tasks {
		for _, dep := range t.opts.After {
			if !known[dep] {
				errs = append(errs, fmt.Errorf("task %q is to run after %q, which no task is called", t.name, dep))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}

	listed := make(map[string]int, len(priority))
	for i, name := range priority {
		listed[name] = i - len(priority) // all below the zero of a name that isn't listed
	}
	sorted, err := order.Sort(tasks, func(t *task) (string, []string) { return t.name, t.opts.After }, func(a, b *task) int {
		return cmp.Or(cmp.Compare(listed[a.name], listed[b.name]), cmp.Compare(b.opts.Priority, a.opts.Priority))
	})
	if err != nil {
		return nil, fmt.Errorf("the tasks wait for each other in a cycle: %w", err)
	}
	return sorted, nil
}

// UnknownTaskError says that a request named tasks that the engine doesn't have; find it with
// [errors.As] and an *UnknownTaskError.
type UnknownTaskError struct {
	Names []string // the unknown ones
	Known []string // the tasks that there are
}

// Error names the first unknown tasks and every known one.
func (e *UnknownTaskError) Error() string {
	const most = 10 // a hostile request can hold thousands
	unknown := make([]string, 0, most)
	for _, name := range e.Names[:min(len(e.Names), most)] {
		unknown = append(unknown, quote(name))
	}
	more := ""
	if n := len(e.Names) - most; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	known := strings.Join(e.Known, ", ")
	if known == "" {
		known = "none"
	}
	return fmt.Sprintf("warm: unknown task %s%s; known: %s", strings.Join(unknown, ", "), more, known)
}

// quote shows foreign text in an error: escaped, and no longer than a line can bear.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}

// choose returns the named tasks of order, in order; all of them for no names.
func choose(order []*task, names []string) ([]*task, error) {
	if len(names) == 0 {
		return order, nil
	}
	wanted := make(map[string]bool, len(names))
	for _, name := range names {
		wanted[name] = true
	}
	chosen := make([]*task, 0, min(len(wanted), len(order)))
	known := make([]string, 0, len(order))
	for _, t := range order {
		known = append(known, t.name)
		if wanted[t.name] {
			chosen = append(chosen, t)
			delete(wanted, t.name)
		}
	}
	if len(wanted) > 0 {
		unknown := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !wanted[name] })
		return nil, &UnknownTaskError{Names: slices.Compact(unknown), Known: known}
	}
	return chosen, nil
}
