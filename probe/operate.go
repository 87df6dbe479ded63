package probe

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// The states of a class at an operating point.
const (
	RuledOut  = "ruled out"
	Uncertain = "uncertain"
	RuledIn   = "ruled in"
)

const (
	defaultSensitivity = 0.95
	defaultSpecificity = 0.95
	// boundConfidence is that of the lower bounds that are reported.
	boundConfidence = 0.95
)

// Aims are what operating points must reach. The zero value asks for 0.95 of
// both on average.
type Aims struct {
	Sensitivity float64 // of ruling out; zero means 0.95
	Specificity float64 // of ruling in; zero means 0.95
	// Confidence zero asks that new patients be served so on average. Otherwise it
	// is the probability with which at least that much is to hold for all patients
	// to come: the lower bound reaches the aim. 0.95 for 0.95 takes 59 patients
	// without one error, where the average takes 19.
	Confidence float64
}

// A Cut is one threshold of an operating point with what it achieves.
type Cut struct {
	// Probability below which the class is ruled out, or above which it is in.
	Probability float64 `json:"probability"`
	// Achieved is the sensitivity (of ruling out: the share of images with the
	// class that are not) or the specificity (of ruling in: the share of images
	// without it that are not) among the out-of-patient probabilities from which
	// the threshold was taken, every patient counting once.
	Achieved float64 `json:"achieved"`
	// Lower is the one-sided 95 % bound of Clopper and Pearson (Biometrika 26,
	// 1934) with patients for cases. It is exact where patients have one image
	// each. With several a patient may count in part, which varies less than one
	// that counts wholly or not at all, so that the bound errs on the safe side.
	// It does not allow for the threshold having been taken from the same images.
	Lower float64 `json:"lower"`
	// Patients with the class, or with images without it.
	Patients int `json:"patients"`
	// Reason says why nothing is ruled out, or in; then the other fields but
	// Patients are zero. It is empty where something is.
	Reason string `json:"reason,omitempty"`
}

// An OperatingPoint calls one class ruled out, uncertain or ruled in.
type OperatingPoint struct {
	Class   string `json:"class"`
	RuleOut Cut    `json:"rule_out"` // at a stated sensitivity
	RuleIn  Cut    `json:"rule_in"`  // at a stated specificity
	// Crossed tells that ruling in was possible from a lower probability than
	// ruling out up to: the class separates better than was asked. Both thresholds
	// are then the middle of the two, which reaches both aims, and nothing but that
	// very probability is uncertain.
	Crossed bool `json:"crossed,omitempty"`
}

// OperatingPoints returns one per class from the out-of-patient probabilities of
// labelled images. A threshold is the most decisive that reaches its aim, given
// that a new patient is as likely to be the worst as any: n patients must serve
// aim*(n+1) of themselves (or, with a confidence, so many that the lower bound
// reaches the aim). Where even all of them would not, it has a reason instead. A
// target between zero and one counts in part for either. It returns ErrTarget
// for an aim or probability out of range, and Check's errors.
func OperatingPoints(s Scored, a Aims) ([]OperatingPoint, error) {
	a, err := a.checked()
	if err != nil {
		return nil, err
	}
	if err := s.checkProbabilities(); err != nil {
		return nil, fmt.Errorf("operating points: %w", err)
	}
	points := make([]OperatingPoint, len(s.Classes))
	for c, class := range s.Classes {
		points[c] = s.operate(c, a)
		points[c].Class = class
	}
	return points, nil
}

func (a Aims) checked() (Aims, error) {
	if a.Sensitivity == 0 {
		a.Sensitivity = defaultSensitivity
	}
	if a.Specificity == 0 {
		a.Specificity = defaultSpecificity
	}
	for _, v := range []float64{a.Sensitivity, a.Specificity} {
		if !(v > 0 && v < 1) {
			return a, fmt.Errorf("operating points at %v, want above 0 and below 1: %w", v, ErrTarget)
		}
	}
	if !(a.Confidence >= 0 && a.Confidence < 1) {
		return a, fmt.Errorf("operating points with confidence %v, want from 0 and below 1: %w", a.Confidence, ErrTarget)
	}
	return a, nil
}

