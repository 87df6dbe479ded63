package store

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Settings are how a task's labels are learnt and its answers given. The zero
// value of each field is the program's own choice.
type Settings struct {
	// Policies say by class of a multi-label task what to make of a label that is
	// uncertain of it or does not mention it; under "" those of the classes that
	// are not named.
	Policies map[string]Policy `json:"policies,omitempty"`
	// Balanced gives every class the same weight however many examples it has.
	Balanced bool `json:"balanced,omitempty"`
	// Priors are the shares of the classes that are expected where the answers are
	// used, each within 0 and 1. Those of a single-label task are of all its
	// classes and sum to 1.
	Priors map[string]float64 `json:"priors,omitempty"`

	// Weighting is how votes are weighted, Temperature that of softmax, Neighbours
	// how many vote, and Centre subtracts the collection's mean first.
	Weighting   string  `json:"weighting,omitempty"`
	Temperature float64 `json:"temperature,omitempty"`
	Neighbours  int     `json:"neighbours,omitempty"`
	Centre      bool    `json:"centre,omitempty"`

	// MinPatients is how many labelled patients a class has at least for an
	// answer; 0 is DefaultMinPatients.
	MinPatients int `json:"min_patients,omitempty"`
	// Coverage is the share of prediction sets that hold the truth; 0 is
	// DefaultCoverage.
	Coverage float64 `json:"coverage,omitempty"`
	// Sensitivity is that of ruling out and Specificity that of ruling in; 0 is
	// DefaultOperating.
	Sensitivity float64 `json:"sensitivity,omitempty"`
	Specificity float64 `json:"specificity,omitempty"`

	// Head is the probe that answers: HeadRidge, HeadSoftmax, or empty for the one
	// that has been better.
	Head string `json:"head,omitempty"`
	// Pinned is the version of the softmax probe in use; 0 is the newest.
	Pinned Key `json:"pinned,omitempty"`
}

// What the zero values of Settings mean, and the values of Head.
const (
	DefaultMinPatients = 2
	DefaultCoverage    = 0.9
	DefaultOperating   = 0.95

	HeadRidge   = "ridge"
	HeadSoftmax = "softmax"
)

// maxNeighbours bounds Settings.Neighbours.
const maxNeighbours = 10_000

// Policy is what a label teaches of a class of which it is uncertain, and of one
// that it does not mention: one of Ignore, AsAbsent, AsPresent and AsHalf. Empty
// is Ignore.
type Policy struct {
	Uncertain   string `json:"uncertain,omitempty"`
	Unmentioned string `json:"unmentioned,omitempty"`
}

// The values of a Policy's fields.
const (
	Ignore    = "ignore"
	AsAbsent  = "absent"
	AsPresent = "present"
	AsHalf    = "half"
)

// policy is the one of a class.
func (s Settings) policy(class string) Policy {
	if p, ok := s.Policies[class]; ok {
		return p
	}
	return s.Policies[""]
}

// degree is what a policy makes of a class, NaN to ignore it.
func degree(policy string) float64 {
	switch policy {
	case AsAbsent:
		return 0
	case AsPresent:
		return 1
	case AsHalf:
		return 0.5
	}
	return math.NaN()
}

// CheckSettings reports why the task cannot have such settings: ErrClass or
// ErrInvalid, with the field's name as in JSON.
func (t Task) CheckSettings(s Settings) error {
	err := errors.Join(t.checkPolicies(s.Policies), t.checkPriors(s.Priors))
	if s.Weighting != "" {
		err = errors.Join(err, checkText("weighting", s.Weighting, 32))
	}
	if !(s.Temperature >= 0) || math.IsInf(s.Temperature, 0) {
		err = errors.Join(err, fmt.Errorf("temperature %g: %w: neither 0 nor more", s.Temperature, ErrInvalid))
	}
	if s.Neighbours < 0 || s.Neighbours > maxNeighbours {
		err = errors.Join(err, fmt.Errorf("neighbours %d: %w: use 0 to %d", s.Neighbours, ErrInvalid, maxNeighbours))
	}
	if s.MinPatients < 0 {
		err = errors.Join(err, fmt.Errorf("min_patients %d: %w: neither 0 nor more", s.MinPatients, ErrInvalid))
	}
	err = errors.Join(err, checkShare("coverage", s.Coverage), checkShare("sensitivity", s.Sensitivity), checkShare("specificity", s.Specificity))
	if s.Head != "" && s.Head != HeadRidge && s.Head != HeadSoftmax {
		err = errors.Join(err, fmt.Errorf("head %.80q: %w: use %s or %s", s.Head, ErrInvalid, HeadRidge, HeadSoftmax))
	}
	if err != nil {
		return fmt.Errorf("settings of task %s: %w", t.Name, err)
	}
	return nil
}

// checkShare accepts 0 and what is within 0 and 1.
func checkShare(field string, x float64) error {
	if x >= 0 && x < 1 {
		return nil
	}
	return fmt.Errorf("%s %g: %w: less than 1 and not below 0", field, x, ErrInvalid)
}

// CheckChange reports why such settings cannot take the place of the task's own, as
// CheckSettings does, save that priors may stay as they are: they may have been set
// before a class was declared that they lack.
func (t Task) CheckChange(s Settings) error {
	if maps.Equal(s.Priors, t.Settings.Priors) {
		s.Priors = nil
	}
	return t.CheckSettings(s)
}

func (t Task) checkPolicies(policies map[string]Policy) (err error) {
	if !t.Multi && len(policies) > 0 {
		return fmt.Errorf("policies: %w: labels of a single-label task leave nothing uncertain or unmentioned", ErrInvalid)
	}
	known := []string{"", Ignore, AsAbsent, AsPresent, AsHalf}
	for _, class := range slices.Sorted(maps.Keys(policies)) {
		if class != "" && !slices.Contains(t.Classes, class) {
			err = errors.Join(err, fmt.Errorf("policies: %w", t.noClass(class)))
		}
		for _, p := range []struct{ field, value string }{
			{"uncertain", policies[class].Uncertain}, {"unmentioned", policies[class].Unmentioned},
		} {
			if !slices.Contains(known, p.value) {
				err = errors.Join(err, fmt.Errorf("policies, class %.80q: %s %.80q: %w: use ignore, absent, present or half", class, p.field, p.value, ErrInvalid))
			}
		}
	}
	return err
}

func (t Task) checkPriors(priors map[string]float64) (err error) {
	sum := 0.0
	for _, class := range slices.Sorted(maps.Keys(priors)) {
		p := priors[class]
		if sum += p; !slices.Contains(t.Classes, class) {
			err = errors.Join(err, fmt.Errorf("priors: %w", t.noClass(class)))
		}
		if !(p > 0 && p < 1) {
			err = errors.Join(err, fmt.Errorf("priors, class %.80q: %g: %w: not within 0 and 1", class, p, ErrInvalid))
		}
	}
	switch {
	case err != nil || t.Multi || len(priors) == 0:
	case math.Abs(sum-1) > 1e-6:
		err = fmt.Errorf("priors: %w: they sum to %g, and those of a single-label task to 1", ErrInvalid, sum)
	case len(priors) < len(t.Classes):
		err = fmt.Errorf("priors: %w: %d for %d classes; those of a single-label task are of all", ErrInvalid, len(priors), len(t.Classes))
	}
	return err
}

// Clone returns the settings with maps of their own.
func (s Settings) Clone() Settings {
	s.Policies, s.Priors = maps.Clone(s.Policies), maps.Clone(s.Priors)
	return s
}
