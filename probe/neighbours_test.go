package probe

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// crowded returns unit vectors around a common direction, as embeddings are.
func crowded(r *rand.Rand, n, d int, spread float64) [][]float32 {
	common, xs := randomUnit(r, d), make([][]float32, n)
	for i := range xs {
		wide := make([]float64, d)
		for j, v := range randomUnit(r, d) {
			wide[j] = float64(common[j]) + spread*float64(v)
		}
		length := euclidean(wide)
		xs[i] = make([]float32, d)
		for j, v := range wide {
			xs[i][j] = float32(v / length)
		}
	}
	return xs
}

// Law: Rank gives the cosines of what is left after subtracting the mean, best
// first.
func TestRankIsTheCosineOfCentredVectors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		xs := crowded(r, rapid.IntRange(2, 40).Draw(t, "n"), rapid.IntRange(2, 20).Draw(t, "d"), rapid.Float64Range(0.1, 10).Draw(t, "spread"))
		c, err := NewCentre(xs)
		if err != nil {
			t.Fatal(err)
		}
		query, err := c.Unit(xs[0])
		if err != nil {
			t.Fatal(err)
		}
		var want []Ranked
		for i, x := range xs {
			unit, err := c.Unit(x)
			if err != nil || math.Abs(euclidean(unit)-1) > 1e-12 {
				t.Fatalf("Unit(%v) = %v, %v, want length 1", x, unit, err)
			}
			want = append(want, Ranked{i, innerProduct(query, unit)})
		}
		slices.SortStableFunc(want, func(a, b Ranked) int { return cmp.Compare(b.Score, a.Score) })
		k := rapid.IntRange(0, len(xs)+1).Draw(t, "k")
		got, err := c.Rank(xs[0], xs, k)
		if err != nil || len(got) != min(k, len(xs)) {
			t.Fatalf("Rank of %d gives %d, %v", k, len(got), err)
		}
		for i, g := range got {
			if math.Abs(g.Score-want[i].Score) > 1e-12 {
				t.Fatalf("Rank[%d] = %+v, want %+v", i, g, want[i])
			}
		}
	})
}

func TestACentreOfEqualVectorsLeavesNoDirection(t *testing.T) {
	x := []float32{0.1, 0.7, -0.3}
	c, err := NewCentre([][]float32{x, x, x, x, x, x, x})
	if err != nil {
		t.Fatal(err)
	}
	if unit, err := c.Unit(x); err != nil || euclidean(unit) != 0 {
		t.Errorf("Unit(the mean) = %v, %v, want zeros", unit, err)
	}
	if got, err := c.Rank([]float32{1, 0, 0}, [][]float32{x}, 1); err != nil || got[0].Score != 0 {
		t.Errorf("Rank(the mean) = %v, %v, want a score of zero", got, err)
	}
}

func TestInvalidVectorsAreNotCentred(t *testing.T) {
	good, nan := []float32{1, 0}, []float32{0, float32(math.NaN())}
	for want, xs := range map[error][][]float32{ErrNotEnough: nil, ErrDimension: {good, {1}}, ErrNotFinite: {good, nan}} {
		if _, err := NewCentre(xs); !errors.Is(err, want) {
			t.Errorf("NewCentre(%v) = %v, want %v", xs, err, want)
		}
	}
	c, err := NewCentre([][]float32{good, {0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	for want, x := range map[error][]float32{ErrDimension: {1}, ErrNotFinite: nan} {
		_, unit := c.Unit(x)
		_, query := c.Rank(x, nil, 1)
		_, vector := c.Rank(good, [][]float32{x}, 1)
		for _, err := range []error{unit, query, vector} {
			if !errors.Is(err, want) {
				t.Errorf("centring %v = %v, want %v", x, err, want)
			}
		}
	}
}

func BenchmarkRank(b *testing.B) {
	xs := crowded(rand.New(rand.NewPCG(1, 1)), 10000, 768, 1)
	c, err := NewCentre(xs)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Rank(xs[0], xs, 20); err != nil {
			b.Fatal(err)
		}
	}
}
