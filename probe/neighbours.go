package probe

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A Centre is the mean of a collection's embeddings. Scores of centred vectors,
// whose mean has been subtracted and whose length has then been made one, set
// neighbours apart that a mean common to all brings close (UNI: Chen et al.,
// Nat. Med. 30, 2024; SimpleShot: Wang et al., arXiv 1911.04623).
//
// Those who are nearest after centring need not be nearest before, and an index
// of the vectors as they are proposes the latter. Rank reads all vectors once for
// the exact answer.
type Centre struct {
	Mean []float64 `json:"mean"`
}

// NewCentre returns the mean of the vectors xs, each counting alike. It returns
// ErrNotEnough for none, and ErrDimension or ErrNotFinite unless they are finite
// and of one dimension.
func NewCentre(xs [][]float32) (*Centre, error) {
	if len(xs) == 0 {
		return nil, fmt.Errorf("the mean of no vectors: %w", ErrNotEnough)
	}
	c := &Centre{Mean: make([]float64, len(xs[0]))}
	for i, x := range xs {
		if err := check(x, len(c.Mean)); err != nil {
			return nil, fmt.Errorf("vector %d: %w", i, err)
		}
		for j, v := range x {
			c.Mean[j] += float64(v)
		}
	}
	for j := range c.Mean {
		c.Mean[j] /= float64(len(xs))
	}
	return c, nil
}

// Unit returns x centred: its difference from the mean, of length one. It is
// zero where x is the mean. It returns ErrDimension or ErrNotFinite unless x is
// finite and of the mean's dimension.
func (c *Centre) Unit(x []float32) ([]float64, error) {
	if err := check(x, len(c.Mean)); err != nil {
		return nil, err
	}
	return unitOf(make([]float64, len(x)), x, c), nil
}

// unitOf makes unit x less the mean of c, if there is one, and of length one, or
// zero where it has no direction, and returns it. All are of one dimension.
func unitOf(unit []float64, x []float32, c *Centre) []float64 {
	for j, v := range x {
		unit[j] = float64(v)
	}
	if c != nil {
		for j, m := range c.Mean {
			unit[j] -= m
		}
	}
	if length := euclidean(unit); length > 0 {
		for j := range unit {
			unit[j] /= length
		}
	}
	return unit
}

// euclidean returns the Euclidean length of v.
func euclidean(v []float64) float64 { return math.Sqrt(innerProduct(v, v)) }

func innerProduct(a, b []float64) float64 {
	sum := 0.0
	for j, v := range a {
		sum += v * b[j]
	}
	return sum
}

// Ranked is a vector's position among those ranked, and its score.
type Ranked struct {
	At    int
	Score float64 // cosine of the centred vectors, higher is closer
}

// Rank returns the k of the vectors xs that score best beside query once all
// are centred, best first and ties by position; fewer if there are fewer. A
// vector that is the mean scores zero. The errors are those of Unit.
func (c *Centre) Rank(query []float32, xs [][]float32, k int) ([]Ranked, error) {
	unit, err := c.Unit(query)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	ranked := make([]Ranked, len(xs))
	for i, x := range xs {
		if len(x) == len(unit) {
			ranked[i] = Ranked{i, c.score(unit, x)}
		}
		if len(x) != len(unit) || math.IsNaN(ranked[i].Score) {
			return nil, fmt.Errorf("vector %d: %w", i, check(x, len(unit)))
		}
	}
	slices.SortFunc(ranked, func(a, b Ranked) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.At, b.At))
	})
	return ranked[:min(max(k, 0), len(ranked))], nil
}

// score returns the cosine of x, centred, with a centred unit vector; zero where
// x is the mean, and NaN exactly where x is not finite.
func (c *Centre) score(unit []float64, x []float32) float64 {
	// Four sums each, so that an addition need not wait for the last.
	var products, squares [4]float64
	mean := c.Mean
	for ; len(x) >= 4 && len(mean) >= 4 && len(unit) >= 4; x, mean, unit = x[4:], mean[4:], unit[4:] {
		a, b, d, e := float64(x[0])-mean[0], float64(x[1])-mean[1], float64(x[2])-mean[2], float64(x[3])-mean[3]
		products[0], squares[0] = products[0]+a*unit[0], squares[0]+a*a
		products[1], squares[1] = products[1]+b*unit[1], squares[1]+b*b
		products[2], squares[2] = products[2]+d*unit[2], squares[2]+d*d
		products[3], squares[3] = products[3]+e*unit[3], squares[3]+e*e
	}
	for j, v := range x {
		a := float64(v) - mean[j]
		products[0], squares[0] = products[0]+a*unit[j], squares[0]+a*a
	}
	product, square := sumOf(products[:]), sumOf(squares[:])
	if square == 0 {
		return 0
	}
	return product / math.Sqrt(square)
}
