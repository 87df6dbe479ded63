package probe

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"nearcase/probe/dense"
)

const (
	// spare is how many more directions are followed than are wanted: the nearest
	// that is left out decides how fast these are found.
	spare = 8
	// settledAt is the residual, of the largest eigenvalue, at which an eigenvector is
	// found, and mostRounds how long it is looked for: where many are about as large,
	// any of their directions is as good.
	settledAt  = 1e-9
	mostRounds = 300
	// cancelled is how many products are summed up between looks at the context.
	cancelled = 512
)

var errEigen = errors.New("probe: eigenvalues of a small matrix were not found")

// products returns a*aT.
func products(ctx context.Context, a dense.Matrix) (dense.Matrix, error) {
	g := dense.New(a.Rows, a.Rows)
	for from := 0; from < a.Cols; from += cancelled {
		if err := ctx.Err(); err != nil {
			return g, err
		}
		part := a.Slice(0, a.Rows, from, min(from+cancelled, a.Cols))
		dense.MulAdd(g, 1, part, part.T())
	}
	return g, nil
}

func product(a, b dense.Matrix) dense.Matrix {
	c := dense.New(a.Rows, b.Cols)
	dense.MulAdd(c, 1, a, b)
	return c
}

// leading returns the k largest eigenvalues, fewer if there are fewer, of a symmetric
// matrix without negative ones, falling, and their eigenvectors by rows, of unit
// length or zero. It is subspace iteration from a random beginning that is always the
// same (Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM Review
// 53, 2011, algorithm 4.4) with the projection of Rayleigh and Ritz in every round,
// until the eigenvectors are found.
func leading(ctx context.Context, g dense.Matrix, k int) (values []float64, q dense.Matrix, err error) {
	k = min(k, g.Rows)
	q = dense.New(min(g.Rows, k+spare), g.Rows)
	random := rand.New(rand.NewPCG(1, uint64(g.Rows)))
	for i := range q.Data {
		q.Data[i] = random.NormFloat64()
	}
	for range mostRounds {
		if err := ctx.Err(); err != nil {
			return nil, q, err
		}
		orthonormal(q)
		z := product(q, g)
		var turn dense.Matrix
		if values, turn, err = eigen(product(z, q.T())); err != nil {
			return nil, q, err
		}
		q, z = product(turn, q), product(turn, z)
		if areFound(values[:k], q, z) {
			break
		}
		q = z
	}
	orthonormal(q)
	return values[:k], q, nil
}

// areFound reports whether z, which is q*g, is each row of q by its eigenvalue.
func areFound(values []float64, q, z dense.Matrix) bool {
	for j, value := range values {
		rest := append([]float64(nil), z.Row(j)...)
		dense.Add(rest, -value, q.Row(j))
		if math.Sqrt(dense.Dot(rest, rest)) > settledAt*values[0] {
			return false
		}
	}
	return true
}

// orthonormal makes the rows orthogonal and of unit length, each by those before it
// and twice, after which nothing is left to take away (Giraud, Langou and Rozložník,
// Comput. Math. Appl. 50, 2005). What depends on these is zero.
func orthonormal(q dense.Matrix) {
	for i := range q.Rows {
		row := q.Row(i)
		was := math.Sqrt(dense.Dot(row, row))
		for range 2 {
			for j := range i {
				dense.Add(row, -dense.Dot(row, q.Row(j)), q.Row(j))
			}
		}
		is := math.Sqrt(dense.Dot(row, row))
		if !(is > noVariance*was) {
			clear(row)
			continue
		}
		for l := range row {
			row[l] /= is
		}
	}
}

// eigen returns all eigenvalues of a small symmetric matrix, falling, and their
// eigenvectors by rows.
func eigen(t dense.Matrix) ([]float64, dense.Matrix, error) {
	n := t.Rows
	var e mat.EigenSym
	if !e.Factorize(mat.NewSymDense(n, t.Data), true) {
		return nil, t, errEigen
	}
	var columns mat.Dense
	e.VectorsTo(&columns)
	rising, values, rows := e.Values(nil), make([]float64, n), dense.New(n, n)
	for j := range n {
		values[j] = rising[n-1-j]
		mat.Col(rows.Row(j), n-1-j, &columns)
	}
	return values, rows, nil
}
