package api

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"nearcase/embed"
	"nearcase/probe/eval"
	"nearcase/probe/eval/report"
	"nearcase/store"
)

// report measures what was predicted.
func (v *evaluation) report(ctx context.Context) (report.Report, error) {
	methods, predicted := v.predicted()
	truth := v.truth.Only(v.tested)
	c, err := eval.Compare(ctx, truth, predicted, v.bootstrap(v.meter.part(float64(len(v.cases)))))
	if err != nil {
		return report.Report{}, err
	}
	v.comparison = c
	r := report.Report{Task: v.task.Name, MultiLabel: v.task.Multi, Classes: v.task.Classes, Data: v.data(), Results: c.Results[:len(methods)]}
	for i, m := range methods {
		if err := v.unmask(ctx, m, &r.Results[i]); err != nil {
			return report.Report{}, err
		}
		r.Results[i].Warnings = append(r.Results[i].Warnings, m.reasons...)
		if !slices.ContainsFunc(r.Classifiers, func(o report.Classifier) bool { return o.Method == m.Classifier.Method }) {
			r.Classifiers = append(r.Classifiers, v.classifier(m))
		}
	}
	r.Differences = differences(c, r.Results)
	r.Leaks = v.leaked(c, len(methods), r.Results)
	v.doing("subgroups")
	if r.Subgroups, err = v.subgroups(ctx, predicted[:len(methods)]); err != nil {
		return report.Report{}, err
	}
	if v.o.LearningCurve {
		v.doing("learning curves")
		if r.Learning, err = v.learning(ctx); err != nil {
			return report.Report{}, err
		}
	}
	r.Cells = v.cells(truth, methods, predicted)
	r.Mistakes = v.mistakes(ctx, truth, methods, predicted, r.Results)
	v.warnOfPatients()
	r.Warnings = v.warnings
	return r, nil
}

func (v *evaluation) bootstrap(progress func(done, total int)) eval.Options {
	return eval.Options{Rounds: v.o.Rounds, Seed: v.o.Seed, Workers: v.s.Workers, Progress: progress}
}

// predicted returns all methods and what they predict of the tested images, and
// after that what the leaks do.
func (v *evaluation) predicted() (methods []method, all []eval.Predictions) {
	for _, w := range v.networks {
		methods = append(methods, w.methods...)
	}
	for _, m := range methods {
		all = append(all, m.Only(v.tested))
	}
	for _, w := range v.networks {
		for _, l := range w.leaks {
			all = append(all, l.byImage.Only(v.tested))
		}
	}
	return methods, all
}

// ofProbabilities are the measures that only probabilities have.
var ofProbabilities = []string{eval.Brier, eval.LogLoss, eval.ECE, eval.Coverage, eval.SetSize}

// unmask adds the measures of probabilities that are not of all classes, on those
// that they are of and the same resamples.
func (v *evaluation) unmask(ctx context.Context, m method, r *eval.Result) error {
	if m.masked == nil {
		return nil
	}
	truth, p := v.truth.Only(v.tested), m.masked.Only(v.tested)
	truth.Y, p.Probabilities = slices.Clone(truth.Y), slices.Clone(p.Probabilities)
	for i := range truth.Y {
		truth.Y[i], p.Probabilities[i] = slices.Clone(truth.Y[i]), slices.Clone(p.Probabilities[i])
		for c, masked := range m.masked.classes {
			if masked {
				truth.Y[i][c], p.Probabilities[i][c] = math.NaN(), 0
			}
		}
	}
	some, err := eval.Assess(ctx, truth, p, v.bootstrap(nil))
	if err != nil {
		return err
	}
	for _, name := range ofProbabilities {
		if measure, ok := some.Measure(name); ok {
			r.Measures = append(r.Measures, measure)
		}
	}
	r.Reliability = some.Reliability
	var names []string
	for c, masked := range m.masked.classes {
		if masked {
			names = append(names, v.task.Classes[c])
		}
	}
	r.Warnings = append(r.Warnings, "Brier score, log loss, ECE and prediction sets leave out "+strings.Join(names, ", ")+", of which a fold has no probability")
	return nil
}

// classifier describes a method for all networks.
func (v *evaluation) classifier(m method) report.Classifier {
	c := m.Classifier
	if m.key == methodChosen && len(v.networks) > 1 { // chosen otherwise for each
		c.Settings = ""
	}
	return c
}

// compared are the measures whose differences are given.
var compared = []string{eval.AUCMacro, eval.BalancedAccuracy, eval.LogLoss}

// differences of all pairs of results, by measure: the better less the worse, and
// first those of the best.
func differences(c *eval.Comparison, results []eval.Result) (all []report.Difference) {
	for _, name := range compared {
		order := ranked(results, name)
		for i, a := range order {
			for _, b := range order[i+1:] {
				m, err := c.Difference(name, "", a, b)
				if err != nil { // undefined for one of them
					continue
				}
				all = append(all, report.Difference{
					Measure: name, Model: results[a].Model, Method: results[a].Method,
					AgainstModel: results[b].Model, AgainstMethod: results[b].Method, Estimate: m.Estimate,
				})
			}
		}
	}
	return all
}

// ranked returns the positions of the results that have a measure, the best first.
func ranked(results []eval.Result, name string) (order []int) {
	values := map[int]float64{}
	for i, r := range results {
		if m, ok := r.Measure(name); ok {
			values[i] = m.Value
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if name == eval.LogLoss { // the less the better
			a, b = b, a
		}
		return cmp.Compare(values[b], values[a])
	})
	return order
}

