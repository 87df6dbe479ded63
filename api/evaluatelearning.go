package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"nearcase/probe"
	"nearcase/probe/eval"
	"nearcase/probe/eval/report"
)

// learningSizes are the numbers of labelled images of each class that a learning
// curve has points for.
var learningSizes = []int{5, 10, 20, 50, 100, 200, 500, 1000}

const (
	learningTests       = 1000 // images of a fold that are tested at most
	learningRepetitions = 5
)

// learner is a method that a learning curve is of. It returns the scores of the
// images at the positions test as learnt from those at the positions train.
type learner struct {
	name  string
	learn func(ctx context.Context, w *network, u *probe.Tuning, train, test []int) ([][]float64, error)
}

func (v *evaluation) learners() (all []learner) {
	softmax := "softmax"
	if v.task.Multi {
		softmax = "logistic"
	}
	for key, l := range map[string]learner{
		methodVotes:   {fmt.Sprintf("%d-NN", v.k), v.learnVotes},
		methodRidge:   {"ridge", v.learnRidge},
		methodSoftmax: {softmax, v.learnSoftmax},
	} {
		if v.wanted[key] {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b learner) int { return slices.Compare([]byte(a.name), []byte(b.name)) })
	return all
}

// repetition is one fold whose patients are tested by subsets of the others.
type repetition struct {
	fold    int
	subsets [][]int // by size; positions
	test    []int
}

// learning returns a curve for each network and learner: the macro AUC on the
// images of up to five folds, or five times on the test images of a given split,
// by subsets of the patients to learn from. The probes have the regularisation
// that was chosen for all of these.
func (v *evaluation) learning(ctx context.Context) ([]report.Curve, error) {
	repetitions, err := v.repetitions()
	if err != nil {
		return nil, err
	}
	learners := v.learners()
	var all []report.Curve
	for _, w := range v.networks {
		for _, l := range learners {
			c, err := v.curve(ctx, w, l, repetitions)
			if err != nil {
				return nil, err
			}
			if len(c.Points) > 0 {
				all = append(all, c)
			}
		}
	}
	return all, nil
}

func (v *evaluation) repetitions() ([]repetition, error) {
	all := make([]repetition, learningRepetitions)
	for n := range all {
		r := &all[n]
		r.fold = n % v.folds
		train := v.train(r.fold)
		part := v.truth.Only(train)
		subsets, err := eval.Subsets(part.Groups, part.Y, learningSizes, v.o.Seed+int64(n))
		if err != nil {
			return nil, err
		}
		for s, subset := range subsets {
			if s > 0 && len(subset) == len(subsets[s-1]) { // no more to learn from
				subset = nil
			}
			r.subsets = append(r.subsets, valuesAt(train, subset))
		}
		r.test = v.test(r.fold)
		if step := (len(r.test) + learningTests - 1) / learningTests; step > 1 {
			var some []int
			for i := 0; i < len(r.test); i += step {
				some = append(some, r.test[i])
			}
			r.test = some
		}
	}
	return all, nil
}

// valuesAt returns the values at the given positions.
func valuesAt(values, at []int) []int {
	chosen := make([]int, len(at))
	for j, i := range at {
		chosen[j] = values[i]
	}
	return chosen
}

// curve measures one learner by the number of labels. A size that some repetition
// does not have, or cannot learn from, has no point.
func (v *evaluation) curve(ctx context.Context, w *network, l learner, repetitions []repetition) (report.Curve, error) {
	c := report.Curve{Model: w.Name, Method: l.name, Measure: eval.AUCMacro}
	for s, size := range learningSizes {
		p := report.CurvePoint{PerClass: size, Estimate: eval.Estimate{Low: math.Inf(1), High: math.Inf(-1)}}
		measured := 0.0
		for _, r := range repetitions {
			auc, err := v.learnt(ctx, w, l, r, s)
			if errors.Is(err, probe.ErrNotEnough) || errors.Is(err, eval.ErrOneClass) {
				continue
			}
			if err != nil {
				return c, err
			}
			measured++
			p.Examples += float64(len(r.subsets[s]))
			p.Value += auc
			p.Low, p.High = min(p.Low, auc), max(p.High, auc)
		}
		if measured == learningRepetitions {
			p.Value, p.Examples = p.Value/measured, p.Examples/measured
			c.Points = append(c.Points, p)
		}
	}
	return c, nil
}

