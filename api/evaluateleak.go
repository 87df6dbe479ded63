package api

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"nearcase/probe"
	"nearcase/probe/eval"
	"nearcase/probe/eval/report"
)

// leak is what a method predicts where images are divided without regard to
// patients.
type leak struct {
	method  string // of network.methods
	byImage eval.Predictions
}

// leakMethods is how many methods of a network leak predicts by at most.
const leakMethods = 3

// leak predicts once more with images divided without regard to patients, by the
// nearest, by votes and by the ridge probe at the regularisation it has.
func (v *evaluation) leak(ctx context.Context, w *network) error {
	d, ok, err := v.withoutRegard()
	if err != nil || !ok {
		return err
	}
	for _, m := range w.methods {
		l := leak{method: m.Predictions.Method, byImage: eval.Predictions{Model: w.Name, Method: m.Predictions.Method + ", images divided singly"}}
		switch m.key {
		case methodNearest:
			l.byImage.Scores, err = v.votesBy(ctx, w, d, probe.Voting{K: 1})
		case methodVotes:
			l.byImage.Scores, err = v.votesBy(ctx, w, d, probe.Voting{K: v.k, Weighting: v.weighting()})
		case methodRidge:
			l.byImage.Scores, err = v.ridgeBy(ctx, w, d)
		default:
			continue
		}
		if err != nil {
			return err
		}
		w.leaks = append(w.leaks, l)
	}
	return nil
}

// votesBy lets neighbours vote by another division.
func (v *evaluation) votesBy(ctx context.Context, w *network, d division, way probe.Voting) ([][]float64, error) {
	scores, priors := make([][]float64, len(v.cases)), v.priors()
	err := v.eachTested(ctx, func(ctx context.Context, i int) error {
		near, err := v.among(ctx, w, d, i, way.K, true)
		if err != nil {
			return err
		}
		scores[i], err = v.shares(near, way, priors[v.fold[i]])
		return err
	})
	return scores, err
}

// ridgeBy predicts by ridge probes of another division. The statistics of folds
// add up, so each image is learnt once.
func (v *evaluation) ridgeBy(ctx context.Context, w *network, d division) ([][]float64, error) {
	shards, err := v.shards(ctx, w, d)
	if err != nil {
		return nil, err
	}
	scores := make([][]float64, len(v.cases))
	err = v.eachFold(ctx, func(_ context.Context, f int) error {
		others, err := v.others(w, shards, f)
		if err != nil {
			return err
		}
		linear, err := others.Fit(w.tunings[f].Ridge.Lambda)
		if err != nil {
			return notEnough(v.task.Name, err)
		}
		for _, i := range d.test(f) {
			if scores[i], err = v.linear(linear, w.examples.X[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return scores, err
}

// others are the statistics of all sides that are learnt from but f.
func (v *evaluation) others(w *network, shards map[int]*probe.Ridge, f int) (*probe.Ridge, error) {
	others := probe.NewRidge(w.Dimension, balanceOf(v.task))
	for _, side := range slices.Sorted(maps.Keys(shards)) {
		if side == f || side == leftOut {
			continue
		}
		if err := others.Merge(shards[side]); err != nil {
			return nil, err
		}
	}
	return others, nil
}

// shards are the statistics of each side of a division.
func (v *evaluation) shards(ctx context.Context, w *network, d division) (map[int]*probe.Ridge, error) {
	shards := map[int]*probe.Ridge{}
	for _, side := range slices.Compact(slices.Sorted(slices.Values(d.fold))) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		shards[side] = probe.NewRidge(w.Dimension, balanceOf(v.task))
		if err := addTo(shards[side], w.examples.Subset(d.test(side))); err != nil {
			return nil, err
		}
	}
	return shards, nil
}

func addTo(r *probe.Ridge, e probe.Examples) error {
	targets := make([]probe.Target, len(e.X))
	for i := range targets {
		targets[i] = e.Target(i)
	}
	return r.AddAll(e.X, targets)
}

// linear returns a probe's scores in the order of the task's classes, zero for one
// that it does not have.
func (v *evaluation) linear(l *probe.Linear, x []float32) ([]float64, error) {
	scores, err := linearScores(l, v.task.Classes, x)
	for c, s := range scores {
		scores[c] = known(s, 0)
	}
	return scores, err
}

// leakMeasures are what is compared with and without regard to patients.
var leakMeasures = []string{eval.AUCMacro, eval.BalancedAccuracy}

// leaked compares what was predicted with and without regard to patients, from
// this position of the comparison on, and warns of what would have looked better.
func (v *evaluation) leaked(c *eval.Comparison, from int, results []eval.Result) (all []report.Leak) {
	at := from
	for _, w := range v.networks {
		for _, l := range w.leaks {
			grouped := slices.IndexFunc(results, func(r eval.Result) bool { return r.Model == w.Name && r.Method == l.method })
			for _, name := range leakMeasures {
				a, okA := c.Results[grouped].Measure(name)
				b, okB := c.Results[at].Measure(name)
				gain, err := c.Difference(name, "", at, grouped)
				if !okA || !okB || err != nil {
					continue
				}
				all = append(all, report.Leak{Model: w.Name, Method: l.method, Measure: name, Grouped: a.Estimate, ByImage: b.Estimate, Gain: gain.Estimate})
			}
			at++
		}
	}
	v.warnOfLeaks(all)
	return all
}

func (v *evaluation) warnOfLeaks(all []report.Leak) {
	worst, n := report.Leak{}, 0
	for _, l := range all {
		if l.Gain.Low > 0 {
			n++
			if l.Gain.Value > worst.Gain.Value {
				worst = l
			}
		}
	}
	if n > 0 {
		g := worst.Gain
		v.warn("divided without regard to patients these images would have flattered %d of %d figures, most of all the %s of %s of %s: by %s",
			n, len(all), measureWords(worst.Measure), worst.Method, worst.Model, fmt.Sprintf("%.3f (%.3f to %.3f)", g.Value, g.Low, g.High))
	}
}

func measureWords(name string) string {
	if name == eval.AUCMacro {
		return "AUC"
	}
	return "balanced accuracy"
}
