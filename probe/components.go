package probe

import (
	"context"
	"fmt"
	"math"

	"nearcase/probe/dense"
)

// Components are the directions in which vectors differ most, the leading
// eigenvectors of their covariance (Pearson, "On lines and planes of closest fit to
// systems of points in space", Philosophical Magazine 2, 1901). They do not change
// and are safe for concurrent use.
type Components struct {
	// Mean of the vectors.
	Mean []float64
	// Directions have unit length and are orthogonal, and the component of the
	// greatest size is positive, the first of those that are about as large, so that a
	// map is not mirrored from one time to the next. A direction in which nothing
	// differs any more is zero.
	Directions [][]float64
	// Explained is the share of the variance along each direction, falling.
	Explained []float64
}

// Of variances that are this part of the sum, or of that of the squares, nothing is
// left but the rounding of vectors in single precision.
const noVariance = 1e-12

// NewComponents returns the k leading components of vectors. It takes O(n*d*m)
// operations for n vectors of d components, m the lesser of n and d, and 8*n*d +
// 8*m*m bytes. It returns ErrNotEnough without vectors, and ErrDimension or
// ErrNotFinite for vectors of different dimensions or other than finite components;
// it ends with ctx.
func NewComponents(ctx context.Context, xs [][]float32, k int) (*Components, error) {
	if len(xs) == 0 || k < 1 {
		return nil, fmt.Errorf("%d components of %d vectors: %w", k, len(xs), ErrNotEnough)
	}
	for i, x := range xs {
		if err := check(x, len(xs[0])); err != nil {
			return nil, fmt.Errorf("components: vector %d: %w", i, err)
		}
	}
	c := &Components{Directions: make([][]float64, k), Explained: make([]float64, k)}
	for j := range c.Directions {
		c.Directions[j] = make([]float64, len(xs[0]))
	}
	a, squares := c.centre(xs)
	small := a.T()
	if a.Rows < a.Cols {
		small = a // its products have the same eigenvalues, and are fewer
	}
	g, err := products(ctx, small)
	if err != nil {
		return nil, err
	}
	total := 0.0
	for i := range g.Rows {
		total += g.Row(i)[i]
	}
	if total <= noVariance*squares {
		return c, nil
	}
	values, vectors, err := leading(ctx, g, k)
	if err != nil {
		return nil, err
	}
	if a.Rows < a.Cols {
		vectors = product(vectors, a)
	}
	c.take(values, vectors, total)
	return c, nil
}

// centre sets the mean and returns the vectors less it, a row each, and the sum of
// the squares of all that they had.
func (c *Components) centre(xs [][]float32) (a dense.Matrix, squares float64) {
	n, d := len(xs), len(xs[0])
	c.Mean = make([]float64, d)
	for _, x := range xs {
		for j, v := range x {
			c.Mean[j] += float64(v) / float64(n)
			squares += float64(v) * float64(v)
		}
	}
	a = dense.New(n, d)
	for i, x := range xs {
		row := a.Row(i)
		for j, v := range x {
			row[j] = float64(v) - c.Mean[j]
		}
	}
	return a, squares
}

// take makes directions of eigenvectors, by rows and of any length, and of their
// eigenvalues, whose sum is total with those that are left out.
func (c *Components) take(values []float64, vectors dense.Matrix, total float64) {
	for j := range c.Directions {
		if j >= len(values) || values[j] <= noVariance*total {
			return
		}
		direction := c.Directions[j]
		v := vectors.Row(j)
		dense.Add(direction, signOf(v)/math.Sqrt(dense.Dot(v, v)), v)
		c.Explained[j] = values[j] / total
	}
}

// signOf is that of the first component among those of the greatest size.
func signOf(v []float64) float64 {
	most := 0.0
	for _, x := range v {
		most = max(most, math.Abs(x))
	}
	for _, x := range v {
		if math.Abs(x) >= most*(1-1e-6) {
			return math.Copysign(1, x)
		}
	}
	return 1
}

// Place returns where a vector lies: its difference from the mean along each
// direction. Errors are ErrDimension and ErrNotFinite.
func (c *Components) Place(x []float32) ([]float64, error) {
	wide, err := widen(x, len(c.Mean))
	if err != nil {
		return nil, fmt.Errorf("placing: %w", err)
	}
	dense.Add(wide, -1, c.Mean)
	place := make([]float64, len(c.Directions))
	for j, direction := range c.Directions {
		place[j] = dense.Dot(wide, direction)
	}
	return place, nil
}
