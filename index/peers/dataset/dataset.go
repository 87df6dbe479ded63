// Package dataset makes the vectors on which index engines are compared: unit
// vectors, the same on every run, made row by row from the row's own seed, so
// that a smaller set is the beginning of a larger one.
package dataset

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
)

// Set is a base to be indexed and the queries asked of it: further draws of
// the same distribution that are not in the base.
type Set struct {
	Name          string
	Base, Queries Matrix
}

// Matrix is a sequence of rows of one dimension, laid end to end.
type Matrix struct {
	Dim    int
	Values []float32
}

// Len is the number of rows.
func (m Matrix) Len() int { return len(m.Values) / m.Dim }

// Row returns row i, which shares the matrix's memory.
func (m Matrix) Row(i int) []float32 {
	return m.Values[i*m.Dim : (i+1)*m.Dim : (i+1)*m.Dim]
}

// Rows returns all rows, which share the matrix's memory.
func (m Matrix) Rows() [][]float32 {
	rows := make([][]float32, m.Len())
	for i := range rows {
		rows[i] = m.Row(i)
	}
	return rows
}

// Names are the sets that Generate makes.
func Names() []string { return []string{"clustered", "uniform", "near-duplicates"} }

// Generate returns the set of the given name with n base vectors of dimension
// dim. It runs on all cores. The error says that the name is not in Names or a
// size is not positive.
//
//   - clustered: 200 clusters of spread 0.6 in 64 latent dimensions, projected
//     to dim, with a common offset and noise of 0.05. Embeddings of images look
//     alike: few intrinsic dimensions, clumps, and a mean far from zero.
//   - uniform: normal deviates, so that directions are uniform. In hundreds of
//     dimensions no vector is near another; this is the worst case of a graph.
//   - near-duplicates: 1,000 vectors of clustered, each copied n/1,000 times on
//     average; a copy differs from its original by a length of 0.005 to 0.05,
//     and one copy in ten not at all.
func Generate(name string, n, queries, dim int) (Set, error) {
	if n < 1 || queries < 1 || dim < 1 {
		return Set{}, fmt.Errorf("dataset: %d vectors and %d queries of %d dimensions: sizes must be positive", n, queries, dim)
	}
	var draw func(r *rand.Rand, row []float64)
	switch name {
	case "clustered":
		draw = newClusters(dim).draw
	case "uniform":
		draw = func(r *rand.Rand, row []float64) { fill(r, row, 1) }
	case "near-duplicates":
		draw = newCopies(dim).draw
	default:
		return Set{}, fmt.Errorf("dataset: %q is none of %q", name, Names())
	}
	return Set{
		Name:    name,
		Base:    rows(baseSeed, n, dim, draw),
		Queries: rows(querySeed, queries, dim, draw),
	}, nil
}

// The first half of the seed of every row; the second half is its number.
const (
	modelSeed = iota + 1
	baseSeed
	querySeed
)

// rows returns n normalised rows, each drawn from a source of its own.
func rows(seed uint64, n, dim int, draw func(*rand.Rand, []float64)) Matrix {
	m := Matrix{Dim: dim, Values: make([]float32, n*dim)}
	parallel(n, func(from, to int) {
		source := rand.NewPCG(0, 0)
		r := rand.New(source)
		row := make([]float64, dim)
		for i := from; i < to; i++ {
			source.Seed(seed, uint64(i))
			draw(r, row)
			normalise(m.Row(i), row)
		}
	})
	return m
}

// parallel calls work on consecutive parts of 0 to n, one for each core, and
// returns when all are done.
func parallel(n int, work func(from, to int)) {
	var group sync.WaitGroup
	parts := min(n, runtime.GOMAXPROCS(0))
	for p := range parts {
		group.Go(func() { work(n*p/parts, n*(p+1)/parts) })
	}
	group.Wait()
}

// fill sets row to normal deviates.
func fill(r *rand.Rand, row []float64, deviation float64) {
	for i := range row {
		row[i] = deviation * r.NormFloat64()
	}
}

// normalise sets unit to row at length 1. A row of zeros becomes the first axis.
func normalise(unit []float32, row []float64) {
	length := math.Sqrt(inner(row, row))
	if length == 0 {
		clear(unit)
		unit[0] = 1
		return
	}
	for i, x := range row {
		unit[i] = float32(x / length)
	}
}

// inner is the inner product of a and b of the same length. Four sums keep the
// additions from waiting for each other.
func inner(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i, x := range a {
		s0 += x * b[i]
	}
	return s0 + s1 + s2 + s3
}
