package dense

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

func random(r *rand.Rand, rows, cols int) Matrix {
	m := New(rows, cols)
	for i := range m.Data {
		m.Data[i] = r.NormFloat64()
	}
	return m
}

// positive returns a positive definite matrix of n rows.
func positive(r *rand.Rand, n int) Matrix {
	x, a := random(r, n, n), New(n, n)
	MulAdd(a, 1, x, x.T())
	for i := range n {
		a.Data[i*n+i] += 0.1
	}
	return a
}

// Law: MulAdd is the sum of products, for transposed and sliced operands of any
// shape.
func TestMulAddEqualsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(0, 70)
		m, n, k := size.Draw(t, "m"), size.Draw(t, "n"), rapid.IntRange(0, 300).Draw(t, "k")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		a, b, c := random(r, m, k), random(r, k, n), random(r, m+2, n+3)
		if rapid.Bool().Draw(t, "turn") {
			a, b = random(r, k, m).T(), random(r, n, k).T()
		}
		before := Matrix{append([]float64(nil), c.Data...), c.Rows, c.Cols, c.RowStride, 1}
		MulAdd(c.Slice(1, m+1, 2, n+2), -0.5, a, b)
		for i := range c.Rows {
			for j := range c.Cols {
				want, size := before.at(i, j), 1+math.Abs(before.at(i, j))
				if i >= 1 && i <= m && j >= 2 && j < n+2 {
					for l := range k {
						p := -0.5 * a.at(i-1, l) * b.at(l, j-2)
						want, size = want+p, size+math.Abs(p)
					}
				}
				if math.Abs(c.at(i, j)-want) > 1e-15*size {
					t.Fatalf("MulAdd of %dx%d and %dx%d: (%d, %d) = %v, want %v", m, k, k, n, i, j, c.at(i, j), want)
				}
			}
		}
	})
}

func TestCholeskySolvesAndInverts(t *testing.T) {
	for _, n := range []int{1, 2, 31, 32, 33, 100, 257} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			a := positive(r, n)
			b := random(r, n, 1).Data
			x := append([]float64(nil), b...)
			c, ok := NewCholesky(Matrix{append([]float64(nil), a.Data...), n, n, n, 1})
			if !ok {
				t.Fatal("NewCholesky of a positive definite matrix = false, want true")
			}
			c.Solve(x)
			product := New(n, n)
			MulAdd(product, 1, a, c.Inverse())
			for i := range n {
				for j := range n {
					b[i] -= a.at(i, j) * x[j]
					product.Data[i*n+j] -= float64(boolean(i == j))
				}
			}
			for _, v := range append(b, product.Data...) {
				if !(math.Abs(v) < 1e-8) {
					t.Fatalf("residual %v, want below 1e-8", v)
				}
			}
		})
	}
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestCholeskyRefusesWhatIsNotPositiveDefinite(t *testing.T) {
	for name, bad := range map[string]float64{"a negative": -1, "a zero": 0, "a NaN": math.NaN(), "an infinity": math.Inf(1)} {
		for _, at := range []int{0, 40, 99} {
			a := New(100, 100)
			for i := range 100 {
				a.Data[i*101] = 1
			}
			a.Data[at*101] = bad
			if _, ok := NewCholesky(a); ok {
				t.Errorf("%s at %d: NewCholesky = true, want false", name, at)
			}
		}
	}
}

func BenchmarkFactor(b *testing.B) {
	for _, n := range []int{768, 2048} {
		a := positive(rand.New(rand.NewPCG(1, 1)), n)
		work := New(n, n)
		b.Run(fmt.Sprintf("%d/dense", n), func(b *testing.B) {
			for b.Loop() {
				copy(work.Data, a.Data)
				NewCholesky(work)
			}
		})
		b.Run(fmt.Sprintf("%d/gonum", n), func(b *testing.B) {
			s := mat.NewSymDense(n, a.Data)
			for b.Loop() {
				var c mat.Cholesky
				c.Factorize(s)
			}
		})
		copy(work.Data, a.Data)
		c, _ := NewCholesky(work)
		b.Run(fmt.Sprintf("%d/inverse", n), func(b *testing.B) {
			for b.Loop() {
				c.Inverse()
			}
		})
	}
}
