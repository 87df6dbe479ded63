package probe

import (
	"math"
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

// valuesAt returns the values at the given positions.
func valuesAt(values, at []int) []int {
	chosen := make([]int, len(at))
	for j, i := range at {
		chosen[j] = values[i]
	}
	return chosen
}

// renumbered returns folds numbered from zero without gaps.
func renumbered(fold []int) []int {
	number := map[int]int{}
	for _, f := range fold {
		number[f] = 0
	}
	for n, f := range sortedKeys(number) {
		number[f] = n
	}
	numbered := make([]int, len(fold))
	for i, f := range fold {
		numbered[i] = number[f]
	}
	return numbered
}

// finite returns the images without what no probe has scored: images of a
// single-label task, targets of a multi-label one.
func (s Scored) finite() Scored {
	f := Scored{Classes: s.Classes, Multi: s.Multi}
	for i, row := range s.Scores {
		y := s.Y[i]
		if slices.ContainsFunc(row, math.IsNaN) {
			if !s.Multi {
				continue
			}
			y = slices.Clone(y)
			for c, v := range row {
				if math.IsNaN(v) {
					y[c] = v
				}
			}
		}
		f.Scores, f.Y, f.Patient = append(f.Scores, row), append(f.Y, y), append(f.Patient, s.Patient[i])
		f.Weight = append(f.Weight, s.weight(i))
	}
	return f
}

func sortedKeys[V any](m map[int]V) []int {
	var keys []int
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
