package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"nearcase/probe"
	"nearcase/probe/eval"
	"nearcase/probe/eval/report"
)

// tune chooses, fits and calibrates the probes of each fold by what is learnt from
// there, and by nothing else.
func (v *evaluation) tune(ctx context.Context, w *network) error {
	w.tunings = make([]*probe.Tuning, v.folds)
	steps := float64(len(v.cases)) / float64(v.folds)
	if !v.wanted[methodRidge] && !v.wanted[methodSoftmax] && !v.wanted[methodChosen] {
		v.meter.add(float64(len(v.cases)))
		return nil
	}
	statistics, err := v.statistics(ctx, w)
	if err != nil {
		return err
	}
	return v.eachFold(ctx, func(ctx context.Context, f int) error {
		at := v.train(f)
		part := v.meter.part(steps)
		o := v.tuneOptions(w, at, part)
		var err error
		if o.Statistics, err = statistics(f); err != nil {
			return err
		}
		u, err := probe.Tune(ctx, w.examples.Subset(at), o)
		if errors.Is(err, probe.ErrNotEnough) {
			return fmt.Errorf("task %s: %w: the %d labels to learn from for fold %d are all of one class; label more patients of other classes",
				v.task.Name, ErrNotEnough, len(at), f+1)
		}
		part(1, 1)
		w.tunings[f] = &u
		return err
	})
}

// mostShards is of how many folds statistics are kept: they are 5 MB each at 768
// components.
const mostShards = 20

// statistics returns a function for those of what is learnt from where a fold is
// tested. Each image is learnt once, for the statistics of folds add up. Of many
// folds there are none.
func (v *evaluation) statistics(ctx context.Context, w *network) (func(f int) (*probe.Ridge, error), error) {
	if v.folds > mostShards {
		return func(int) (*probe.Ridge, error) { return nil, nil }, nil
	}
	shards, err := v.shards(ctx, w, v.division)
	return func(f int) (*probe.Ridge, error) {
		return v.others(w, shards, f)
	}, err
}

func (v *evaluation) tuneOptions(w *network, at []int, progress func(done, total int)) probe.TuneOptions {
	o := probe.TuneOptions{HeadOptions: headOptions(v.task), Balance: balanceOf(v.task), Swept: mostCalibrated, Progress: progress}
	if v.wanted[methodSoftmax] {
		o.Fold = v.inner(at)
	}
	if v.wanted[methodChosen] {
		o.Weightings = []probe.Weighting{v.weighting(), {Kind: probe.Uniform}, {Kind: probe.Distance}}
		o.Lists = v.lists(w, at)
	}
	return o
}

// mostCalibrated is by how many images a fold's probes are calibrated at most.
const mostCalibrated = 3000

// mostLists is by how many images, drawn at random but always the same, a voting is
// chosen at most.
const mostLists = 5000

// lists are the neighbours of the images at the given positions among themselves,
// by positions among them: as many as were found, for others are missing only
// where many votes are tried. Of many images there are lists of some.
func (v *evaluation) lists(w *network, at []int) [][]probe.Near {
	position := make([]int32, len(v.cases))
	for i := range position {
		position[i] = -1
	}
	for j, i := range at {
		position[i] = int32(j)
	}
	lists := make([][]probe.Near, len(at))
	for _, j := range drawnOf(len(at), mostLists) {
		others := w.near[at[j]].others
		lists[j] = make([]probe.Near, 0, len(others))
		for _, n := range others {
			if to := position[n.At]; to >= 0 {
				lists[j] = append(lists[j], probe.Near{At: to, Score: n.Score})
			}
		}
	}
	return lists
}

// probes predicts by the probes that were tuned.
func (v *evaluation) probes(_ context.Context, w *network) error {
	softmax := report.Classifier{Method: "softmax", Kind: report.Softmax, Settings: calibratedByLOO, Chosen: chosenSoftmax}
	if v.task.Multi {
		softmax.Method, softmax.Kind = "logistic", report.Logistic
	}
	ridge := report.Classifier{Method: "ridge", Kind: report.Ridge, Settings: calibratedByLOO, Chosen: chosenRidge}
	for _, head := range []struct {
		key string
		as  report.Classifier
	}{{methodRidge, ridge}, {methodSoftmax, softmax}} {
		if !v.wanted[head.key] {
			continue
		}
		m := newMethod(w, head.key, head.as)
		ok, err := v.head(w, &m)
		if err != nil {
			return err
		}
		if ok {
			w.methods = append(w.methods, m)
		}
	}
	return nil
}

