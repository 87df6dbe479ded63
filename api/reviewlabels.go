package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"nearcase/probe"
)

// judgement is what a ridge probe makes of the labelled instances, each judged
// without its kin, and of the others.
type judgement struct {
	head probe.Head
	// scored are the labelled instances with their calibrated probabilities.
	scored probe.Scored
	solved *probe.Solved
}

// judge tunes and calibrates the probe, once.
func (r *reviewing) judge(ctx context.Context) (*judgement, error) {
	if r.judgement == nil && r.without == nil {
		r.judgement, r.without = r.judged(ctx)
		r.step(len(r.set.all))
	}
	return r.judgement, r.without
}

func (r *reviewing) judged(ctx context.Context) (*judgement, error) {
	if r.taskless != nil {
		return nil, r.taskless
	}
	if len(r.labelled) == 0 {
		return nil, fmt.Errorf("task %s: %w: no instance has one", r.task.Name, ErrNotEnough)
	}
	u, err := probe.Tune(ctx, r.set.examples, probe.TuneOptions{Balance: r.balance(), Workers: r.s.Workers})
	if errors.Is(err, probe.ErrNotEnough) {
		return nil, fmt.Errorf("task %s: %w: the %d labelled images are all of one class, or of one patient; label more patients of other classes",
			r.task.Name, ErrNotEnough, len(r.labelled))
	}
	if err != nil {
		return nil, err
	}
	j := &judgement{head: u.Ridge, scored: u.Ridge.Calibrated}
	if j.head.Calibration == nil {
		return nil, fmt.Errorf("task %s: %w: %s", r.task.Name, ErrNotEnough, strings.Join(j.head.Reasons, "; "))
	}
	if len(j.scored.Scores) < len(r.labelled) {
		err = r.scoreAll(j)
	}
	return j, err
}

func (r *reviewing) balance() probe.Balance {
	switch {
	case r.task.Settings.Balanced && r.task.Multi:
		return probe.ByFinding
	case r.task.Settings.Balanced:
		return probe.ByClass
	}
	return probe.Unbalanced
}

// sums are the ridge statistics of all labelled instances.
func (r *reviewing) sums() (*probe.Ridge, error) {
	if r.ridge != nil {
		return r.ridge, nil
	}
	e := r.set.examples
	targets := make([]probe.Target, len(e.X))
	for i := range targets {
		targets[i] = e.Target(i)
	}
	r.ridge = probe.NewRidge(r.collection.Dimension, r.balance())
	return r.ridge, r.ridge.AddAll(e.X, targets)
}

// scoreAll judges all labelled instances where a sample was enough to tune and
// calibrate.
func (r *reviewing) scoreAll(j *judgement) error {
	sums, err := r.sums()
	if err != nil {
		return err
	}
	e := r.set.examples
	found, err := sums.LeaveOut(e, probe.LeaveOutOptions{Lambdas: []float64{j.head.Lambda}})
	if err != nil {
		return err
	}
	s := e.Scored(found.Scores)
	s.Classes, s.Scores, s.Y = j.head.Calibration.Classes, r.columns(found.Scores, j), r.columns(e.Y, j)
	j.scored, err = j.head.Calibration.Apply(s)
	return err
}

// columns are those of the classes that the probe knows.
func (r *reviewing) columns(rows [][]float64, j *judgement) [][]float64 {
	chosen := make([][]float64, len(rows))
	for i, row := range rows {
		for _, class := range j.head.Calibration.Classes {
			chosen[i] = append(chosen[i], row[slices.Index(r.set.examples.Classes, class)])
		}
	}
	return chosen
}

