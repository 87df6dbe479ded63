package probe

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// stretched returns n vectors of d components around a mean, which differ along turned
// axes by less and less.
func stretched(n, d int) [][]float32 {
	random := rand.New(rand.NewPCG(uint64(n), uint64(d)))
	axes := make([][]float64, d)
	for j := range axes {
		axes[j] = make([]float64, d)
		for l := range axes[j] {
			axes[j][l] = random.NormFloat64() * math.Pow(0.8, float64(j))
		}
	}
	xs := make([][]float32, n)
	for i := range xs {
		x := make([]float64, d)
		for _, axis := range axes {
			r := random.NormFloat64()
			for l, v := range axis {
				x[l] += 3 + r*v
			}
		}
		xs[i] = make([]float32, d)
		for l, v := range x {
			xs[i][l] = float32(v)
		}
	}
	return xs
}

// principal are all eigenvalues of the covariance, rising, with its eigenvectors in
// columns.
func principal(xs [][]float32) ([]float64, *mat.Dense) {
	a := mat.NewDense(len(xs), len(xs[0]), nil)
	for i, x := range xs {
		for j, v := range x {
			a.Set(i, j, float64(v))
		}
	}
	var covariance mat.SymDense
	stat.CovarianceMatrix(&covariance, a, nil)
	var e mat.EigenSym
	e.Factorize(&covariance, true)
	var vectors mat.Dense
	e.VectorsTo(&vectors)
	return e.Values(nil), &vectors
}

func components(t *testing.T, xs [][]float32, k int) *Components {
	t.Helper()
	c, err := NewComponents(t.Context(), xs, k)
	if err != nil {
		t.Fatalf("NewComponents(%d vectors, %d): %v", len(xs), k, err)
	}
	return c
}

// The components are the leading eigenvectors of the covariance, whether there are
// more vectors than dimensions or fewer.
func TestComponentsAreEigenvectorsOfTheCovariance(t *testing.T) {
	for _, size := range []struct{ n, d, k int }{{200, 30, 4}, {40, 100, 5}, {60, 60, 2}, {500, 3, 3}, {6, 9, 5}} {
		xs := stretched(size.n, size.d)
		values, vectors := principal(xs)
		c := components(t, xs, size.k)
		total := 0.0
		for _, v := range values {
			total += v
		}
		for j := range size.k {
			at := len(values) - 1 - j
			if got, want := c.Explained[j], values[at]/total; math.Abs(got-want) > 1e-9 {
				t.Errorf("%+v: direction %d explains %v, want %v", size, j, got, want)
			}
			cosine := math.Abs(mat.Dot(mat.NewVecDense(size.d, c.Directions[j]), vectors.ColView(at)))
			if math.Abs(cosine-1) > 1e-7 {
				t.Errorf("%+v: direction %d is at a cosine of %v to the eigenvector, want 1", size, j, cosine)
			}
			if signOf(c.Directions[j]) != 1 {
				t.Errorf("%+v: the greatest component of direction %d is negative", size, j)
			}
		}
	}
}

// Of places the mean is zero and the variance along a direction its share of all.
func TestPlacesHaveTheVarianceThatIsExplained(t *testing.T) {
	xs := stretched(300, 20)
	c := components(t, xs, 3)
	sums, squares, all := make([]float64, 3), make([]float64, 3), 0.0
	for _, x := range xs {
		place, err := c.Place(x)
		if err != nil {
			t.Fatal(err)
		}
		for j, v := range place {
			sums[j] += v
			squares[j] += v * v
		}
		for l, v := range x {
			all += math.Pow(float64(v)-c.Mean[l], 2)
		}
	}
	for j := range sums {
		if math.Abs(sums[j]) > 1e-6 || math.Abs(squares[j]/all-c.Explained[j]) > 1e-9 {
			t.Errorf("direction %d: got mean %v and share %v, want 0 and %v", j, sums[j], squares[j]/all, c.Explained[j])
		}
	}
}

// Where there is nothing to tell apart directions are zero, and so are places.
func TestComponentsOfFewOrEqualVectors(t *testing.T) {
	one, other := []float32{1, 0, 0}, []float32{0, 1, 0}
	for what, c := range map[string]struct {
		xs   [][]float32
		want []float64 // explained
	}{
		"one":                     {[][]float32{one}, []float64{0, 0}},
		"equal ones":              {[][]float32{{.6, .8, 0}, {.6, .8, 0}, {.6, .8, 0}}, []float64{0, 0}},
		"two":                     {[][]float32{one, other}, []float64{1, 0}},
		"two of which one is far": {[][]float32{one, one, one, other}, []float64{1, 0}},
		"zeros":                   {[][]float32{{0, 0, 0}, {0, 0, 0}}, []float64{0, 0}},
		"of one dimension":        {[][]float32{{1}, {2}}, []float64{1, 0}},
	} {
		got := components(t, c.xs, 2)
		for j, want := range c.want {
			length := math.Sqrt(dotOf(got.Directions[j]))
			if math.Abs(got.Explained[j]-want) > 1e-12 || math.Abs(length-want) > 1e-12 {
				t.Errorf("%s: direction %d explains %v and is %v long, want %v of both", what, j, got.Explained[j], length, want)
			}
		}
		if place, err := got.Place(c.xs[0]); err != nil || len(place) != 2 || place[0]-place[0] != 0 || place[1] != 0 {
			t.Errorf("%s: the first is at %v, %v", what, place, err)
		}
	}
}

func dotOf(v []float64) (square float64) {
	for _, x := range v {
		square += x * x
	}
	return square
}

func TestComponentsRefuseWhatIsNoVector(t *testing.T) {
	nan := float32(math.NaN())
	for what, c := range map[string]struct {
		xs   [][]float32
		want error
	}{
		"nothing":              {nil, ErrNotEnough},
		"different dimensions": {[][]float32{{1, 2}, {1}}, ErrDimension},
		"NaN":                  {[][]float32{{1, 2}, {1, nan}}, ErrNotFinite},
	} {
		if _, err := NewComponents(t.Context(), c.xs, 2); !errors.Is(err, c.want) {
			t.Errorf("NewComponents of %s: got %v, want %v", what, err, c.want)
		}
	}
	c := components(t, [][]float32{{1, 0}, {0, 1}}, 1)
	if _, err := c.Place([]float32{1}); !errors.Is(err, ErrDimension) {
		t.Errorf("Place: got %v, want ErrDimension", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := NewComponents(ended, stretched(9, 9), 2); !errors.Is(err, context.Canceled) {
		t.Errorf("NewComponents after its end: got %v, want context.Canceled", err)
	}
}
