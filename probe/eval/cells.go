package eval

import (
	"cmp"
	"math"
	"slices"
)

// A Cell is one of a confusion matrix, with the images in it.
type Cell struct {
	// Class is the finding of a multi-label task that the matrix is of; empty in a
	// single-label task.
	Class string
	// Truth and Predicted are the row and the column: positions in Truth.Classes,
	// or of a finding 0 for present and 1 for absent.
	Truth, Predicted int
	// Images are positions in Truth.Y, those first whose prediction was the surest.
	Images []int
	// Sure are the probabilities of what was predicted of these, or where the method
	// gives none what its scores make of them, comparable with each other alone.
	Sure []float64
}

// Cells returns the cells of a method's confusion matrices that have images, by row
// and column. A single-label task has one matrix, a multi-label task one of each
// finding, without the images of which that is not known. t and p must be as Compare
// takes them.
func Cells(t Truth, p Predictions) (all []Cell) {
	if !t.Multi {
		class := t.single()
		return matrix("", len(t.Classes), len(class), func(i int) (truth, predicted int, sure float64) {
			predicted = p.single(i)
			return int(class[i]), predicted, p.sure(i)[predicted]
		})
	}
	for c, class := range t.Classes {
		all = append(all, matrix(class, 2, len(t.Y), func(i int) (truth, predicted int, sure float64) {
			y, sure := t.Y[i][c], p.sure(i)[c]
			switch {
			case math.IsNaN(y):
				return -1, 0, 0
			case p.predicts(t, i, c):
				return 1 - int(y), 0, sure
			}
			return 1 - int(y), 1, 1 - sure
		})...)
	}
	return all
}

// A Mistake is an image of which a method predicts something wrongly.
type Mistake struct {
	Image     int      // position in Truth.Y
	Predicted []string // the class, or in a multi-label task the findings
	// Sure is that of Cell of what is wrong, the surest if there is more.
	Sure float64
}

// Mistakes returns the images that are in a cell of which row and column differ, the
// surest first, then in order. t and p must be as Compare takes them.
func Mistakes(t Truth, p Predictions) (all []Mistake) {
	sure := map[int]float64{}
	for _, c := range Cells(t, p) {
		if c.Truth == c.Predicted {
			continue
		}
		for k, i := range c.Images {
			if had, ok := sure[i]; !ok || c.Sure[k] > had {
				sure[i] = c.Sure[k]
			}
		}
	}
	for i, s := range sure {
		m := Mistake{Image: i, Sure: s}
		for c, class := range t.Classes {
			if p.predicts(t, i, c) {
				m.Predicted = append(m.Predicted, class)
			}
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Mistake) int { return cmp.Or(cmp.Compare(b.Sure, a.Sure), cmp.Compare(a.Image, b.Image)) })
	return all
}

// matrix sorts n images into the cells of a matrix of so many rows by what of says of
// each; a negative truth leaves it out.
func matrix(class string, side, n int, of func(i int) (truth, predicted int, sure float64)) []Cell {
	cells, sure := make([]Cell, side*side), make([]float64, n)
	for i := range n {
		var truth, predicted int
		if truth, predicted, sure[i] = of(i); truth >= 0 {
			c := &cells[truth*side+predicted]
			c.Class, c.Truth, c.Predicted, c.Images = class, truth, predicted, append(c.Images, i)
		}
	}
	for k := range cells {
		c := &cells[k]
		slices.SortStableFunc(c.Images, func(a, b int) int { return cmp.Compare(sure[b], sure[a]) })
		c.Sure = at(sure, c.Images)
	}
	return slices.DeleteFunc(cells, func(c Cell) bool { return len(c.Images) == 0 })
}

// sure are the probabilities of image i, or its scores where there are none.
func (p Predictions) sure(i int) []float64 {
	if p.Probabilities != nil {
		return p.Probabilities[i]
	}
	return p.Scores[i]
}

// single is the class predicted of image i in a single-label task.
func (p Predictions) single(i int) int {
	if p.Predicted != nil {
		return slices.Index(p.Predicted[i], true)
	}
	return best(p.Scores[i])
}
