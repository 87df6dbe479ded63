package api

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"nearcase/probe/eval"
)

// The sides of an image beside a fold that it is tested in.
const (
	learnt  = -1 // it is learnt from, and never tested
	leftOut = -2 // neither
)

// division is how images are divided. Each fold is tested by what is learnt from
// all images that are neither in it nor left out.
type division struct {
	fold   []int // of each image, or one of the sides above
	folds  int
	tested []int // positions
	shared int   // patients on both sides of a given split
}

// learns reports whether image i is learnt from where fold f is tested.
func (d division) learns(i, f int) bool { return d.fold[i] != f && d.fold[i] != leftOut }

// train returns the positions of what is learnt from where fold f is tested.
func (d division) train(f int) (at []int) {
	for i := range d.fold {
		if d.learns(i, f) {
			at = append(at, i)
		}
	}
	return at
}

// test returns the positions of a fold.
func (d division) test(f int) (at []int) {
	for i, of := range d.fold {
		if of == f {
			at = append(at, i)
		}
	}
	return at
}

// strata name what folds are balanced by: the label as a whole.
func (v *evaluation) strata() []string {
	strata := make([]string, len(v.cases))
	for i, c := range v.cases {
		strata[i] = strings.Join(c.Labels[v.task.Name].Classes, "|")
	}
	return strata
}

// divide divides the images.
func (v *evaluation) divide() error {
	if v.o.Split != nil {
		return v.divideAsGiven(*v.o.Split)
	}
	fold, err := eval.Folds(v.families, v.strata(), v.o.Folds, v.o.Seed)
	if errors.Is(err, eval.ErrFolds) {
		n := distinct(v.families)
		return fmt.Errorf("task %s: %w: %d labelled patients cannot make %d folds; label images of more patients or ask for at most %d folds",
			v.task.Name, ErrNotEnough, n, v.o.Folds, n)
	}
	v.division = division{fold: fold, folds: v.o.Folds}
	for i := range fold {
		v.tested = append(v.tested, i)
	}
	return err
}

// divideAsGiven divides by the values of a field. Of patients that are on both
// sides only the images to be tested count.
func (v *evaluation) divideAsGiven(s Split) error {
	s.Test = cmp.Or(s.Test, "test")
	sides, err := v.values("split", s.By)
	if err != nil {
		return err
	}
	given, err := eval.Given(v.families, sides, s.Train, s.Test)
	if errors.Is(err, eval.ErrFolds) {
		return fmt.Errorf("task %s: %w: split by %s: %w; its values are %s", v.task.Name, ErrQuery, s.By, err, listedValues(sides))
	}
	if err != nil {
		return err
	}
	v.division = division{fold: slices.Repeat([]int{leftOut}, len(v.cases)), folds: 1, tested: given.Test, shared: len(given.Shared)}
	if n := len(v.cases) - len(given.Train) - len(given.Test); n > 0 {
		v.warn("%d images are on neither side of the split by %s and took no part", n, s.By)
	}
	if dropped := v.place(given); v.shared > 0 {
		v.warn("%d patients have images on both sides of the split by %s: such images resemble each other and flatter every method, so %d of their images were left out of what was learnt",
			v.shared, s.By, dropped)
	}
	if len(v.train(0)) == 0 {
		return fmt.Errorf("task %s: %w: split by %s: every patient to learn from is also tested", v.task.Name, ErrNotEnough, s.By)
	}
	return nil
}

// place puts images on their sides, and counts those to learn from that are left
// out because their patient is tested too.
func (v *evaluation) place(given eval.Split) (dropped int) {
	shared := make(map[string]bool, len(given.Shared))
	for _, family := range given.Shared {
		shared[family] = true
	}
	for _, i := range given.Train {
		if v.fold[i] = learnt; shared[v.families[i]] {
			v.fold[i] = leftOut
			dropped++
		}
	}
	for _, i := range given.Test {
		v.fold[i] = 0
	}
	return dropped
}

// listedValues names the most common values.
func listedValues(values []string) string {
	const most = 10
	distinct := slices.Compact(slices.Sorted(slices.Values(values)))
	for i, value := range distinct {
		distinct[i] = fmt.Sprintf("%.40q", value)
	}
	if len(distinct) > most {
		distinct = append(distinct[:most], fmt.Sprintf("and %d more", len(distinct)-most))
	}
	return strings.Join(distinct, ", ")
}

// withoutRegard is how images are divided where nobody looks at patients: each by
// itself, or as a split was given. ok is false where that is no other division.
func (v *evaluation) withoutRegard() (d division, ok bool, err error) {
	d = v.division
	d.fold = slices.Clone(v.fold)
	if v.o.Split == nil {
		d.fold, err = eval.ImageFolds(v.strata(), v.o.Folds, v.o.Seed)
		return d, distinct(v.families) < len(v.cases), err
	}
	sides, err := v.values("split", v.o.Split.By)
	if err != nil || v.shared == 0 {
		return d, false, err
	}
	given, err := eval.Given(v.families, sides, v.o.Split.Train, cmp.Or(v.o.Split.Test, "test"))
	for _, i := range given.Train {
		d.fold[i] = learnt
	}
	return d, true, err
}

// fewInner is how many images are so many that three folds choose a probe as well
// as five, at half the cost.
const fewInner = 2000

// inner returns folds of images at the given positions to choose a probe by, nil
// if there are too few patients.
func (v *evaluation) inner(at []int) []int {
	groups, strata := make([]string, len(at)), v.strata()
	chosen := make([]string, len(at))
	for j, i := range at {
		groups[j], chosen[j] = v.families[i], strata[i]
	}
	most := tuningFolds
	if len(at) > fewInner {
		most = 3
	}
	for k := most; k >= 2; k-- {
		if fold, err := eval.Folds(groups, chosen, k, v.o.Seed); err == nil {
			return fold
		}
	}
	return nil
}

// distinct counts different names.
func distinct(names []string) int {
	return len(slices.Compact(slices.Sorted(slices.Values(names))))
}

// subgroups are those that a field makes.
type subgroups struct {
	name   string
	groups []eval.Subgroup // of the tested images
}

// Bounds of subgroups: more values are no groups, and of fewer images or patients
// nothing can be said.
const (
	maxSubgroups     = 50
	subgroupImages   = 20
	subgroupPatients = 10
)

// group divides the tested images into subgroups.
func (v *evaluation) group() error {
	groups := v.truth.Only(v.tested).Groups
	for _, name := range v.o.Subgroups {
		all, err := v.values("subgroups", name)
		if err != nil {
			return err
		}
		values := make([]string, len(v.tested))
		for j, i := range v.tested {
			values[j] = all[i]
		}
		values, _ = eval.AgeBands(values)
		divided, err := eval.Subgroups(values, groups, subgroupImages, subgroupPatients)
		if err != nil {
			return err
		}
		if len(divided) > maxSubgroups {
			return fmt.Errorf("%w: subgroups by %s: %d different values, use a field with at most %d", ErrQuery, name, len(divided), maxSubgroups)
		}
		v.columns = append(v.columns, subgroups{name, divided})
	}
	return nil
}

// known is a share that is not known as nothing.
func known(x, otherwise float64) float64 {
	if math.IsNaN(x) {
		return otherwise
	}
	return x
}
