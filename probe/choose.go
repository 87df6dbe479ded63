package probe

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	lapack "gonum.org/v1/gonum/lapack/gonum"
)

const (
	perDecade = 4
	decades   = 12   // from MinLambda to MaxLambda
	tie       = 1e-6 // criteria closer than this are equal
)

// choose returns the lambda of the grid with the least corrected Akaike
// criterion, in the mean over the classes where they are in several systems, the
// largest where several tie: then the more cautious probe wins,
// and rounding cannot decide between neighbours on a plateau.
//
// Generalised cross-validation and restricted likelihood, which need the same
// quantities, chose worse probes on pretrained features of radiographs while
// labels were few or one class was rare, because they often chose a penalty
// near zero when there were about as many examples as dimensions.
func choose(systems []*system) float64 {
	criteria := make([]float64, perDecade*decades+1)
	for _, s := range systems {
		if s.scale <= 0 {
			continue
		}
		t := s.tridiagonal()
		for i := range criteria {
			criteria[i] += float64(len(s.names)) * s.criterion(t, gridPoint(i)*s.scale)
		}
	}
	total := 0.0
	for _, s := range systems {
		total += float64(len(s.names))
	}
	for i := range criteria {
		criteria[i] /= total
	}
	return gridPoint(pick(criteria))
}

// pick returns the last position whose value is within tie of the least.
func pick(criteria []float64) int {
	least := slices.Min(criteria)
	i := len(criteria) - 1
	for criteria[i] > least+tie {
		i--
	}
	return i
}

// gridPoint returns the i-th regularisation, rising from MinLambda to MaxLambda.
func gridPoint(i int) float64 {
	return min(MinLambda*math.Pow(10, float64(i)/perDecade), MaxLambda)
}

// criterion returns log(RSS/n) + 1 + 2(df+1)/(n-df-2), the corrected Akaike
// criterion of Hurvich, Simonoff and Tsai, with the residual sum of squares RSS
// pooled over the system's classes and df the trace of the matrix that maps targets to
// fits, intercept included. It is infinite where df leaves no residual degrees
// of freedom.
func (s *system) criterion(t *tridiagonal, penalty float64) float64 {
	n, freedom := float64(s.examples), 1.0
	for _, e := range t.eigenvalues {
		freedom += max(e, 0) / (max(e, 0) + penalty)
	}
	if n-freedom-2 <= 0 {
		return math.Inf(1)
	}
	variance, residual := 0.0, 0.0
	for c := range s.names {
		v := s.inside[c].hi * s.outside[c].hi / s.weight.hi // sum_i v_i (y_i - m)^2, in parts
		variance += v
		residual += v - t.explained(c, penalty)
	}
	// Below this the difference of the two is rounding.
	residual = max(residual, 1e-12*variance)
	return math.Log(residual/s.weight.hi) + 1 + 2*(freedom+1)/(n-freedom-2)
}

// tridiagonal is the system in a basis Q where G is tridiagonal. Every
// criterion is then O(d) per class (Eldén, "A note on the computation of the
// generalized cross-validation function for ill-conditioned least squares
// problems", BIT 24, 1984), and Q costs a small part of the eigenvectors.
type tridiagonal struct {
	diagonal, off []float64   // QT*G*Q
	eigenvalues   []float64   // of G, rising
	right         [][]float64 // QT*b per class
}

func (s *system) tridiagonal() *tridiagonal {
	d := s.dimension
	a := s.dense(0).Data
	t := &tridiagonal{diagonal: make([]float64, d), off: make([]float64, d-1)}
	tau, best := make([]float64, d-1), make([]float64, 1)
	var l lapack.Implementation
	l.Dsytrd(blas.Upper, d, a, d, t.diagonal, t.off, tau, best, -1)
	work := make([]float64, max(int(best[0]), d))
	l.Dsytrd(blas.Upper, d, a, d, t.diagonal, t.off, tau, work, len(work))
	for _, b := range s.right {
		t.right = append(t.right, turn(a, tau, b))
	}
	t.eigenvalues = append([]float64(nil), t.diagonal...)
	l.Dsterf(d, t.eigenvalues, append([]float64(nil), t.off...))
	return t
}

// turn returns QT*b for the Q that Dsytrd leaves in the upper triangle of a:
// reflectors H = I - tau*v*vT whose v is column i+1 above row i, a one at row i
// and zero below, applied from the last to the first.
func turn(a, tau []float64, b []double) []float64 {
	d := len(b)
	z := his(b)
	for i := d - 2; i >= 0; i-- {
		dot := z[i]
		for k := range i {
			dot += a[k*d+i+1] * z[k]
		}
		z[i] -= tau[i] * dot
		for k := range i {
			z[k] -= tau[i] * dot * a[k*d+i+1]
		}
	}
	return z
}

// explained returns sum_i (y_i-m)^2 - RSS = b.w + penalty*w.w with
// (G + penalty*I) w = b, by elimination without pivoting, which is stable for
// a positive definite tridiagonal matrix.
func (t *tridiagonal) explained(c int, penalty float64) float64 {
	d := len(t.diagonal)
	pivot, w := make([]float64, d), append([]float64(nil), t.right[c]...)
	for i := range d {
		pivot[i] = t.diagonal[i] + penalty
		if i > 0 {
			f := t.off[i-1] / pivot[i-1]
			pivot[i] -= f * t.off[i-1]
			w[i] -= f * w[i-1]
		}
		// A semidefinite G may lose this to rounding.
		pivot[i] = max(pivot[i], penalty)
	}
	sum := 0.0
	for i := d - 1; i >= 0; i-- {
		if i < d-1 {
			w[i] -= t.off[i] * w[i+1]
		}
		w[i] /= pivot[i]
		sum += w[i] * (t.right[c][i] + penalty*w[i])
	}
	return sum
}
