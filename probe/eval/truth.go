package eval

import (
	"fmt"
	"math"
	"slices"
)

// Threshold is the score from which a finding of a multi-label task is
// predicted where Predictions do not say: half of a vote, and the middle of a
// ridge probe's scores.
const Threshold = 0.5

// Only returns what is known of the images at these positions, in this order.
// It shares rows with t.
func (t Truth) Only(images []int) Truth {
	t.Y, t.Groups = at(t.Y, images), at(t.Groups, images)
	return t
}

// Only returns what is said of the images at these positions, in this order. It
// shares rows with p.
func (p Predictions) Only(images []int) Predictions {
	p.Scores, p.Probabilities = at(p.Scores, images), at(p.Probabilities, images)
	p.Predicted, p.Sets, p.Relevant = at(p.Predicted, images), at(p.Sets, images), at(p.Relevant, images)
	return p
}

func at[T any](values []T, images []int) []T {
	if values == nil {
		return nil
	}
	some := make([]T, len(images))
	for i, image := range images {
		some[i] = values[image]
	}
	return some
}

// check returns ErrEmpty, ErrLength or ErrClass unless t is as Truth says.
func (t Truth) check() error {
	if len(t.Y) == 0 || len(t.Classes) == 0 {
		return fmt.Errorf("%d images of %d classes: %w", len(t.Y), len(t.Classes), ErrEmpty)
	}
	if len(t.Groups) != len(t.Y) {
		return fmt.Errorf("%d groups for %d images: %w", len(t.Groups), len(t.Y), ErrLength)
	}
	for c, class := range t.Classes[1:] {
		if t.Classes[c] >= class {
			return fmt.Errorf("class %q after %q, want each once and sorted: %w", class, t.Classes[c], ErrClass)
		}
	}
	for i, row := range t.Y {
		if err := t.checkRow(row); err != nil {
			return fmt.Errorf("image %d: %w", i, err)
		}
	}
	return nil
}

func (t Truth) checkRow(row []float64) error {
	if len(row) != len(t.Classes) {
		return fmt.Errorf("%d truths for %d classes: %w", len(row), len(t.Classes), ErrLength)
	}
	has := 0
	for c, y := range row {
		switch {
		case y == 1:
			has++
		case y != 0 && !(t.Multi && math.IsNaN(y)):
			return fmt.Errorf("truth %v of class %q, want 0 or 1: %w", y, t.Classes[c], ErrClass)
		}
	}
	if !t.Multi && has != 1 {
		return fmt.Errorf("%d classes in a single-label task: %w", has, ErrClass)
	}
	return nil
}

// single returns the position of each image's class.
func (t Truth) single() []int32 {
	class := make([]int32, len(t.Y))
	for i, row := range t.Y {
		class[i] = int32(slices.Index(row, 1))
	}
	return class
}

// check returns ErrLength, ErrNotFinite, ErrProbability or ErrClass unless p is
// as Predictions says for t.
func (p Predictions) check(t Truth) error {
	n, classes := len(t.Y), len(t.Classes)
	if err := rectangular(p.Scores, n, classes); err != nil {
		return err
	}
	if p.Probabilities != nil {
		if err := probable(p.Probabilities, n, classes, t.Multi); err != nil {
			return err
		}
	}
	for what, rows := range map[string][][]bool{"predictions": p.Predicted, "prediction sets": p.Sets} {
		if err := full(what, rows, n, classes); err != nil {
			return err
		}
	}
	if p.Relevant != nil && len(p.Relevant) != n {
		return fmt.Errorf("%d lists of cases for %d images: %w", len(p.Relevant), n, ErrLength)
	}
	for i, row := range p.Predicted {
		if !t.Multi && count(row) != 1 {
			return fmt.Errorf("%d classes predicted of image %d in a single-label task: %w", count(row), i, ErrClass)
		}
	}
	return nil
}

// probable checks that every probability is one and that those of a single-label
// task add up to one.
func probable(rows [][]float64, n, classes int, multi bool) error {
	if err := rectangular(rows, n, classes); err != nil {
		return fmt.Errorf("probabilities: %w", err)
	}
	for i, row := range rows {
		sum := 0.0
		for _, p := range row {
			if p < 0 || p > 1 {
				return fmt.Errorf("%v of image %d: %w", p, i, ErrProbability)
			}
			sum += p
		}
		if !multi && math.Abs(sum-1) > 1e-6 {
			return fmt.Errorf("those of image %d add up to %v: %w", i, sum, ErrProbability)
		}
	}
	return nil
}

func full(what string, rows [][]bool, n, classes int) error {
	if rows == nil {
		return nil
	}
	if len(rows) != n {
		return fmt.Errorf("%d %s for %d images: %w", len(rows), what, n, ErrLength)
	}
	for i, row := range rows {
		if len(row) != classes {
			return fmt.Errorf("%s of image %d for %d of %d classes: %w", what, i, len(row), classes, ErrLength)
		}
	}
	return nil
}

func count(row []bool) int {
	n := 0
	for _, yes := range row {
		if yes {
			n++
		}
	}
	return n
}

// best returns the position of the highest value, of equal ones the first.
func best(row []float64) int {
	b := 0
	for c, v := range row {
		if v > row[b] {
			b = c
		}
	}
	return b
}

// predicts tells whether class c is predicted of image i.
func (p Predictions) predicts(t Truth, i, c int) bool {
	if p.Predicted != nil {
		return p.Predicted[i][c]
	}
	if t.Multi {
		return p.Scores[i][c] >= Threshold
	}
	return best(p.Scores[i]) == c
}
