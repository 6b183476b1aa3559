// Package order puts tasks into an order that keeps their dependencies.
//
// Sort takes tasks of any type: its caller says what each is called, what it comes after, and which
// of two that are both ready goes first. Where tasks wait for each other, the error is a CycleError
// that names them.
//
// It knows names and nothing else. It must never run a task, know what a dependency means, or
// decide whether a name that no task has is an error: Sort ignores such a name.
package order

import (
	"slices"
	"strings"
)

// CycleError is the error of tasks that wait for each other: each comes after the next, and the
// last is the first again.
type CycleError []string

// Error names the tasks.
func (c CycleError) Error() string { return strings.Join(c, " after ") }

// Sort returns the tasks in the order in which they run one by one: each time the first, by
// compare and then by its place in tasks, of those whose dependencies are met. Names are unique.
func Sort[T any](tasks []T, names func(T) (name string, after []string), compare func(a, b T) int) ([]T, error) {
	waiting := slices.SortedStableFunc(slices.Values(tasks), compare)
	after := make(map[string][]string, len(tasks)) // of those that wait
	for _, t := range waiting {
		name, deps := names(t)
		after[name] = deps
	}
	waits := func(name string) bool { _, ok := after[name]; return ok }
	sorted := make([]T, 0, len(tasks))
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, func(t T) bool {
			_, deps := names(t)
			return !slices.ContainsFunc(deps, waits)
		})
		if i < 0 {
			name, _ := names(waiting[0])
			return nil, cycle(name, after)
		}
		name, _ := names(waiting[i])
		delete(after, name)
		sorted = append(sorted, waiting[i])
		waiting = slices.Delete(waiting, i, i+1)
	}
	return sorted, nil
}

// cycle walks from a task to one that it waits for until it comes to one for the second time. Each
// of those that wait has one to go to.
func cycle(name string, after map[string][]string) CycleError {
	var path []string
	for {
		if i := slices.Index(path, name); i >= 0 {
			return append(path[i:], name)
		}
		path = append(path, name)
		for _, dep := range after[name] {
			if _, ok := after[dep]; ok {
				name = dep
				break
			}
		}
	}
}
