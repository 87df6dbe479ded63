package api

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"nearcase/probe"
	"nearcase/store"
)

// defaultProbe is the one whose prediction stands.
func (a *answering) defaultProbe() *heard {
	if a.Default == probe.SoftmaxHead {
		return &a.softmax
	}
	return &a.ridge
}

// conclude makes the default probe's answer the task's.
func (a *answering) conclude(task store.Task) error {
	a.Prediction, a.Probabilities, a.Calls = []string{}, []Probability{}, []Call{}
	a.Default = cmp.Or(task.Settings.Head, probe.RidgeHead)
	if a.variant != nil && task.Settings.Head == "" {
		a.Default = a.variant.Better
	}
	if a.Default == probe.SoftmaxHead && a.softmax.Problem != "" {
		a.reason("the ridge probe answers: " + a.softmax.Problem)
		a.Default = probe.RidgeHead
	}
	if a.Refused != "" {
		return nil
	}
	d := a.defaultProbe()
	a.Prediction, a.Probabilities, a.Set = d.Prediction, d.Probabilities, d.Set
	if a.variant == nil {
		return nil
	}
	head, _ := a.variant.Head(a.Default)
	for _, reason := range head.Reasons {
		a.reason(reason)
	}
	if d.head == nil {
		a.changed(d)
		return nil
	}
	if d.Set != nil {
		a.Coverage = d.Set.Coverage
		for _, reason := range d.head.Sets.Reasons {
			a.reason(reason)
		}
	}
	a.call(d)
	return a.correct(task, d)
}

// changed says why a probe that was calibrated has no probabilities: its classes
// are others by now.
func (a *answering) changed(d *heard) {
	head, _ := a.variant.Head(a.Default)
	if head.Calibration == nil || d.Problem != "" {
		return
	}
	a.reason("no probabilities: the labelled classes have changed since they were calibrated; the next version knows them")
}

// call gives each class its state.
func (a *answering) call(d *heard) {
	for c, state := range d.answer.States {
		point := d.head.Points[c]
		if math.IsNaN(d.answer.Probabilities[c]) {
			continue
		}
		call := Call{Class: point.Class, State: state}
		for _, cut := range []struct {
			probe.Cut
			to   **float64
			what string
		}{{point.RuleOut, &call.RuleOut, "out"}, {point.RuleIn, &call.RuleIn, "in"}} {
			if p := cut.Probability; cut.Reason == "" {
				*cut.to = &p
			} else {
				a.reason(fmt.Sprintf("%s is never ruled %s: %s", point.Class, cut.what, cut.Reason))
			}
		}
		a.Calls = append(a.Calls, call)
	}
}

// correct corrects the probabilities for the shares that the task expects, and the
// prediction with them.
func (a *answering) correct(task store.Task, d *heard) error {
	if len(task.Settings.Priors) == 0 {
		return nil
	}
	stated := map[string]float64{}
	for class, p := range task.Settings.Priors {
		if !a.Multi || slices.Contains(a.variant.Classes, class) {
			stated[class] = p
		}
	}
	c, err := probe.NewCorrection(a.variant.Classes, a.Multi, a.variant.Priors, stated)
	if errors.Is(err, probe.ErrPrior) {
		a.reason(fmt.Sprintf("probabilities are not corrected for the priors stated: %v", err))
		return nil
	}
	if err != nil {
		return err
	}
	values, err := c.Apply(d.answer.Probabilities)
	if err != nil {
		return err
	}
	a.Probabilities = probabilitiesOf(a.variant.Classes, values)
	corrected := heard{half: d.half, Probe: Probe{Scores: d.Scores, Probabilities: a.Probabilities}}
	a.Prediction = a.predicted(&corrected)
	return nil
}