// operate works on one class against all others. Ruling in at a specificity is
// ruling out the negatives, with probabilities turned round.
func (s Scored) operate(c int, a Aims) OperatingPoint {
	with, without := s.cases(c, 1), s.cases(c, -1)
	o := OperatingPoint{RuleOut: with.cut("with the class", a.Sensitivity, a.Confidence), RuleIn: without.cut("without the class", a.Specificity, a.Confidence)}
	o.RuleIn.Probability = max(-o.RuleIn.Probability, 0) // and no negative zero
	if o.RuleOut.Reason != "" || o.RuleIn.Reason != "" || o.RuleOut.Probability <= o.RuleIn.Probability {
		return o
	}
	middle := o.RuleIn.Probability + (o.RuleOut.Probability-o.RuleIn.Probability)/2
	o.Crossed, o.RuleOut.Probability, o.RuleIn.Probability = true, middle, middle
	o.RuleOut.achieve(with, middle)
	o.RuleIn.achieve(without, -middle)
	return o
}

// cases are images that count for one aim.
type cases struct {
	sample
	total    float64 // mass
	patients int
}

// cases returns the images with class c for sign 1, those without for -1. Their
// values are probabilities times sign, so that larger is safer.
func (s Scored) cases(c int, sign float64) cases {
	share := func(i int) float64 {
		switch y := s.Y[i][c]; {
		case math.IsNaN(y):
			return 0
		case sign < 0:
			return 1 - y
		default:
			return y
		}
	}
	masses, total := s.masses(share)
	k := cases{total: total, patients: s.patients(share)}
	for i, m := range masses {
		if m > 0 {
			k.sample = append(k.sample, point{sign * s.Scores[i][c], m})
		}
	}
	return k
}

func (k cases) cut(who string, aim, confidence float64) Cut {
	t := Cut{Patients: k.patients}
	value, ok := k.sample.cut(required(k.total, aim, confidence))
	if !ok {
		t.Reason = fmt.Sprintf("%d patients %s, want %d to show %g", k.patients, who, wanted(aim, confidence), aim)
		return t
	}
	t.Probability = value
	t.achieve(k, value)
	return t
}

func (t *Cut) achieve(k cases, value float64) {
	served := min(k.reaching(value), k.total)
	t.Achieved, t.Lower = served/k.total, lowerBound(served, k.total, boundConfidence)
}

// required returns the mass of n patients that must be served; more than n if
// none suffices.
func required(n, aim, confidence float64) float64 {
	if confidence == 0 {
		return aim * (n + 1)
	}
	if !(lowerBound(n, n, confidence) >= aim) {
		return n + 1
	}
	low, high := 0.0, n
	for range 60 {
		middle := (low + high) / 2
		if lowerBound(middle, n, confidence) >= aim {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// wanted returns the least number of patients that can show the aim.
func wanted(aim, confidence float64) int {
	if confidence == 0 {
		return leastPatients(aim)
	}
	return int(math.Ceil(math.Log1p(-confidence)/math.Log(aim) - rounding))
}

// lowerBound returns Clopper and Pearson's one-sided lower bound for x of n, the
// 1-confidence quantile of a beta distribution; x and n need not be whole.
func lowerBound(x, n, confidence float64) float64 {
	if x <= 0 || n <= 0 {
		return 0
	}
	if x >= n {
		return math.Pow(1-confidence, 1/n)
	}
	low, high := 0.0, 1.0
	for range 60 {
		middle := (low + high) / 2
		if mathext.RegIncBeta(x, n-x+1, middle) > 1-confidence {
			high = middle
		} else {
			low = middle
		}
	}
	return low
}

// Call returns the class's state at a probability: below RuleOut it is ruled
// out, above RuleIn it is ruled in, and between the two, or NaN, it is
// uncertain. Where one of the two has a reason, nothing is called so.
func (o OperatingPoint) Call(probability float64) string {
	out := o.RuleOut.Reason == "" && probability < o.RuleOut.Probability
	in := o.RuleIn.Reason == "" && probability > o.RuleIn.Probability
	switch {
	case out == in: // a point made otherwise may claim both
		return Uncertain
	case out:
		return RuledOut
	default:
		return RuledIn
	}
}
