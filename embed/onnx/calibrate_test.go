package onnx

import (
	"slices"
	"testing"
)

// The choice is the least demanding trial that is about as fast as the fastest.
func TestCalibrationChoosesTheLeastDemandingOfTheFastest(t *testing.T) {
	for _, c := range []struct {
		fact  string
		rates []float64 // of 1, 4, 16 pictures with one thread, then with two
		want  Trial
	}{
		{"all alike", []float64{100, 101, 102, 99, 100, 101}, Trial{Threads: 1, Batch: 1}},
		{"larger batches help", []float64{60, 100, 101, 50, 70, 80}, Trial{Threads: 1, Batch: 4}},
		{"two threads help", []float64{60, 61, 62, 90, 100, 101}, Trial{Threads: 2, Batch: 4}},
	} {
		var trials []Trial
		for i, rate := range c.rates {
			trials = append(trials, Trial{Threads: 1 + i/3, Batch: []int{1, 4, 16}[i%3], PerSecond: rate})
		}
		if got := choice(trials); got.Threads != c.want.Threads || got.Batch != c.want.Batch {
			t.Errorf("%s: got %+v, want %+v", c.fact, got, c.want)
		}
	}
	if got := choice(nil); got.Batch != chunk || got.Threads != 1 {
		t.Errorf("choice of nothing: got %+v, want the defaults", got)
	}
	if !slices.IsSorted(sizes) {
		t.Errorf("sizes %v are not sorted", sizes)
	}
}