// labelErrors lists the labels that are least probable by probes that know
// nothing of their patient.
//
// The order is by the ridge probe alone: with 10 % of the labels of radiographs
// flipped the votes of 20 neighbours found fewer of them, and their mean with the
// probe no more.
func (r *reviewing) labelErrors(ctx context.Context) (ReviewList, error) {
	j, err := r.judge(ctx)
	if err != nil {
		return ReviewList{}, err
	}
	suspects, err := probe.Suspects(j.scored)
	if err != nil {
		return ReviewList{}, err
	}
	list := ReviewList{Notes: j.head.Reasons}
	for _, suspect := range suspects {
		i := r.labelled[suspect.Image]
		if !r.wanted(i) {
			continue
		}
		if list.Judged++; suspect.Likely {
			list.Found++
		}
		if len(list.Items) < r.o.limit() {
			list.Items = append(list.Items, r.suspected(i, suspect))
		}
	}
	list.Items, err = r.completed(ctx, list.Items, true, r.whySuspect)
	return list, err
}

func (r *reviewing) suspected(i int, s probe.Suspect) ReviewItem {
	item := r.item(i, s.Score)
	item.Finding, item.Given, item.Suggested, item.Likely = s.Finding, s.Given, s.Suggested, s.Likely
	item.Probability, item.Alternative = &s.Probability, &s.Alternative
	return item
}

func (r *reviewing) whySuspect(item *ReviewItem) string {
	class, given, say := item.Suggested, "given "+item.Given, item.Suggested
	if item.Finding != "" {
		class, given, say = item.Finding, item.Finding+" given as "+item.Given, item.Suggested
	}
	text := fmt.Sprintf("%s, but images of other patients say %s with %.2f", given, say, *item.Alternative)
	if *item.Alternative <= *item.Probability {
		text = fmt.Sprintf("%s with only %.2f by images of other patients, %s with %.2f", given, *item.Probability, say, *item.Alternative)
	}
	with := item.Agreement[class]
	if item.Finding != "" && item.Suggested == probe.Absent {
		return fmt.Sprintf("%s; %d of the %d nearest cases are without it", text, item.NeighboursOf-with, item.NeighboursOf)
	}
	if item.Finding != "" {
		return fmt.Sprintf("%s; %d of the %d nearest cases have it", text, with, item.NeighboursOf)
	}
	return fmt.Sprintf("%s; %d of the %d nearest cases are %s", text, with, item.NeighboursOf, class)
}

// uncertain lists the images of whose class the probe is least certain: those
// without a label, and after them, if there is room, those with one.
func (r *reviewing) uncertain(ctx context.Context) (ReviewList, error) {
	j, err := r.judge(ctx)
	if err != nil {
		return ReviewList{}, err
	}
	probabilities, err := r.probabilities(ctx, j)
	if err != nil {
		return ReviewList{}, err
	}
	picks := r.byMargin(probabilities)
	list := ReviewList{Notes: j.head.Reasons, Judged: len(picks), Found: len(picks)}
	for _, p := range r.picked(picks, nil) {
		item := r.item(p.Image, p.Score)
		item.Probabilities = mostProbable(j.head.Calibration.Classes, probabilities[p.Image])
		list.Items = append(list.Items, item)
	}
	list.Items, err = r.completed(ctx, list.Items, true, r.whyUncertain)
	return list, err
}

// byMargin are the instances that may be listed by how uncertain they are, those
// without a label first.
func (r *reviewing) byMargin(probabilities [][]float64) []probe.Pick {
	unlabelled, labelled := make([]float64, len(probabilities)), make([]float64, len(probabilities))
	for i, p := range probabilities {
		unlabelled[i], labelled[i] = math.NaN(), math.NaN()
		switch {
		case p == nil || !r.wanted(i):
		case r.isLabelled(r.set.all[i]):
			labelled[i] = probe.Margin(p, r.task.Multi)
		default:
			unlabelled[i] = probe.Margin(p, r.task.Multi)
		}
	}
	return slices.Concat(probe.Top(unlabelled, len(unlabelled)), probe.Top(labelled, len(labelled)))
}

