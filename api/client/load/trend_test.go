package main

import (
	"testing"
	"time"
)

func TestSlopeIsThatOfMostPoints(t *testing.T) {
	for _, of := range []struct {
		fact string
		x, y []float64
		want float64
	}{
		{"nothing", nil, nil, 0},
		{"one point", []float64{1}, []float64{5}, 0},
		{"a line", []float64{0, 1, 2, 3}, []float64{1, 3, 5, 7}, 2},
		{"a line with an outlier", []float64{0, 1, 2, 3, 4, 5, 6}, []float64{0, 2, 4, 600, 8, 10, 12}, 2},
		{"a level with outliers", []float64{0, 1, 2, 3, 4, 5}, []float64{7, 7, 90, 7, 7, 7}, 0},
	} {
		if got := slope(of.x, of.y); got != of.want {
			t.Errorf("slope of %s: got %g, want %g", of.fact, got, of.want)
		}
	}
}

// A server is found to leak if what it has grows, and not if it goes up and down.
func TestGrowthIsFound(t *testing.T) {
	for _, of := range []struct {
		fact  string
		bytes func(n int64) int64
		leaks bool
	}{
		{"steady", func(int64) int64 { return 200e6 }, false},
		{"up and down", func(n int64) int64 { return 200e6 + n%7*10e6 }, false},
		{"growing at first", func(n int64) int64 { return min(200e6, 50e6+n*10e6) }, false},
		{"growing", func(n int64) int64 { return 200e6 + n*2e6 }, true},
	} {
		var s samples
		for n := range int64(60) {
			s.all = append(s.all, state{at: time.Duration(n) * time.Minute, resident: of.bytes(n), heap: 1e6, goroutines: 30 + n%3, files: 40})
		}
		if err := s.verdict(); (err != nil) != of.leaks {
			t.Errorf("memory that is %s: got %v, want an error: %v", of.fact, err, of.leaks)
		}
	}
}
