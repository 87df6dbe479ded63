package main

import "slices"

// slope is how much y grows by for each 1 of x: the median of the slopes between all
// pairs of points (Theil 1950, Sen 1968), which a few outliers do not move. It is 0 of
// fewer than two points.
func slope(x, y []float64) float64 {
	var slopes []float64
	for i := range x {
		for j := range i {
			if x[i] != x[j] {
				slopes = append(slopes, (y[i]-y[j])/(x[i]-x[j]))
			}
		}
	}
	return median(slopes)
}

// median is the middle one, of an even number the upper of the two; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
