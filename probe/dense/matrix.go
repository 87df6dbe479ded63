// Package dense has the float64 kernels of the ridge probe's cubic steps:
// products, Cholesky factors and inverses of dense matrices. On amd64 the inner
// loop is in assembly, for AVX-512 or AVX2 with FMA; elsewhere it is Go.
//
// Factorisations are recursive, so that nearly all their work is products of
// large blocks (Golub and Van Loan, Matrix Computations, 4th ed., chapter 4.2).
// Results do not depend on the number of processors.
package dense

// Matrix is a view of Rows by Cols numbers: element (i, j) is
// Data[i*RowStride+j*ColStride].
type Matrix struct {
	Data                             []float64
	Rows, Cols, RowStride, ColStride int
}

// New returns a zero matrix, stored by rows.
func New(rows, cols int) Matrix {
	return Matrix{make([]float64, rows*cols), rows, cols, cols, 1}
}

// Rows returns the matrix with the given rows, which it shares, of cols numbers
// each, one after the other in data.
func Rows(data []float64, cols int) Matrix {
	return Matrix{data, len(data) / max(cols, 1), cols, cols, 1}
}

// T returns the transpose, a view of the same numbers.
func (m Matrix) T() Matrix {
	return Matrix{m.Data, m.Cols, m.Rows, m.ColStride, m.RowStride}
}

// Slice returns the rows i to k and columns j to l, exclusive, a view of the same
// numbers.
func (m Matrix) Slice(i, k, j, l int) Matrix {
	s := Matrix{nil, k - i, l - j, m.RowStride, m.ColStride}
	if k > i && l > j {
		s.Data = m.Data[i*m.RowStride+j*m.ColStride:]
	}
	return s
}

// Row returns row i of a matrix stored by rows.
func (m Matrix) Row(i int) []float64 { return m.Data[i*m.RowStride:][:m.Cols] }

func (m Matrix) at(i, j int) float64 { return m.Data[i*m.RowStride+j*m.ColStride] }
