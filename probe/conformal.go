package probe

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// DefaultCoverage is the coverage of prediction sets that state none.
const DefaultCoverage = 0.9

// SetOptions say what prediction sets are to hold.
type SetOptions struct {
	// Coverage is the share of images whose class is to be in their set, above
	// zero and below one; zero means DefaultCoverage.
	Coverage float64
	// ByClass asks for that coverage among the images of every class (of every
	// finding: where it is present and where it is absent), not only among all.
	// A rare class needs it: nine tenths of all images can be covered without one
	// of that class. It takes enough patients of each class.
	ByClass bool
	// PerPatient asks for that coverage of one image, at random, of every patient,
	// rather than of all images, of which some patients have many and others one.
	PerPatient bool
}

// A SetRule tells which classes an image may have: those whose probability is
// not below that of all but a stated part of the images known to have them. It
// is exact arithmetic on probabilities, has no randomness, and answers alike
// for like images.
//
// What holds with PerPatient: take a patient like those the rule was made from,
// and one of that patient's images at random. Its class is in the set with at
// least the stated probability, and at most 2/(Patients+1) more where no two
// probabilities are equal, if a new patient's probabilities are distributed as
// the out-of-patient ones are. That is the guarantee of hierarchical conformal
// prediction (Lee, Barber and Willett, arXiv 2306.06342; Dunn, Wasserman and
// Ramdas, JASA 118, 2022), in which every patient counts once, however many
// images it has, and which holds exactly for a probe that saw none of the
// patients. Otherwise every image counts as its weight, and the same allowance is
// made for one more patient, of the mean number of images: coverage then is that
// of all images of many new patients, as accuracy and other measures count, and
// holds as the number of patients grows, with no bound for few. (On radiographs
// where the ill have several images and the well have one, 90 % of images were
// 87 % of patients, and 90 % of patients were 93 % of images.)
//
// Probes made without one patient, or fold, stand in for one that saw none, so
// that no label is spent: cross-conformal prediction (Vovk, Ann. Math. Artif.
// Intell. 74, 2015) and the jackknife (Barber et al., "Predictive inference with
// the jackknife+", Ann. Stat. 49, 2021), whose coverage is the stated one as far
// as leaving out one patient hardly moves the probe. It says nothing of a single
// image, of patients unlike these, or, unless ByClass, of a single class.
//
// A set holds the classes whose probability reaches the threshold (Sadinle, Lei
// and Wasserman, JASA 114, 2019): the smallest sets on average at that
// coverage. It may be empty: then no class fits, for the probe is less sure of
// each than of nearly all images known to have it. This is no verdict for
// any class but one that the image is unlike the known ones. Where a probe is
// right more often than the coverage asks, some sets must be empty for coverage
// not to exceed it; adding the best class to these would cover more than
// stated. (Adaptive sets are never empty, but cover too much or need
// randomness, which would answer differently for like images.)
type SetRule struct {
	Classes  []string `json:"classes"`
	Multi    bool     `json:"multi,omitempty"`
	Coverage float64  `json:"coverage"`
	ByClass  bool     `json:"by_class,omitempty"`
	// PerPatient tells whose coverage is stated, see SetOptions.
	PerPatient bool `json:"per_patient,omitempty"`
	// Patients whose images were used.
	Patients int `json:"patients"`
	// Present is the least probability, per class, with which it is in the set:
	// zero where nothing can be left out.
	Present []float64 `json:"present"`
	// Absent is, per finding, the least probability of its absence with which
	// absence is in the set. It is nil in a single-label task.
	Absent []float64 `json:"absent,omitempty"`
	// Reasons say, per class, why nothing can be left out, empty where it can. It
	// is nil where all can.
	Reasons []string `json:"reasons,omitempty"`
}

// NewSetRule returns the rule from the out-of-patient probabilities of labelled
// images. A target between zero and one counts in part for either. With fewer
// than coverage/(1-coverage) patients (of a class, if ByClass; with a target
// for the finding, in a multi-label task) no rule can state that coverage, and
// sets leave nothing out, with a reason; nine suffice for 90 %. It returns
// ErrTarget for a coverage or a probability out of range, ErrNotEnough if there
// are no images, and Check's errors.
func NewSetRule(s Scored, o SetOptions) (SetRule, error) {
	if o.Coverage == 0 {
		o.Coverage = DefaultCoverage
	}
	if !(o.Coverage > 0 && o.Coverage < 1) {
		return SetRule{}, fmt.Errorf("sets of coverage %v, want above 0 and below 1: %w", o.Coverage, ErrTarget)
	}
	if err := s.checkProbabilities(); err != nil {
		return SetRule{}, fmt.Errorf("prediction sets: %w", err)
	}
	if len(s.Scores) == 0 {
		return SetRule{}, fmt.Errorf("prediction sets from no image: %w", ErrNotEnough)
	}
	r := SetRule{Classes: s.Classes, Multi: s.Multi, Coverage: o.Coverage, ByClass: o.ByClass, PerPatient: o.PerPatient, Patients: s.patients(nil)}
	if s.Multi {
		r.findings(s)
	} else {
		t, reasons := r.thresholds(s)
		r.Present, r.Reasons = t, unlessEmpty(reasons)
	}
	return r, nil
}

