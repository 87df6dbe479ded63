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
// without its kin.
type judgement struct {
	head probe.Head
	// scored are the labelled instances with their calibrated probabilities.
	scored probe.Scored
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
	u, err := probe.Tune(ctx, r.set.examples, r.tuning())
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
		err = r.scoreAll(ctx, j)
	}
	return j, err
}

// tuning asks for a ridge probe alone.
func (r *reviewing) tuning() probe.TuneOptions {
	return probe.TuneOptions{Balance: balanceOf(r.task), Workers: r.s.Workers}
}

// scoreAll judges all labelled instances where a sample was enough to tune and
// calibrate: each by the probe, at that regularisation, of the folds that its kin
// are not in. Of so many that is as good as to leave out its kin alone, and takes no
// copy of the vectors.
func (r *reviewing) scoreAll(ctx context.Context, j *judgement) error {
	probes, err := r.foldProbes(ctx, j.head.Lambda)
	if err != nil {
		return err
	}
	e, folds := r.set.examples, r.set.folds()
	scores := make([][]float64, len(e.X))
	for i, x := range e.X {
		found, err := probes[folds[i]].Predict(x)
		if err != nil {
			return err
		}
		scores[i] = scoresOf(found, e.Classes)
	}
	s := e.Scored(scores)
	s.Classes, s.Scores, s.Y = j.head.Calibration.Classes, r.columns(scores, j), r.columns(e.Y, j)
	j.scored, err = j.head.Calibration.Apply(s)
	return err
}

// foldProbes are the probes of the labelled instances that are not in each fold.
func (r *reviewing) foldProbes(ctx context.Context, lambda float64) (probes [tuningFolds]*probe.Linear, err error) {
	shards := make([]*probe.Ridge, tuningFolds)
	for f := range shards {
		if err := ctx.Err(); err != nil {
			return probes, err
		}
		shards[f] = probe.NewRidge(r.collection.Dimension, balanceOf(r.task))
		if err := addTo(shards[f], r.set.examples.Subset(r.fold(f, true))); err != nil {
			return probes, err
		}
	}
	for f := range probes {
		others := probe.NewRidge(r.collection.Dimension, balanceOf(r.task))
		for g, shard := range shards {
			if g == f {
				continue
			}
			if err := others.Merge(shard); err != nil {
				return probes, err
			}
		}
		if probes[f], err = others.Fit(lambda); err != nil {
			return probes, err
		}
	}
	return probes, nil
}

// fold are the positions among the labelled instances of those in a fold, or of
// those that are not.
func (r *reviewing) fold(f int, in bool) (at []int) {
	for n, of := range r.set.folds() {
		if (of == f) == in {
			at = append(at, n)
		}
	}
	return at
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
	probabilities, left, err := r.probabilities(ctx, j)
	if err != nil {
		return ReviewList{}, err
	}
	picks := r.byMargin(probabilities)
	list := ReviewList{Notes: slices.Clone(j.head.Reasons), Judged: len(picks), Found: len(picks)}
	if left > 0 {
		list.Notes = append(list.Notes, fmt.Sprintf("%d images without a label are left out: too few labels are of patients other than theirs", left))
	}
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
// patient, and are calibrated without it where the instance has no label; nil where
// there are none. left counts the instances without a label that have none.
func (r *reviewing) probabilities(ctx context.Context, j *judgement) (p [][]float64, left int, err error) {
	p = make([][]float64, len(r.set.all))
	for n, i := range r.labelled {
		p[i] = j.scored.Scores[n]
	}
	heads := map[int]*probe.Head{} // by the fold that they know nothing of
	for i, c := range r.set.all {
		if r.isLabelled(c) {
			continue
		}
		head := &j.head
		if r.known[r.family[i]] {
			if head, err = r.variant(ctx, heads, foldOf(r.set.kin[i])); err != nil {
				return nil, 0, err
			}
		}
		if head == nil {
			left++
			continue
		}
		if p[i], err = calibrated(head, r.vectors[i], j.head.Calibration.Classes); err != nil {
			return nil, 0, err
		}
	}
	return p, left, nil
}

// variant is the probe tuned and calibrated by the labels that are not in a fold,
// made once; nil where these are too few.
func (r *reviewing) variant(ctx context.Context, made map[int]*probe.Head, f int) (*probe.Head, error) {
	head, ok := made[f]
	if ok {
		return head, nil
	}
	if others := r.fold(f, false); len(others) > 0 {
		u, err := probe.Tune(ctx, r.set.examples.Subset(others), r.tuning())
		if err != nil && !errors.Is(err, probe.ErrNotEnough) {
			return nil, err
		}
		if err == nil && u.Ridge.Calibration != nil {
			head = &u.Ridge
		}
	}
	made[f] = head
	return head, nil
}

// calibrated are a probe's calibrated probabilities in the order of classes, NaN for
// one that it does not know.
func calibrated(h *probe.Head, x []float32, classes []string) ([]float64, error) {
	scores, err := h.Linear.Predict(x)
	if err != nil {
		return nil, err
	}
	known, err := h.Calibration.Probabilities(scoresOf(scores, h.Calibration.Classes))
	if err != nil {
		return nil, err
	}
	p := slices.Repeat([]float64{math.NaN()}, len(classes))
	for c, class := range h.Calibration.Classes {
		if at := slices.Index(classes, class); at >= 0 {
			p[at] = known[c]
		}
	}
	return p, nil
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
