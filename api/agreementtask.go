package api

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"nearcase/probe/eval"
	"nearcase/probe/eval/report"
)

// compareTask evaluates both models on a task in the same folds.
func (s *Service) compareTask(ctx context.Context, r *reembedder, task string, seed int64) (TaskAgreement, report.Report, error) {
	t := TaskAgreement{Task: task, AUC: []AUCChange{}}
	v, err := s.newEvaluation(ctx, r.c.Name, EvaluateOptions{
		Task: task, Collections: []string{r.hidden.Name}, Methods: []string{methodVotes, methodRidge},
		Seed: seed, WithoutLeak: true, WithoutImages: true, Mistakes: -1,
	})
	var page report.Report
	if err == nil {
		v.meter = newMeter(1, nil)
		began := time.Now()
		if page, err = v.run(ctx); err == nil {
			page.Data.Time, page.Data.Took = began.UTC().Truncate(time.Second), time.Since(began).Seconds()
		}
	}
	if errors.Is(err, ErrNotEnough) {
		t.Problem = err.Error()
		return t, page, nil
	}
	if err != nil {
		return t, page, err
	}
	t.Images = len(v.tested)
	t.Votes, t.Probe = v.flips(methodVotes), v.flips(methodRidge)
	for _, method := range []string{methodVotes, methodRidge} {
		t.AUC = append(t.AUC, v.aucs(method)...)
	}
	renamed(&page, map[string]string{r.c.Name: "before: " + r.c.Model, r.hidden.Name: "after: " + r.hidden.Model})
	page.Methods = report.Methods(page)
	return t, page, nil
}

// renamed calls the networks of a report otherwise.
func renamed(r *report.Report, names map[string]string) {
	for i := range r.Data.Networks {
		r.Data.Networks[i].Collection = names[r.Data.Networks[i].Collection]
	}
	for i := range r.Results {
		r.Results[i].Model = names[r.Results[i].Model]
	}
	for i := range r.Differences {
		d := &r.Differences[i]
		d.Model, d.AgainstModel = names[d.Model], names[d.AgainstModel]
	}
}

// pair returns the positions of a method's results, of the first network and of the
// second; false where one lacks it.
func (v *evaluation) pair(key string) (one, other int, ok bool) {
	at, n := []int{}, 0
	for _, w := range v.networks {
		for _, m := range w.methods {
			if m.key == key {
				at = append(at, n)
			}
			n++
		}
	}
	if len(at) != 2 {
		return 0, 0, false
	}
	return at[0], at[1], true
}

// flips compares what a method predicts by two networks.
func (v *evaluation) flips(key string) (f Flips) {
	one, other, ok := v.pair(key)
	if !ok {
		return f
	}
	methods, _ := v.predicted()
	var flipped []float64
	var patients []string
	for _, i := range v.tested {
		was, is := v.classes(methods[one], i), v.classes(methods[other], i)
		same := slices.Equal(was, is)
		flipped, patients = append(flipped, map[bool]float64{false: 1, true: 0}[same]), append(patients, v.families[i])
		if same {
			continue
		}
		if f.Flipped++; len(f.Examples) < flipExamples {
			f.Examples = append(f.Examples, Flip{ID: v.cases[i].Instance.ID, Truth: v.cases[i].Labels[v.task.Name].Classes, Before: was, After: is})
		}
	}
	f.Images, f.Share = len(flipped), meanOf(flipped, patients)
	return f
}

// classes are those that a method predicts of image i.
func (v *evaluation) classes(m method, i int) []string {
	all := []string{}
	top := 0
	for c, score := range m.Scores[i] {
		if score > m.Scores[i][top] {
			top = c
		}
		has := score >= eval.Threshold
		if m.Predictions.Predicted != nil {
			has = m.Predictions.Predicted[i][c]
		}
		if v.task.Multi && has {
			all = append(all, v.task.Classes[c])
		}
	}
	if !v.task.Multi {
		return []string{v.task.Classes[top]}
	}
	return all
}

// aucs compares the AUCs of a method by two networks.
func (v *evaluation) aucs(key string) (all []AUCChange) {
	one, other, ok := v.pair(key)
	if !ok {
		return nil
	}
	name := map[string]string{methodVotes: "votes", methodRidge: "probe"}[key]
	results := v.comparison.Results
	add := func(measure, class string, was, is eval.Measure, both bool) {
		d, err := v.comparison.Difference(measure, class, other, one)
		if err == nil && both {
			all = append(all, AUCChange{Method: name, Class: class, Before: was.Estimate, After: is.Estimate, Difference: d.Estimate})
		}
	}
	was, had := results[one].Measure(eval.AUCMacro)
	is, has := results[other].Measure(eval.AUCMacro)
	add(eval.AUCMacro, "", was, is, had && has)
	for c := range results[one].Classes {
		was, had := results[one].Classes[c].Measure(eval.AUCOfClass)
		is, has := results[other].Classes[c].Measure(eval.AUCOfClass)
		add(eval.AUCOfClass, results[one].Classes[c].Class, was, is, had && has)
	}
	return all
}

// meanOf returns the mean of figures between 0 and 1 with a 95 % interval that allows
// for those of one patient being alike: by the cluster-robust variance (Liang and
// Zeger, Biometrika 73, 1986) or, where all are equal, Wilson's (J. Am. Stat. Assoc.
// 22, 1927) of as many as there are patients.
func meanOf(x []float64, patients []string) eval.Estimate {
	if len(x) == 0 {
		return eval.Estimate{High: 1}
	}
	sum, n := 0.0, float64(len(x))
	for _, v := range x {
		sum += v
	}
	mean, off := sum/n, map[string]float64{}
	for i, v := range x {
		off[patients[i]] += v - mean
	}
	square := 0.0
	for _, o := range off {
		square += o * o
	}
	const z = 1.959964
	e := z * math.Sqrt(square) / n
	if square > 0 {
		return eval.Estimate{Value: mean, Low: max(0, mean-e), High: min(1, mean+e)}
	}
	g := float64(len(off))
	middle, half := (mean+z*z/2/g)/(1+z*z/g), z*math.Sqrt(mean*(1-mean)/g+z*z/4/g/g)/(1+z*z/g)
	return eval.Estimate{Value: mean, Low: max(0, middle-half), High: min(1, middle+half)}
}
