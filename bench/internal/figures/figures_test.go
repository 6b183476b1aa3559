package figures_test

import (
	"testing"
	"time"

	"github.com/warmcache/warmcache/bench/internal/figures"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for _, tt := range []struct {
		name   string
		values []time.Duration
		p      float64
		want   time.Duration
	}{
		{"none", nil, 0.5, 0},
		{"one", []time.Duration{7}, 0.99, 7},
		{"the median of two is the lower", []time.Duration{9, 3}, 0.5, 3},
		{"the 99th of a hundred", hundred, 0.99, 99},
		{"the highest", hundred, 1, 100},
		{"the lowest", hundred, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := figures.Percentile(tt.values, tt.p); got != tt.want {
				t.Errorf("Percentile(%v, %v) = %v, want %v", tt.values, tt.p, got, tt.want)
			}
		})
	}
}
