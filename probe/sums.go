package probe

import "math"

// A double is an unevaluated sum hi+lo of two float64 that carries about 106
// bits, as in Dekker, "A floating-point technique for extending the available
// precision", Numer. Math. 18 (1971).
type double struct{ hi, lo float64 }

// twoSum returns a+b without error (Knuth, The Art of Computer Programming 2,
// 4.2.2, theorem B).
func twoSum(a, b float64) double {
	s := a + b
	t := s - a
	return double{s, (a - (s - t)) + (b - t)}
}

// twoProduct returns a*b without error.
func twoProduct(a, b float64) double {
	p := float64(a * b)
	return double{p, math.FMA(a, b, -p)}
}

func (a double) plus(b double) double {
	s := twoSum(a.hi, b.hi)
	return twoSum(s.hi, s.lo+(a.lo+b.lo))
}

// add adds b to a as sums do: cheaply, and leaving a to be normalised.
func (a *double) add(b double) {
	s := twoSum(a.hi, b.hi)
	a.hi = s.hi
	a.lo += s.lo + b.lo
}

func (a double) times(b double) double {
	p := twoProduct(a.hi, b.hi)
	return twoSum(p.hi, p.lo+(a.hi*b.lo+a.lo*b.hi))
}

func (a double) minus(b double) double { return a.plus(double{-b.hi, -b.lo}) }

// sums is a vector of sums with compensation: hi holds the rounded running
// sum, lo the sum of all that rounding dropped (Neumaier, "Rundungsfehleranalyse
// einiger Verfahren zur Summation endlicher Summen", ZAMM 54, 1974). After m
// additions of terms of size at most t the error is below (m*2^-53)^2 * t, and
// it is zero while the terms' bits span fewer than about 100 places. Sums of
// the same terms therefore agree in every order, and subtracting a term undoes
// adding it.
type sums struct{ hi, lo []float64 }

func newSums(n int) sums { return sums{make([]float64, n), make([]float64, n)} }

// at returns the i-th sum, normalised so that equal sums are equal doubles.
func (s sums) at(i int) double { return twoSum(s.hi[i], s.lo[i]) }

// scaled returns f*a, which is exact for a power of two and else within 1e-32.
func (a double) scaled(f float64) double {
	p := twoProduct(a.hi, f)
	p.lo += float64(a.lo * f)
	return p
}

// per returns a/w.
func (a double) per(w double) double {
	q := a.hi / w.hi
	rest := a.minus(w.scaled(q))
	return twoSum(q, rest.hi/w.hi)
}

// unit reports whether a is one or minus one.
func (a double) unit() bool { return a.lo == 0 && (a.hi == 1 || a.hi == -1) }

// addScaled adds f*x to the sums.
func (s sums) addScaled(f double, x []float64) {
	if f.unit() {
		s.addExact(f.hi, x)
		return
	}
	addScaled(s.hi, s.lo, f, x)
}

// addExact adds v*row to the sums, for components whose products are exact in
// float64, as those of two float32 are.
func (s sums) addExact(v float64, row []float64) { addExact(s.hi, s.lo, v, row) }

// addProducts adds f*x*xT, its upper triangle packed by rows, for an x of
// float32.
func (s sums) addProducts(f double, x []float64) {
	start := 0
	for i, v := range x {
		row := x[i:]
		if to := s.from(start, len(row)); f.unit() {
			to.addExact(f.hi*v, row)
		} else {
			to.addScaled(f.scaled(v), row)
		}
		start += len(row)
	}
}

// accumulate returns the compensated sum (hi, lo) with p added.
func accumulate(hi, lo, p float64) (float64, float64) {
	t := twoSum(hi, p)
	return t.hi, lo + t.lo
}

func (s sums) from(start, n int) sums {
	return sums{s.hi[start : start+n], s.lo[start : start+n]}
}

// merge adds the sums o of equal length.
func (s sums) merge(o sums) {
	s.addExact(1, o.hi)
	for i, v := range o.lo {
		s.lo[i] += v
	}
}

func (s sums) clear() { clear(s.hi); clear(s.lo) }

func (s sums) clone() sums {
	if s.hi == nil {
		return s
	}
	c := newSums(len(s.hi))
	copy(c.hi, s.hi)
	copy(c.lo, s.lo)
	return c
}
