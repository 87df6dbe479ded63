package probe

import (
	"math"
	"reflect"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// Law: the criterion that Fit minimises is the corrected Akaike criterion
// computed from its definition: the n*n matrix that maps targets to fits, its
// trace, and the residuals.
func TestTheCriterionEqualsItsDefinition(t *testing.T) {
	for name, c := range map[string]struct {
		n, d    int
		classes []string
	}{
		"one dimension":       {12, 1, []string{"a", "b"}},
		"more examples":       {40, 8, []string{"a", "b", "c"}},
		"as many examples":    {9, 8, []string{"a", "b"}},
		"more dimensions":     {12, 20, []string{"a", "b", "c"}},
		"four examples":       {4, 6, []string{"a", "b"}},
		"three are too few":   {3, 6, []string{"a", "b"}},
		"two dimensions only": {10, 2, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			examples := randomExamples(c.n, c.d, c.classes)
			s := statistics(t, c.d, examples).centred()[0]
			tri := s.tridiagonal()
			for i := 8; i <= perDecade*decades; i += 4 { // smaller ones amplify the oracle's own rounding
				penalty := gridPoint(i) * s.scale
				got, want := s.criterion(tri, penalty), definedCriterion(examples, c.classes, penalty)
				if got != want && !(math.Abs(got-want) <= 1e-6*max(1, math.Abs(want))) {
					t.Errorf("criterion at lambda %g = %.12g, want %.12g", gridPoint(i), got, want)
				}
			}
		})
	}
}

func definedCriterion(examples []example, classes []string, penalty float64) float64 {
	n, d := len(examples), len(examples[0].x)
	x, y := centredDense(examples, classes)
	var gram, inverse, hat, residual mat.Dense
	gram.Mul(x.T(), x)
	for i := range d {
		gram.Set(i, i, gram.At(i, i)+penalty)
	}
	if err := inverse.Inverse(&gram); err != nil {
		return math.NaN()
	}
	hat.Product(x, &inverse, x.T())
	residual.Mul(&hat, y)
	residual.Sub(y, &residual)
	freedom, left := hat.Trace()+1, float64(n)-hat.Trace()-3
	if left <= 0 {
		return math.Inf(1)
	}
	rss := math.Pow(mat.Norm(&residual, 2), 2)
	return math.Log(rss/float64(n)) + 1 + 2*(freedom+1)/left
}

func TestTheChosenLambdaMinimisesTheCriterion(t *testing.T) {
	for _, n := range []int{3, 4, 10, 40, 200} {
		examples := randomExamples(n, 12, []string{"a", "b"})
		r := statistics(t, 12, examples)
		l, err := r.Fit(0)
		if err != nil {
			t.Fatalf("Fit(0) of %d examples = %v, want nil", n, err)
		}
		s := r.centred()[0]
		chosen := definedCriterion(examples, []string{"a", "b"}, l.Lambda*s.scale)
		for i := 8; i <= perDecade*decades; i++ {
			other := definedCriterion(examples, []string{"a", "b"}, gridPoint(i)*s.scale)
			if other < chosen-2*tie {
				t.Errorf("Fit(0) of %d examples chose lambda %g with criterion %g, want below that of %g, %g",
					n, l.Lambda, chosen, gridPoint(i), other)
			}
		}
		if n == 3 && l.Lambda != MaxLambda {
			t.Errorf("Fit(0) of three examples chose lambda %g, want the largest, %g", l.Lambda, MaxLambda)
		}
	}
}

// Law: what Fit chose can be asked for, and gives the same probe.
func TestAChosenLambdaCanBeAskedFor(t *testing.T) {
	for _, n := range []int{3, 10, 100} { // three choose MaxLambda
		r := statistics(t, 5, randomExamples(n, 5, []string{"a", "b"}))
		chosen, err := r.Fit(0)
		if err != nil {
			t.Fatalf("Fit(0) of %d examples = %v, want nil", n, err)
		}
		if again, err := r.Fit(chosen.Lambda); err != nil || !reflect.DeepEqual(again, chosen) {
			t.Errorf("Fit(%v) = %+v, %v, want Fit(0) = %+v", chosen.Lambda, again, err, chosen)
		}
	}
	if got := gridPoint(perDecade * decades); got != MaxLambda {
		t.Errorf("gridPoint(last) = %v, want %v", got, MaxLambda)
	}
}

func TestPickPrefersTheLargerOfTies(t *testing.T) {
	inf := math.Inf(1)
	for name, c := range map[string]struct {
		criteria []float64
		want     int
	}{
		"the least wins":               {[]float64{3, 1, 2}, 1},
		"the first may win":            {[]float64{-1, 1, 2}, 0},
		"an exact tie goes up":         {[]float64{1, 2, 1, 3}, 2},
		"rounding is a tie":            {[]float64{1, 1 + tie/2, 2}, 1},
		"more than rounding is not":    {[]float64{1, 1 + 2*tie, 2}, 0},
		"infinite ones lose":           {[]float64{inf, inf, 5, 6}, 2},
		"where all are infinite, last": {[]float64{inf, inf, inf}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pick(c.criteria); got != c.want {
				t.Errorf("pick(%v) = %d, want %d", c.criteria, got, c.want)
			}
		})
	}
}