// head predicts every fold by one of the probes; false where a fold has none.
func (v *evaluation) head(w *network, m *method) (bool, error) {
	n := len(v.cases)
	m.Scores, m.Probabilities, m.Sets = make([][]float64, n), make([][]float64, n), make([][]bool, n)
	for f, u := range w.tunings {
		h, ok := u.Head(m.key)
		if !ok {
			v.warn("%s of %s is left out: fold %d has too few labels: %s", m.Predictions.Method, w.Name, f+1, u.WithoutSoftmax)
			return false, nil
		}
		m.explain(h.Reasons)
		for _, i := range v.test(f) {
			if err := v.answer(m, h, u.Classes, w.examples.X[i], i); err != nil {
				return false, err
			}
		}
	}
	m.complete(v)
	return true, nil
}

// explain adds reasons, one for each of what they are of: folds differ in numbers.
func (m *method) explain(reasons []string) {
	for _, reason := range reasons {
		of, _, _ := strings.Cut(reason, ":")
		if !slices.ContainsFunc(m.reasons, func(said string) bool { return strings.HasPrefix(said, of) }) {
			m.reasons = append(m.reasons, reason)
		}
	}
}

// answer is what a probe says of image i. What it does not say of a class is
// missing in probabilities, and the least there is in scores.
func (v *evaluation) answer(m *method, h *probe.Head, classes []string, x []float32, i int) error {
	raw, err := linearScores(h.Linear, classes, x)
	if err != nil {
		return err
	}
	a, err := h.Answer(raw)
	if errors.Is(err, probe.ErrNotFinite) {
		a, err = probe.Answer{}, nil
	}
	if err != nil {
		return err
	}
	scores := raw
	if m.key == methodSoftmax {
		scores = shareOf(raw, v.task.Multi)
	}
	missing := 0.0
	if v.task.Multi {
		missing = math.NaN()
	}
	m.Scores[i] = v.spread(classes, scores, 0)
	if a.Probabilities != nil {
		m.Probabilities[i] = v.spread(classes, a.Probabilities, missing)
	}
	if a.Present != nil {
		m.Sets[i] = make([]bool, len(v.task.Classes))
		for c, class := range classes {
			m.Sets[i][slices.Index(v.task.Classes, class)] = a.Present[c]
		}
	}
	return nil
}

// linearScores returns a probe's scores of classes, in their order: NaN for one that
// it does not have.
func linearScores(l *probe.Linear, classes []string, x []float32) ([]float64, error) {
	scored, err := l.Predict(x)
	scores := slices.Repeat([]float64{math.NaN()}, len(classes))
	for _, s := range scored {
		if at := slices.Index(classes, s.Class); at >= 0 {
			scores[at] = s.Score
		}
	}
	return scores, err
}

// spread puts values of some classes in the places of all; where there is none is
// otherwise, also for scores that are not numbers unless that is none.
func (v *evaluation) spread(classes []string, values []float64, otherwise float64) []float64 {
	all := slices.Repeat([]float64{otherwise}, len(v.task.Classes))
	for c, class := range classes {
		all[slices.Index(v.task.Classes, class)] = known(values[c], otherwise)
	}
	return all
}

// shareOf are the probabilities that logits stand for, before calibration; of a
// class without a logit there is none.
func shareOf(logits []float64, multi bool) []float64 {
	p, most, sum := make([]float64, len(logits)), math.Inf(-1), 0.0
	for _, z := range logits {
		if z > most {
			most = z
		}
	}
	for c, z := range logits {
		if p[c] = math.Exp(z - most); multi {
			p[c] = 1 / (1 + math.Exp(-z))
		}
		sum += known(p[c], 0)
	}
	for c := range p {
		if !multi {
			p[c] /= sum
		}
	}
	return p
}

// complete keeps probabilities and sets if every tested image has them. Findings
// of a multi-label task that some fold gives no probability of are masked.
func (m *method) complete(v *evaluation) {
	masked, any := make([]bool, len(v.task.Classes)), false
	for _, i := range v.tested {
		if m.Probabilities[i] == nil {
			m.Probabilities, m.Sets = nil, nil
			return
		}
		for c, p := range m.Probabilities[i] {
			if math.IsNaN(p) {
				masked[c], any = true, true
			}
		}
		if m.Sets != nil && m.Sets[i] == nil {
			m.Sets = nil
		}
	}
	if any && slices.Contains(masked, false) {
		m.masked = &maskedPredictions{m.Predictions, masked}
	}
	if any {
		m.Probabilities, m.Sets = nil, nil
	}
}