// probabilities are those of every instance by probes that know nothing of its
// patient; nil where there are none.
func (r *reviewing) probabilities(ctx context.Context, j *judgement) ([][]float64, error) {
	p := make([][]float64, len(r.set.all))
	for n, i := range r.labelled {
		p[i] = j.scored.Scores[n]
	}
	families := make([][]int, len(r.known)) // unlabelled instances of each
	for i, c := range r.set.all {
		if !r.isLabelled(c) {
			families[r.family[i]] = append(families[r.family[i]], i)
		}
	}
	kin := r.labelledKin(families)
	if len(kin) > 0 {
		sums, err := r.sums()
		if err != nil {
			return nil, err
		}
		if j.solved, err = sums.Solve(j.head.Lambda); err != nil {
			return nil, err
		}
	}
	return p, r.each(ctx, len(families), func(_ context.Context, f int) error {
		return r.predict(j, families[f], kin[f], p)
	})
}

// labelledKin are the examples of each family that has unlabelled instances too.
func (r *reviewing) labelledKin(families [][]int) map[int][]int {
	kin := map[int][]int{}
	for n, i := range r.labelled {
		if f := r.family[i]; len(families[f]) > 0 {
			kin[f] = append(kin[f], n)
		}
	}
	return kin
}

// predict sets the probabilities of unlabelled instances of a family, by the
// probe without the family's labels. Where the others tell nothing, it sets none.
func (r *reviewing) predict(j *judgement, instances, kin []int, p [][]float64) error {
	linear := j.head.Linear
	if len(kin) > 0 {
		var xs [][]float32
		var targets []probe.Target
		for _, n := range kin {
			xs, targets = append(xs, r.set.examples.X[n]), append(targets, r.set.examples.Target(n))
		}
		var err error
		if linear, err = j.solved.Without(xs, targets); errors.Is(err, probe.ErrNotEnough) {
			return nil
		} else if err != nil {
			return err
		}
	}
	for _, i := range instances {
		scores, err := linear.Predict(r.vectors[i])
		if err != nil {
			return err
		}
		if p[i], err = j.head.Calibration.Probabilities(scoresOf(scores, j.head.Calibration.Classes)); err != nil {
			return err
		}
	}
	return nil
}

// scoresOf returns scores in the order of classes, 0 for one that the probe has no
// example of.
func scoresOf(scores []probe.Score, classes []string) []float64 {
	inOrder := make([]float64, len(classes))
	for _, s := range scores {
		if at := slices.Index(classes, s.Class); at >= 0 {
			inOrder[at] = s.Score
		}
	}
	return inOrder
}

// mostProbable are the classes of which a probability is known, most probable
// first.
func mostProbable(classes []string, p []float64) []ReviewProbability {
	var known []ReviewProbability
	for c, v := range p {
		if v == v {
			known = append(known, ReviewProbability{classes[c], v})
		}
	}
	slices.SortStableFunc(known, func(a, b ReviewProbability) int { return cmp.Compare(b.Probability, a.Probability) })
	return known
}

func (r *reviewing) whyUncertain(item *ReviewItem) string {
	p := item.Probabilities
	what := "no label"
	if item.Labelled {
		what = "labelled " + joined(item.Labels[r.task.Name])
	}
	if !r.task.Multi {
		return fmt.Sprintf("%s; the probe says %s with only %.2f, %s with %.2f", what, p[0].Class, p[0].Probability, p[1].Class, p[1].Probability)
	}
	least := slices.MaxFunc(p, func(a, b ReviewProbability) int {
		return cmp.Compare(probe.Margin([]float64{a.Probability}, true), probe.Margin([]float64{b.Probability}, true))
	})
	return fmt.Sprintf("%s; the probe is least sure of %s: %.2f", what, least.Class, least.Probability)
}

// joined names classes.
func joined(classes []string) string {
	if len(classes) == 0 {
		return "none present"
	}
	return strings.Join(classes, " + ")
}
