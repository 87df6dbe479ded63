package eval

import (
	"math"
	"slices"
)

// An Estimate is a statistic of all images with its 95 % interval.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// estimate returns a statistic of a row with its 95 % bootstrap interval over
// patients: in each round as many patients were drawn with replacement as there are,
// with all their images (the cluster bootstrap of Field and Welsh, J. R. Stat. Soc. B
// 69, 2007). Its ends are the bias-corrected and accelerated quantiles, BCa (Efron,
// J. Am. Stat. Assoc. 82, 1987; DiCiccio and Efron, Stat. Sci. 11, 1996), the
// acceleration from a jackknife over patients or, of more than 200, over 200
// blocks of them. It is widened as Student's t and by n/(n-1) (Hesterberg, Am.
// Stat. 69, 2015) for the number n of patients or, where few of them decide, of
// normal deviations as uncertain as theirs. Plain percentiles cover too little:
// 90 % of AUCs of 0.94 and 89 % of accuracies of 0.95 from 50 patients.
//
// Rounds that do not define the statistic are left out, and defined is the number of
// the others. The interval is NaN if no round defined it.
func (r resamples) estimate(of func(row []float64) float64, patients int) (e Estimate, defined int) {
	samples, left := numbers(r.rounds, of), numbers(r.left, of)
	slices.Sort(samples)
	e = Estimate{of(r.whole), math.NaN(), math.NaN()}
	if len(samples) > 0 {
		low, high := bca(e.Value, samples, left, patients)
		e.Low, e.High = quantile(samples, low), quantile(samples, high)
	}
	return e, len(samples)
}

// reflected is estimate with the ends of the basic bootstrap (Davison and
// Hinkley, Bootstrap Methods and their Application, 1997, 5.2): as far from the
// value as the samples' quantiles, on the other side. It is for a statistic that
// resampling raises, so much that samples may be all above the value, to which
// the interval is extended.
func (r resamples) reflected(of func(row []float64) float64) (Estimate, int) {
	samples := numbers(r.rounds, of)
	slices.Sort(samples)
	v := of(r.whole)
	return Estimate{v, min(v, 2*v-quantile(samples, 0.975)), max(v, 2*v-quantile(samples, 0.025))}, len(samples)
}

// numbers returns what is defined of rows.
func numbers(rows [][]float64, of func(row []float64) float64) []float64 {
	var values []float64
	for _, row := range rows {
		if v := of(row); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	return values
}

// bca returns which quantiles of the sorted samples bound the interval. So few
// as four patients or fewer count as five.
func bca(value float64, samples, left []float64, patients int) (low, high float64) {
	n := max(5, min(float64(patients), effective(left)))
	z := student(n-1) * math.Sqrt(n/(n-1))
	bias, a := medianBias(value, samples), acceleration(left)
	at := func(z float64) float64 {
		moved := bias + z
		if a*moved >= 1 { // so skewed that there is no such quantile
			return normal(math.Copysign(math.Inf(1), moved))
		}
		return grid(normal(bias + moved/(1-a*moved)))
	}
	return at(-z), at(z)
}

// medianBias is the normal quantile of the share of samples below the value, half of
// those equal to it counting. It is finite: one sample counts as on either side.
func medianBias(value float64, samples []float64) float64 {
	below, _ := slices.BinarySearch(samples, value)
	equal := 0
	for _, s := range samples[below:] {
		if s > value {
			break
		}
		equal++
	}
	n := float64(len(samples))
	share := (float64(below) + float64(equal)/2) / n
	return math.Sqrt2 * math.Erfinv(2*min(max(share, 0.5/n), 1-0.5/n)-1)
}

// acceleration is a sixth of the skewness of the jackknife's deviations; 0 if
// they do not deviate.
func acceleration(left []float64) float64 {
	squares, cubes := 0.0, 0.0
	for _, d := range deviations(left) {
		squares += float64(d * d)
		cubes += float64(d * d * d)
	}
	if squares == 0 {
		return 0
	}
	return cubes / (6 * math.Pow(squares, 1.5))
}

// deviations are those below the mean, in units of the largest; nil if none is
// more than rounding.
func deviations(left []float64) []float64 {
	mean, largest := meanDefined(left), 0.0
	off := make([]float64, len(left))
	for i, v := range left {
		off[i] = mean - v
		largest = max(largest, math.Abs(off[i]))
	}
	if largest <= 1e-13*math.Abs(mean) {
		return nil
	}
	for i := range off {
		off[i] /= largest
	}
	return off
}

// effective is how many normal deviations would give as uncertain a sum of
// squares as the jackknife's give (Satterthwaite, Biometrics Bull. 2, 1946):
// about twice the number of patients that are wrong where few are.
func effective(left []float64) float64 {
	squares, fourths := 0.0, 0.0
	for _, d := range deviations(left) {
		squares += float64(d * d)
		fourths += float64(d * d * d * d)
	}
	total := float64(squares * squares)
	if excess := fourths - total/float64(len(left)); excess > 0 {
		return 1 + 2*total/excess
	}
	return math.Inf(1)
}

func normal(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// grid rounds a quantile so that its last bits, in which machines differ, do not
// matter.
func grid(q float64) float64 { return math.Round(q*1e9) / 1e9 }

// student is the 0.975 quantile of Student's t with n >= 4 degrees of freedom
// to within 0.01 (Abramowitz and Stegun 26.7.5).
func student(n float64) float64 {
	const z = 1.959963984540054
	const z3, z5, z7 = z * z * z, z * z * z * z * z, z * z * z * z * z * z * z
	return z + (z3+z)/(4*n) + (5*z5+16*z3+3*z)/(96*n*n) + (3*z7+19*z5+17*z3-15*z)/(384*n*n*n)
}

// quantile interpolates between order statistics: type 7 of Hyndman and Fan,
// Am. Stat. 50 (1996), the default of NumPy and R. It is NaN for no values.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	// Rounded by itself, so that no machine fuses product and sum.
	step := float64((at - float64(below)) * (sorted[below+1] - sorted[below]))
	return sorted[below] + step
}
