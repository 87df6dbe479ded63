package probe

import "math"

// The inner loops of compensated sums. Every kernel returns the bits of these
// functions in Go: no element's additions are reordered.

// panel is how many columns of a triangle a kernel adds to at once.
const panel = 16

// addExactGo adds v*row to the compensated sums (hi, lo) of the same length. The
// products are exact in float64.
func addExactGo(hi, lo []float64, v float64, row []float64) {
	hi, lo = hi[:len(row)], lo[:len(row)]
	for j, u := range row {
		hi[j], lo[j] = accumulate(hi[j], lo[j], float64(v*u))
	}
}

// addScaledGo adds f*x to the compensated sums (hi, lo) of the same length.
func addScaledGo(hi, lo []float64, f double, x []float64) {
	hi, lo = hi[:len(x)], lo[:len(x)]
	for j, u := range x {
		p := f.scaled(u)
		t := twoSum(hi[j], p.hi)
		hi[j], lo[j] = t.hi, lo[j]+(t.lo+p.lo)
	}
}

// addDotsGo adds v[k]*columns[k*panel+j] for every k in order to the j-th sum.
// The products are exact in float64.
func addDotsGo(hi, lo *[panel]float64, v, columns []float64) {
	for k, by := range v {
		addExactGo(hi[:], lo[:], by, columns[k*panel:][:panel])
	}
}

// addScaledDotsGo adds f[k]*columns[k*panel+j] for every k in order to the j-th
// sum.
func addScaledDotsGo(hi, lo *[panel]float64, f []double, columns []float64) {
	for k, by := range f {
		addScaledGo(hi[:], lo[:], by, columns[k*panel:][:panel])
	}
}

// lanes are eight sums, of which the l-th takes the elements l, l+8 and so on of
// a row.
type lanes struct{ fixed, rest [8]float64 }

// addRowGo adds v times the row (hi, lo) to the fixed-point sums out, and the
// row's products with w to those of l. All are of one length.
//
// A fixed-point sum is fixed+rest, with an offset in fixed that keeps it in one
// binade: adding a product there drops what is below the binade's last place,
// and rest takes that.
func addRowGo(hi, lo, w []float64, v float64, out sums, l *lanes) {
	n := len(hi)
	lo, w, fixed, rest := lo[:n], w[:n], out.hi[:n], out.lo[:n]
	for j, a := range hi {
		k := j % len(l.fixed)
		l.fixed[k], l.rest[k] = addFixed(l.fixed[k], l.rest[k], a, lo[j], w[j])
		fixed[j], rest[j] = addFixed(fixed[j], rest[j], a, lo[j], v)
	}
}

// addFixed adds (hi+lo)*f to a fixed-point sum.
func addFixed(fixed, rest, hi, lo, f float64) (float64, float64) {
	sum := math.FMA(hi, f, fixed)
	dropped := math.FMA(hi, f, -(sum - fixed))
	return sum, rest + math.FMA(lo, f, dropped)
}
