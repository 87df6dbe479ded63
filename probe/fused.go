package probe

import "math"

// The vectors of a softmax fit are read in groups of fusedRows, which are
// widened to float64, centred and padded with zeros to a stride that is a
// multiple of fusedLanes. A group and its results stay in the cache while each
// class's scores and gradient are computed from it, so that memory is read once.
const (
	fusedRows  = 8
	fusedLanes = 8
)

// fusedStride returns the stride of vectors of n components.
func fusedStride(n int) int { return (n + fusedLanes - 1) / fusedLanes * fusedLanes }

// fusedWidenGo sets dst to src - mean. All have the same length.
func fusedWidenGo(dst []float64, src []float32, mean []float64) {
	for j, v := range src {
		dst[j] = float64(v) - mean[j]
	}
}

// fusedDotsGo sets out[i] to the inner product of w and the i-th row of x, of
// which there are len(out), each as long as stride; w is a multiple of
// fusedLanes long and no longer than the stride.
//
// Every kernel returns the same bits: eight lanes start at +0, lane l takes the
// elements l, l+8, l+16 and so on, each multiplied and added with one rounding,
// and the lanes are joined by halves.
func fusedDotsGo(out, x []float64, stride int, w []float64) {
	for i := range out {
		row := x[i*stride:][:len(w)]
		var l [fusedLanes]float64
		for j := 0; j < len(w); j += fusedLanes {
			a, b := (*[fusedLanes]float64)(row[j:]), (*[fusedLanes]float64)(w[j:])
			for k := range l {
				l[k] = math.FMA(a[k], b[k], l[k])
			}
		}
		out[i] = ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
	}
}

// fusedAddGo adds r[i] times the i-th row of x to g for every i in order, each
// with one rounding. A row begins every stride elements and is used as far as g
// is long, which is a multiple of fusedLanes.
func fusedAddGo(g, x []float64, stride int, r []float64) {
	for i, f := range r {
		row := x[i*stride:][:len(g)]
		for j := range g {
			g[j] = math.FMA(f, row[j], g[j])
		}
	}
}
