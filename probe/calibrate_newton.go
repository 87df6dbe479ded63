package probe

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

const (
	newtonSteps = 200
	halvings    = 60    // of a step, until it is below rounding
	settled     = 1e-10 // decrease per unit of weight below which one more step ends the search
	stiffness   = 0.1   // of slopes against differing
	flat        = 1e-12 // spread of scores, relative to the largest, that is rounding
)

// curve returns the slopes and the biases, which sum to zero, that minimise the
// cross-entropy Calibrate describes. names are the classes' in errors.
func (s Scored) curve(names []string) (slope, bias []float64, err error) {
	if n := s.patients(nil); n < 2 {
		return nil, nil, fmt.Errorf("%q: %d patients, want 2: %w", names, n, ErrNotEnough)
	}
	if len(names) < 2 {
		return nil, nil, fmt.Errorf("%q: one class: %w", names, ErrNotEnough)
	}
	counts := s.counts()
	for c, n := range counts {
		if n == 0 {
			return nil, nil, fmt.Errorf("no example of %q: %w", names[c], ErrNotEnough)
		}
	}
	o := s.objective(counts)
	if o == nil {
		return nil, nil, fmt.Errorf("%q: all scores are alike: %w", names, ErrUninformative)
	}
	// Two classes have one difference of scores, so one slope.
	o.shared = len(names) == 2
	slope, bias = o.original(o.minimise())
	if least := slices.Min(slope); !(least > 0) && !o.shared {
		o.shared = true
		slope, bias = o.original(o.minimise())
	}
	if least := slices.Min(slope); !(least > 0) || math.IsInf(slices.Max(slope), 0) {
		return nil, nil, fmt.Errorf("%q: slope %g: %w", names, least, ErrUninformative)
	}
	return slope, bias, nil
}

// objective is the weighted cross-entropy as a function of the slopes, one per
// class or one shared by all, followed by one bias per class. A twentieth of
// the squares of the slopes less their mean is added. It is convex, and as no
// smoothed target is zero it grows in every direction but that of equal biases,
// which changes nothing.
type objective struct {
	scores  [][]float64 // less the image's mean and the class's, over scale
	targets [][]float64 // smoothed
	weight  []float64
	total   float64   // weight
	shared  bool      // slope
	centre  []float64 // per class, what was subtracted
	scale   float64
}

// slopes returns the number of slopes.
func (o *objective) slopes() int {
	if o.shared {
		return 1
	}
	return len(o.centre)
}

// slope returns the position of the slope of class c.
func (o *objective) slope(c int) int {
	if o.shared {
		return 0
	}
	return c
}

// objective returns nil if scores differ by no more than rounding.
func (s Scored) objective(counts []float64) *objective {
	o := &objective{centre: make([]float64, len(counts))}
	largest := 0.0
	for i, row := range s.Scores {
		o.weight = append(o.weight, s.weight(i))
		o.total += s.weight(i)
		o.targets = append(o.targets, smooth(s.Y[i], counts))
		for _, v := range row {
			largest = max(largest, math.Abs(v))
		}
	}
	if largest == 0 {
		return nil
	}
	for _, row := range s.Scores {
		o.scores = append(o.scores, centred(row, largest))
	}
	return o.standardise(largest)
}

// smooth returns an image's targets after Platt's smoothing.
func smooth(y, counts []float64) []float64 {
	t := make([]float64, len(y))
	for c, share := range y {
		rest := 1 / (counts[c] + 2)
		for k := range t {
			if k == c {
				t[k] += share * (1 - rest)
			} else {
				t[k] += share * rest / float64(len(y)-1)
			}
		}
	}
	return t
}

// centred returns row over scale, less its mean.
func centred(row []float64, scale float64) []float64 {
	z, mean := make([]float64, len(row)), 0.0
	for c, v := range row {
		z[c] = v / scale
		mean += z[c] / float64(len(row))
	}
	for c := range z {
		z[c] -= mean
	}
	return z
}

func (o *objective) standardise(largest float64) *objective {
	n := float64(len(o.scores))
	for _, row := range o.scores {
		for c, v := range row {
			o.centre[c] += v / n
		}
	}
	square := 0.0
	for _, row := range o.scores {
		for c := range row {
			row[c] -= o.centre[c]
			square += row[c] * row[c] / n
		}
	}
	spread := math.Sqrt(square)
	if spread <= flat {
		return nil
	}
	for _, row := range o.scores {
		for c := range row {
			row[c] /= spread
		}
	}
	for c := range o.centre {
		o.centre[c] /= spread
	}
	o.scale = spread * largest
	return o
}

// original returns the slopes and biases for scores of which only the image's
// mean was subtracted.
func (o *objective) original(theta []float64) (slope, bias []float64) {
	mean := 0.0
	for c, m := range o.centre {
		a := theta[o.slope(c)]
		slope = append(slope, a/o.scale)
		bias = append(bias, theta[o.slopes()+c]-a*m)
		mean += bias[c] / float64(len(o.centre))
	}
	for c := range bias {
		bias[c] -= mean
	}
	return slope, bias
}