func (r *SetRule) findings(s Scored) {
	reasons := make([]string, len(s.Classes))
	for f := range s.Classes {
		sides := s.finding(f)
		for i := range sides.Scores {
			sides.Scores[i][1] = 1 - sides.Scores[i][0]
		}
		t, why := r.thresholds(sides)
		r.Present, r.Absent = append(r.Present, t[0]), append(r.Absent, t[1])
		if reasons[f] = why[0]; why[0] == "" {
			reasons[f] = why[1]
		}
	}
	r.Reasons = unlessEmpty(reasons)
}

// unlessEmpty returns reasons, nil if there is none.
func unlessEmpty(reasons []string) []string {
	for _, reason := range reasons {
		if reason != "" {
			return reasons
		}
	}
	return nil
}

// thresholds returns that of each class of a single-label task, and why one is
// zero.
func (r *SetRule) thresholds(s Scored) (t []float64, reasons []string) {
	t, reasons = make([]float64, len(s.Classes)), make([]string, len(s.Classes))
	for c := range t {
		switch {
		case r.ByClass:
			t[c], reasons[c] = r.threshold(s.conformity(c, r.PerPatient))
		case c == 0:
			t[c], reasons[c] = r.threshold(s.conformity(-1, r.PerPatient))
		default:
			t[c], reasons[c] = t[0], reasons[0]
		}
	}
	return t, reasons
}

// threshold returns that for a sample of which every patient has a mass of one,
// or all have on average. One more, whom no threshold covers, is allowed for.
func (r *SetRule) threshold(s sample, patients float64) (float64, string) {
	t, ok := s.cut(r.Coverage * (patients + 1))
	if !ok {
		return 0, fmt.Sprintf("%.4g patients, want %d to state a coverage of %g", patients, leastPatients(r.Coverage), r.Coverage)
	}
	return t, ""
}

// leastPatients returns the least n for which level*(n+1) is no more than n.
func leastPatients(level float64) int { return int(math.Ceil(level/(1-level) - rounding)) }

// conformity returns the probabilities of class c for images that have it, or
// for c below zero those of the class each has, an image of several for its share
// in each; and their mass, which is the number of patients.
func (s Scored) conformity(c int, perPatient bool) (all sample, patients float64) {
	share := one
	if c >= 0 {
		share = s.share(c)
	}
	masses, patients := s.masses(share)
	if !perPatient {
		masses = s.levelled(share, patients)
	}
	for i, m := range masses {
		for k, y := range s.Y[i] {
			if k == c {
				all = append(all, point{s.Scores[i][k], m})
			} else if c < 0 && y > 0 {
				all = append(all, point{s.Scores[i][k], m * y})
			}
		}
	}
	return all, patients
}

// levelled returns the images' weights times their shares, scaled to a sum.
func (s Scored) levelled(share func(int) float64, sum float64) []float64 {
	masses, total := make([]float64, len(s.Patient)), 0.0
	for i := range masses {
		masses[i] = s.weight(i) * share(i)
		total += masses[i]
	}
	for i := range masses {
		masses[i] *= sum / max(total, math.SmallestNonzeroFloat64)
	}
	return masses
}

// Set returns for each class whether an image with these probabilities may have
// it and, for each finding of a multi-label task, whether it may lack it; absent
// is nil in a single-label task. A finding whose probability is NaN, as it could
// not be calibrated, may be either. Nothing true, among the classes or for a
// finding, means that nothing fits. It returns ErrDimension unless there is one
// probability per class, and ErrTarget if one is none.
func (r SetRule) Set(probabilities []float64) (present, absent []bool, err error) {
	if len(probabilities) != len(r.Present) || r.Multi && len(r.Absent) != len(r.Present) {
		return nil, nil, fmt.Errorf("a set from %d probabilities of %d classes: %w", len(probabilities), len(r.Present), ErrDimension)
	}
	for c, p := range probabilities {
		unknown := r.Multi && math.IsNaN(p)
		if !unknown && !(p >= 0 && p <= 1) {
			return nil, nil, fmt.Errorf("a set from probability %v: %w", p, ErrTarget)
		}
		present = append(present, unknown || p >= r.Present[c])
		if r.Multi {
			absent = append(absent, unknown || 1-p >= r.Absent[c])
		}
	}
	return present, absent, nil
}

// rounding is the part of a patient that sums of masses may be off by.
const rounding = 1e-9

// point is a value with its mass.
type point struct{ value, mass float64 }

// sample is a weighted sample.
type sample []point

// cut returns the largest value that points of at least the given mass reach;
// false if all together have less.
func (s sample) cut(mass float64) (float64, bool) {
	falling := slices.Clone(s)
	slices.SortFunc(falling, func(a, b point) int { return cmp.Compare(b.value, a.value) })
	sum := 0.0
	for _, p := range falling {
		if sum += p.mass; sum >= mass-rounding {
			return p.value, true
		}
	}
	return 0, false
}

// reaching returns the mass of the points with at least that value.
func (s sample) reaching(value float64) float64 {
	sum := 0.0
	for _, p := range s {
		if p.value >= value {
			sum += p.mass
		}
	}
	return sum
}
