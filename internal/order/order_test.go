package order_test

import (
	"cmp"
	"errors"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/warmcache/warmcache/internal/order"
)

type task struct {
	name  string
	after []string
	prio  int
}

func TestSort(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		tasks []task
		want  []string
		cycle order.CycleError
	}{
		{name: "none", want: []string{}},
		{name: "as they came", tasks: []task{{name: "b"}, {name: "a"}}, want: []string{"b", "a"}},
		{name: "first by compare", tasks: []task{{name: "b"}, {name: "a", prio: 1}}, want: []string{"a", "b"}},
		{
			name:  "dependencies before compare",
			tasks: []task{{name: "a", prio: 2, after: []string{"b", "c"}}, {name: "b"}, {name: "c", prio: 1}},
			want:  []string{"c", "b", "a"},
		},
		{name: "a name that no task has", tasks: []task{{name: "a", after: []string{"x"}}}, want: []string{"a"}},
		{name: "after itself", tasks: []task{{name: "a", after: []string{"a"}}}, cycle: order.CycleError{"a", "a"}},
		{
			name:  "a cycle that is not where the walk begins",
			tasks: []task{{name: "w", after: []string{"x"}}, {name: "x", after: []string{"y", "z"}}, {name: "y"}, {name: "z", after: []string{"x"}}},
			cycle: order.CycleError{"x", "z", "x"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sorted, err := order.Sort(tt.tasks, func(t task) (string, []string) { return t.name, t.after },
				func(a, b task) int { return cmp.Compare(b.prio, a.prio) })
			var found order.CycleError
			if errors.As(err, &found) != (err != nil) {
				t.Fatalf("Sort: %v, want a CycleError", err)
			}
			if diff := gocmp.Diff(tt.cycle, found); diff != "" {
				t.Fatalf("cycle (-want +got):\n%s", diff)
			}
			if err != nil {
				return
			}
			got := make([]string, 0)
			for _, s := range sorted {
				got = append(got, s.name)
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCycleError(t *testing.T) {
	t.Parallel()
	if got, want := (order.CycleError{"x", "y", "x"}).Error(), "x after y after x"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
