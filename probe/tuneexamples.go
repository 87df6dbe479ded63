package probe

import (
	"math/rand/v2"
	"slices"
)

// observed returns the examples with only the classes that any of them has, or
// of a multi-label task with those of which any says something.
func (e Examples) observed() Examples {
	var keep []int
	for c := range e.Classes {
		if slices.ContainsFunc(e.Y, func(y []float64) bool { return y[c] > 0 || e.Multi && y[c] == 0 }) {
			keep = append(keep, c)
		}
	}
	if len(keep) == len(e.Classes) {
		return e
	}
	o := e
	o.Classes, o.Y = make([]string, len(keep)), make([][]float64, len(e.Y))
	for j, c := range keep {
		o.Classes[j] = e.Classes[c]
	}
	for i, y := range e.Y {
		o.Y[i] = make([]float64, len(keep))
		for j, c := range keep {
			o.Y[i][j] = y[c]
		}
	}
	return o
}

func (e Examples) patients() int {
	seen := map[int]bool{}
	for _, p := range e.Patient {
		seen[p] = true
	}
	return len(seen)
}

// sample returns the positions of at most so many examples, of whole patients
// drawn at random but always the same.
func (e Examples) sample(most int) []int {
	if len(e.X) <= most {
		at := make([]int, len(e.X))
		for i := range at {
			at[i] = i
		}
		return at
	}
	var order []int
	of := map[int][]int{}
	for i, p := range e.Patient {
		if of[p] == nil {
			order = append(order, p)
		}
		of[p] = append(of[p], i)
	}
	var at []int
	for _, n := range rand.New(rand.NewPCG(1, 0)).Perm(len(order)) {
		images := of[order[n]]
		if len(at)+len(images) > most {
			break
		}
		at = append(at, images...)
	}
	slices.Sort(at)
	return at
}