// minimise follows Newton's steps, halved until they descend (Lin, Lin and
// Weng, "A note on Platt's probabilistic outputs for support vector machines",
// Machine Learning 68, 2007), until they gain next to nothing.
func (o *objective) minimise() []float64 {
	theta := make([]float64, o.slopes()+len(o.centre))
	value, gradient, hessian := o.at(theta)
	for range newtonSteps {
		step, decrement := newton(hessian, gradient)
		if decrement <= settled*o.total {
			// Values no longer tell steps apart, but this one squares the error.
			for j, d := range step {
				theta[j] += d
			}
			break
		}
		next, moved := o.descend(theta, step, value, decrement)
		if !moved {
			break
		}
		theta = next
		value, gradient, hessian = o.at(theta)
	}
	return theta
}

// newton returns the step -H^-1 g and the decrease it promises twice over,
// g.H^-1.g. A Hessian that rounding has made indefinite is shifted.
func newton(hessian *mat.SymDense, gradient []float64) (step []float64, decrement float64) {
	n, shift := len(gradient), 0.0
	var factor mat.Cholesky
	for !factor.Factorize(hessian) {
		shift = max(2*shift, 1e-12*mat.Trace(hessian), math.SmallestNonzeroFloat32)
		for i := range n {
			hessian.SetSym(i, i, hessian.At(i, i)+shift)
		}
	}
	v := mat.NewVecDense(n, nil)
	// A condition number beyond what can be trusted only makes a poorer step.
	_ = factor.SolveVecTo(v, mat.NewVecDense(n, gradient))
	step = v.RawVector().Data
	for i, g := range gradient {
		decrement += g * step[i]
		step[i] = -step[i]
	}
	return step, decrement
}

func (o *objective) descend(theta, step []float64, value, decrement float64) (next []float64, moved bool) {
	next = make([]float64, len(theta))
	for length, i := 1.0, 0; i < halvings; length, i = length/2, i+1 {
		for j := range theta {
			next[j] = theta[j] + length*step[j]
		}
		if v := o.value(next); v <= value-1e-4*length*decrement && v < value {
			return next, true
		}
	}
	return theta, false
}

// logits returns those of image i into z.
func (o *objective) logits(theta []float64, i int, z []float64) {
	for c, s := range o.scores[i] {
		z[c] = theta[o.slope(c)]*s + theta[o.slopes()+c]
	}
}

func (o *objective) value(theta []float64) float64 {
	z, sum := make([]float64, len(o.centre)), o.penalty(theta)
	for i := range o.scores {
		o.logits(theta, i, z)
		sum += o.weight[i] * smoothLoss(o.targets[i], z)
	}
	return sum
}

func (o *objective) penalty(theta []float64) float64 {
	slopes, sum := theta[:o.slopes()], 0.0
	mean := meanOf(slopes)
	for _, a := range slopes {
		sum += stiffness * (a - mean) * (a - mean) / 2
	}
	return sum
}

func meanOf(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// smoothLoss returns the cross-entropy -sum_c t_c log p_c for the logits z; the t sum to one.
func smoothLoss(t, z []float64) float64 {
	top, sum, dot := best(z), 0.0, 0.0
	for c, v := range z {
		sum += math.Exp(v - top)
		dot += t[c] * (v - top)
	}
	return math.Log(sum) - dot
}

// at returns value, gradient and Hessian. The latter has the mean of the biases
// squared added, which is zero at the steps taken and makes it definite.
func (o *objective) at(theta []float64) (value float64, gradient []float64, hessian *mat.SymDense) {
	k, m := len(o.centre), o.slopes()
	p := make([]float64, k)
	gradient, hessian = make([]float64, m+k), mat.NewSymDense(m+k, nil)
	value = o.penalty(theta)
	h := hessian.RawSymmetric().Data
	for i := range o.scores {
		o.logits(theta, i, p)
		value += o.weight[i] * smoothLoss(o.targets[i], p)
		normaliseLogits(p)
		o.derive(i, p, gradient, h)
	}
	mean := meanOf(theta[:m])
	for c := range m {
		gradient[c] += stiffness * (theta[c] - mean)
		h[c*(m+k)+c] += stiffness
		for d := range m {
			h[c*(m+k)+d] -= stiffness / float64(m)
		}
	}
	for c := range k {
		for d := range k {
			h[(m+c)*(m+k)+m+d] += o.total / float64(k*k)
		}
	}
	return value, gradient, hessian
}

// derive adds image i, whose probabilities are p, to gradient and Hessian.
func (o *objective) derive(i int, p, gradient, h []float64) {
	m, n, s := o.slopes(), len(gradient), o.scores[i]
	for c := range p {
		w := o.weight[i] * (p[c] - o.targets[i][c])
		gradient[o.slope(c)] += w * s[c]
		gradient[m+c] += w
		for d := range p {
			w := -o.weight[i] * p[c] * p[d]
			if c == d {
				w += o.weight[i] * p[c]
			}
			h[o.slope(c)*n+o.slope(d)] += w * s[c] * s[d]
			h[o.slope(c)*n+m+d] += w * s[c]
			h[(m+c)*n+m+d] += w
		}
	}
}