// data describes what was evaluated.
func (v *evaluation) data() report.Data {
	d := report.Data{
		Images: len(v.tested), Seed: v.o.Seed, Rounds: v.o.Rounds, K: v.k, Metric: "cosine similarity",
		Watermark: uint64(v.watermark), Program: v.s.program(),
	}
	for _, w := range v.networks {
		d.Networks = append(d.Networks, w.about)
	}
	part := make([]bool, len(v.cases))
	for i := range v.cases {
		part[i] = v.fold[i] != leftOut
	}
	v.countLabels(&d, part)
	if d.Folds = v.folds; v.o.Split == nil {
		d.Split = "stratified by class"
		return d
	}
	d.Folds, d.Test, d.Train = 0, len(v.tested), len(v.train(0))
	d.Images = d.Test + d.Train
	d.Split = "by " + v.o.Split.By
	return d
}

// countLabels counts the images that take part, their patients and their labels.
func (v *evaluation) countLabels(d *report.Data, part []bool) {
	patients := map[string]bool{}
	d.Sources = map[string]int{}
	for i, c := range v.cases {
		if !part[i] {
			continue
		}
		patients[v.families[i]] = true
		if c.Instance.Patient == "" {
			d.Unknown++
		}
		l := c.Labels[v.task.Name]
		d.Sources[l.Source]++
		for _, class := range v.task.Classes {
			if s := l.State(class); s == store.Uncertain || s == store.Unmentioned {
				d.Uncertain++
			}
		}
	}
	d.Patients = len(patients)
	if d.Uncertain > 0 {
		d.Policy = policyInWords(v.task)
	}
	for k, class := range v.task.Classes {
		count := report.ClassCount{Class: class}
		has := map[string]bool{}
		for i, y := range v.truth.Y {
			if part[i] && y[k] == 1 {
				count.Images++
				has[v.families[i]] = true
			}
		}
		count.Patients = len(has)
		d.Classes = append(d.Classes, count)
	}
}

// policyInWords says what is made of what labels leave open.
func policyInWords(t store.Task) string {
	words := map[string]string{store.AsAbsent: "counted as absent", store.AsPresent: "counted as present",
		store.AsHalf: "learnt as half present and not tested", store.Ignore: "left out", "": "left out"}
	say := func(p store.Policy) string {
		if words[p.Uncertain] == words[p.Unmentioned] {
			return words[p.Uncertain]
		}
		return "uncertain " + words[p.Uncertain] + ", not mentioned " + words[p.Unmentioned]
	}
	general := t.Settings.Policies[""]
	text := say(general)
	for _, class := range t.Classes {
		if p, ok := t.Settings.Policies[class]; ok && say(p) != say(general) {
			text += fmt.Sprintf("; of %s %s", class, say(p))
		}
	}
	return text
}

// program names what computed the report.
func (s *Service) program() string { return strings.TrimSpace("nearcase " + s.Version) }

// network describes a collection and what made its vectors, as far as that is
// known here.
func (s *Service) network(ctx context.Context, c store.Collection) (report.Network, error) {
	p, err := s.provenance(ctx, c)
	n := report.Network{Collection: c.Name, Model: c.Model, Fingerprint: c.Fingerprint, Dimension: c.Dimension, Index: p.Index}
	if err != nil {
		return n, err
	}
	if opened, err := s.modelOf(c); err == nil {
		m := opened.m.Manifest()
		n.Preprocessing, n.TrainingData, n.Licence = preprocessing(m), m.TrainingData, m.Licence
		return n, nil
	}
	if s.Models == nil {
		return n, nil
	}
	known, err := s.Models()
	if err != nil { // labels and vectors are enough
		return n, nil
	}
	for _, m := range known {
		if m.Name == c.Model {
			n.TrainingData, n.Licence = m.TrainingData, m.Licence
		}
	}
	return n, nil
}

// preprocessing says in words how a picture becomes a network's input.
func preprocessing(m embed.Manifest) string {
	var parts []string
	switch r := m.Resize; r.Mode {
	case embed.Keep:
		parts = append(parts, "not resized")
	case embed.Shorter:
		parts = append(parts, fmt.Sprintf("shorter side to %d pixels, %s", r.Size, r.Interpolation))
	case embed.Fixed:
		parts = append(parts, fmt.Sprintf("%d × %d pixels, %s", r.Size, r.Size, r.Interpolation))
	default:
		parts = append(parts, fmt.Sprintf("longer side to %d pixels, %s", r.Size, r.Interpolation))
	}
	if m.Crop > 0 {
		parts = append(parts, fmt.Sprintf("centre %d × %d", m.Crop, m.Crop))
	}
	if m.Mean != [3]float64{} || m.Std != [3]float64{1, 1, 1} {
		parts = append(parts, fmt.Sprintf("mean %s and deviation %s", numbers(m.Mean), numbers(m.Std)))
	}
	return strings.Join(parts, "; ")
}

// numbers writes one number for all channels if they have the same.
func numbers(x [3]float64) string {
	if x[0] == x[1] && x[1] == x[2] {
		return fmt.Sprintf("%g", x[0])
	}
	return fmt.Sprintf("%g, %g and %g", x[0], x[1], x[2])
}

// warnOfPatients says what is not known of patients.
func (v *evaluation) warnOfPatients() {
	unknown, patients, groups := 0, map[string]bool{}, map[string]bool{}
	for i, c := range v.cases {
		if c.Instance.Patient == "" {
			unknown++
			continue
		}
		patients[c.Instance.Patient], groups[v.families[i]] = true, true
	}
	if unknown > 0 {
		v.warn("%d of %d images have no patient: if some are of one patient, the figures are too good", unknown, len(v.cases))
	}
	if n := len(patients) - len(groups); n > 0 {
		v.warn("patients kept together with another, because they share an identical image or a study: %d", n)
	}
}