// maskedPredictions have probabilities of some classes alone.
type maskedPredictions struct {
	eval.Predictions
	classes []bool // that are masked
}

// means predicts by the nearest class mean.
func (v *evaluation) means(ctx context.Context, w *network) error {
	for _, way := range []struct {
		key string
		as  report.Classifier
		of  func(probe.Examples) (*probe.Prototypes, error)
	}{
		{methodMeans, classifierOf("class means", report.ClassMeans, "Euclidean distance", ""), probe.ClassMeans},
		{methodSimple, classifierOf("SimpleShot", report.ClassMeans, "vectors centred by the mean of the training images and brought to unit length; Euclidean distance", ""), probe.SimpleShot},
	} {
		if !v.wanted[way.key] {
			continue
		}
		m := newMethod(w, way.key, way.as)
		m.Scores = make([][]float64, len(v.cases))
		if v.task.Multi {
			m.Predictions.Predicted = make([][]bool, len(v.cases))
		}
		err := v.eachFold(ctx, func(_ context.Context, f int) error {
			return v.nearestMean(w, &m, f, way.of)
		})
		if errors.Is(err, probe.ErrNotEnough) {
			v.warn("%s of %s is left out: in a fold the means tell no class from another", m.Predictions.Method, w.Name)
			continue
		}
		if err != nil {
			return err
		}
		w.methods = append(w.methods, m)
	}
	return nil
}

func (v *evaluation) nearestMean(w *network, m *method, f int, of func(probe.Examples) (*probe.Prototypes, error)) error {
	sums, err := of(w.examples.Subset(v.train(f)))
	if err != nil {
		return err
	}
	means, err := sums.Fit()
	if err != nil {
		return err
	}
	for _, i := range v.test(f) {
		scores, err := means.Nearest(w.examples.X[i])
		if err != nil {
			return err
		}
		// The squared distance of unit vectors is at most 4: nothing is farther.
		m.Scores[i] = slices.Repeat([]float64{-1}, len(v.task.Classes))
		if v.task.Multi {
			m.Scores[i] = make([]float64, len(v.task.Classes))
			m.Predictions.Predicted[i] = make([]bool, len(v.task.Classes))
		}
		for _, s := range scores {
			at := slices.Index(v.task.Classes, s.Class)
			if m.Scores[i][at] = s.Score; v.task.Multi {
				m.Predictions.Predicted[i][at] = s.Score > 0
			}
		}
		if !v.task.Multi {
			m.Scores[i] = margins(m.Scores[i])
		}
	}
	return nil
}

// margins are how much nearer each class is than the nearest other: what ranks
// images by a class, for some images are far from all.
func margins(closeness []float64) []float64 {
	m := make([]float64, len(closeness))
	for c, x := range closeness {
		other := math.Inf(-1)
		for o, y := range closeness {
			if o != c {
				other = max(other, y)
			}
		}
		m[c] = x - other
	}
	return m
}

// texts predicts by a network's text tower, where it has one.
func (v *evaluation) texts(ctx context.Context, w *network) error {
	if !v.wanted[methodZeroShot] {
		return nil
	}
	opened, err := v.s.modelOf(w.Collection)
	if err != nil || !opened.m.HasText() { // labels need no network
		return nil
	}
	vectors, err := v.s.classTexts(ctx, opened, v.task.Classes, nil)
	if err != nil {
		return err
	}
	text := *opened.m.Manifest().Text
	m := newMethod(w, methodZeroShot, classifierOf("zero-shot", report.ZeroShot, fmt.Sprintf("%d prompts", len(text.Prompts)), ""))
	m.Scores = make([][]float64, len(v.cases))
	for _, i := range v.tested {
		m.Scores[i] = make([]float64, len(v.task.Classes))
		for _, s := range zeroShot(w.examples.X[i], v.task, vectors, text).Scores {
			m.Scores[i][slices.Index(v.task.Classes, s.Class)] = s.Score
		}
	}
	w.methods = append(w.methods, m)
	return nil
}
