//go:build !amd64

package probe

func addExact(hi, lo []float64, v float64, row []float64) { addExactGo(hi, lo, v, row) }

func addScaled(hi, lo []float64, f double, x []float64) { addScaledGo(hi, lo, f, x) }

func addDots(hi, lo *[panel]float64, v, columns []float64) { addDotsGo(hi, lo, v, columns) }

func addScaledDots(hi, lo *[panel]float64, f []double, columns []float64) {
	addScaledDotsGo(hi, lo, f, columns)
}

func addRow(hi, lo, w []float64, v float64, out sums, l *lanes) { addRowGo(hi, lo, w, v, out, l) }