// learnt is the macro AUC of a repetition with a number of labels.
func (v *evaluation) learnt(ctx context.Context, w *network, l learner, r repetition, s int) (float64, error) {
	if len(r.subsets[s]) == 0 {
		return 0, probe.ErrNotEnough
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	scores, err := l.learn(ctx, w, w.tunings[r.fold], r.subsets[s], r.test)
	if err != nil {
		return 0, err
	}
	return macroAUC(v.truth.Only(r.test), scores)
}

// macroAUC is the mean over the classes that some but not all images have, or
// ErrOneClass.
func macroAUC(t eval.Truth, scores [][]float64) (float64, error) {
	sum, n := 0.0, 0.0
	for c := range t.Classes {
		var column []float64
		var positive []bool
		for i, y := range t.Y {
			if !math.IsNaN(y[c]) {
				column, positive = append(column, scores[i][c]), append(positive, y[c] == 1)
			}
		}
		auc, err := eval.AUC(column, positive)
		if errors.Is(err, eval.ErrOneClass) {
			continue
		}
		if err != nil {
			return 0, err
		}
		sum, n = sum+auc, n+1
	}
	if n == 0 {
		return 0, eval.ErrOneClass
	}
	return sum / n, nil
}

func (v *evaluation) learnRidge(_ context.Context, w *network, u *probe.Tuning, train, test []int) ([][]float64, error) {
	r := probe.NewRidge(w.Dimension, balanceOf(v.task))
	if err := addTo(r, w.examples.Subset(train)); err != nil {
		return nil, err
	}
	l, err := r.Fit(u.Ridge.Lambda)
	if err != nil {
		return nil, err
	}
	return v.linears(w, l, test)
}

func (v *evaluation) learnSoftmax(ctx context.Context, w *network, u *probe.Tuning, train, test []int) ([][]float64, error) {
	if u.Softmax == nil {
		return nil, probe.ErrNotEnough
	}
	p, err := probe.FitSoftmax(ctx, w.examples.Subset(train), u.Softmax.Lambda, probe.SoftmaxOptions{Tolerance: 1e-2, Workers: v.s.Workers})
	if err != nil {
		return nil, err
	}
	scores, err := v.linears(w, &p.Linear, test)
	for i := range scores {
		scores[i] = shareOf(scores[i], v.task.Multi)
	}
	return scores, err
}

func (v *evaluation) linears(w *network, l *probe.Linear, at []int) (scores [][]float64, err error) {
	scores = make([][]float64, len(at))
	for j, i := range at {
		if scores[j], err = v.linear(l, w.examples.X[i]); err != nil {
			return nil, err
		}
	}
	return scores, nil
}

// learnVotes lets the K nearest of a subset vote, by a scan of it.
func (v *evaluation) learnVotes(ctx context.Context, w *network, _ *probe.Tuning, train, test []int) ([][]float64, error) {
	way, priors := probe.Voting{K: v.k, Weighting: v.weighting()}, w.examples.Subset(train).Priors()
	scores := make([][]float64, len(test))
	at := make(map[int]int, len(test))
	for j, i := range test {
		at[i] = j
	}
	for c := range priors {
		priors[c] = known(priors[c], 0)
	}
	return scores, v.each(ctx, test, func(_ context.Context, i int) (err error) {
		scores[at[i]], err = v.shares(w.scan(i, train, v.k), way, priors)
		return err
	})
}

// scan returns the k nearest of image i among others, best first.
func (w *network) scan(i int, among []int, k int) []probe.Near {
	near := make([]probe.Near, len(among))
	x := w.examples.X[i]
	for n, j := range among {
		near[n] = probe.Near{At: int32(j), Score: inner(x, w.examples.X[j])}
	}
	slices.SortFunc(near, func(a, b probe.Near) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return int(a.At) - int(b.At)
	})
	return near[:min(k, len(near))]
}

// inner is the inner product, in sums that do not wait for each other.
func inner(x, y []float32) float32 {
	var a, b, c, d float32
	y = y[:len(x)]
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a += x[i] * y[i]
		b += x[i+1] * y[i+1]
		c += x[i+2] * y[i+2]
		d += x[i+3] * y[i+3]
	}
	for ; i < len(x); i++ {
		a += x[i] * y[i]
	}
	return a + b + (c + d)
}
