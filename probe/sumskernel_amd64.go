package probe

// The functions in Go assembly. Their lengths are above 0; n is a multiple of
// eight except where it counts examples. They need what the fused kernels do.

//go:noescape
func addExactAVX512(hi, lo, row *float64, v float64, n int)

//go:noescape
func addExactAVX2(hi, lo, row *float64, v float64, n int)

//go:noescape
func addScaledAVX512(hi, lo, x *float64, f *double, n int)

//go:noescape
func addScaledAVX2(hi, lo, x *float64, f *double, n int)

//go:noescape
func addDotsAVX512(hi, lo *[panel]float64, v, columns *float64, n int)

//go:noescape
func addDotsAVX2(hi, lo *[panel]float64, v, columns *float64, n int)

//go:noescape
func addScaledDotsAVX512(hi, lo *[panel]float64, f *double, columns *float64, n int)

//go:noescape
func addScaledDotsAVX2(hi, lo *[panel]float64, f *double, columns *float64, n int)

//go:noescape
func addRowAVX512(hi, lo, w *float64, v float64, fixed, rest *float64, l *lanes, n int)

//go:noescape
func addRowAVX2(hi, lo, w *float64, v float64, fixed, rest *float64, l *lanes, n int)

// addExact leaves the elements after the last eight to Go, as addScaled and
// addRow do.
func addExact(hi, lo []float64, v float64, row []float64) {
	n := len(row) &^ 7
	if hi, lo = hi[:len(row)], lo[:len(row)]; n > 0 {
		switch fusedChosen {
		case fusedAVX512:
			addExactAVX512(&hi[0], &lo[0], &row[0], v, n)
		case fusedAVX2:
			addExactAVX2(&hi[0], &lo[0], &row[0], v, n)
		default:
			n = 0
		}
	}
	addExactGo(hi[n:], lo[n:], v, row[n:])
}

func addScaled(hi, lo []float64, f double, x []float64) {
	n := len(x) &^ 7
	if hi, lo = hi[:len(x)], lo[:len(x)]; n > 0 {
		switch fusedChosen {
		case fusedAVX512:
			addScaledAVX512(&hi[0], &lo[0], &x[0], &f, n)
		case fusedAVX2:
			addScaledAVX2(&hi[0], &lo[0], &x[0], &f, n)
		default:
			n = 0
		}
	}
	addScaledGo(hi[n:], lo[n:], f, x[n:])
}

func addDots(hi, lo *[panel]float64, v, columns []float64) {
	if len(v) == 0 {
		return
	}
	switch _ = columns[len(v)*panel-1]; fusedChosen {
	case fusedAVX512:
		addDotsAVX512(hi, lo, &v[0], &columns[0], len(v))
	case fusedAVX2:
		addDotsAVX2(hi, lo, &v[0], &columns[0], len(v))
	default:
		addDotsGo(hi, lo, v, columns)
	}
}

func addScaledDots(hi, lo *[panel]float64, f []double, columns []float64) {
	if len(f) == 0 {
		return
	}
	switch _ = columns[len(f)*panel-1]; fusedChosen {
	case fusedAVX512:
		addScaledDotsAVX512(hi, lo, &f[0], &columns[0], len(f))
	case fusedAVX2:
		addScaledDotsAVX2(hi, lo, &f[0], &columns[0], len(f))
	default:
		addScaledDotsGo(hi, lo, f, columns)
	}
}

func addRow(hi, lo, w []float64, v float64, out sums, l *lanes) {
	all := len(hi)
	n := all &^ 7
	lo, w, out = lo[:all], w[:all], out.from(0, all)
	if n > 0 {
		switch fusedChosen {
		case fusedAVX512:
			addRowAVX512(&hi[0], &lo[0], &w[0], v, &out.hi[0], &out.lo[0], l, n)
		case fusedAVX2:
			addRowAVX2(&hi[0], &lo[0], &w[0], v, &out.hi[0], &out.lo[0], l, n)
		default:
			n = 0
		}
	}
	addRowGo(hi[n:], lo[n:], w[n:], v, out.from(n, all-n), l)
}
