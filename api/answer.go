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

// Probe is what a linear probe says of one image.
type Probe struct {
	// Version is the log entry that changed a ridge probe last, or the last label
	// that a softmax probe knows.
	Version store.Key `json:"version"`
	// Scores, best first. Those of a ridge probe estimate membership of each
	// class, about 1 for members and 0 for others; those of a softmax probe are
	// logits. They are not probabilities.
	Scores []probe.Score `json:"scores"`
	// Probabilities made of them, most probable first, as the labels' shares of
	// the classes are; empty where nothing is calibrated.
	Probabilities []Probability `json:"probabilities"`
	Prediction    []string      `json:"prediction"`
	// Set may be the truth; nil where none can be stated.
	Set    *Set    `json:"set,omitempty"`
	Lambda float64 `json:"lambda,omitempty"`
	// Problem says why there are no scores.
	Problem string `json:"problem,omitempty"`
}

// heard is what a probe says, with what more is known of it.
type heard struct {
	Probe
	half   float64 // the score that is as likely as not
	answer probe.Answer
	head   *probe.Head // that made answer, nil if none did
}

// answering is a task's answer while it is being made.
type answering struct {
	TaskAnswer
	enough         sufficiency
	variant        *probe.Tuning
	centre         *probe.Centre
	ridge, softmax heard
}

// Probability of a class.
type Probability struct {
	Class       string  `json:"class"`
	Probability float64 `json:"probability"`
}

// Set is a prediction set: what an image may have at the stated coverage.
type Set struct {
	// Classes that it may have. None of a single-label task means that no class
	// fits: the image is unlike the labelled ones.
	Classes []string `json:"classes"`
	// Absent are findings of a multi-label task that it may lack. One that is in
	// neither fits neither way.
	Absent   []string `json:"absent,omitempty"`
	Coverage float64  `json:"coverage"`
}

// Call is the state of a class at the task's operating point.
type Call struct {
	Class string `json:"class"`
	// State is "ruled out", "uncertain" or "ruled in".
	State string `json:"state"`
	// RuleOut is the probability below which the class is ruled out, and RuleIn
	// that above which it is ruled in; nil where it cannot be.
	RuleOut *float64 `json:"rule_out,omitempty"`
	RuleIn  *float64 `json:"rule_in,omitempty"`
}

// probeQuery is a question to the probes of a task.
type probeQuery struct {
	vector  []float32
	lessons []lesson // of what is left out as the query's own
	folds   []int    // that it is in
	own     []string // its IDs
}

// ask lets the probes predict, without the query's own patient.
func (a *answering) ask(p *taskProbe, q probeQuery) error {
	a.enough = p.enoughWithout(q.lessons)
	a.Refused, a.Reasons = a.enough.why, a.enough.reasons()
	a.Counts.Examples, a.Counts.LeftOut = p.ridge.Examples()-len(q.lessons), len(q.lessons)
	fold, one := p.current.ofFold(q.folds, q.own)
	if one {
		a.variant, a.centre = p.current.variant(fold), p.current.centre(fold)
	}
	a.explain(p, one)
	if err := a.askRidge(p, q); err != nil {
		return err
	}
	if err := a.askSoftmax(p, q.vector); err != nil {
		return err
	}
	a.Probe, a.Softmax = a.ridge.Probe, a.softmax.Probe
	return a.conclude(p.task)
}

// explain gives the reasons why what a version has is missing.
func (a *answering) explain(p *taskProbe, one bool) {
	pinned := p.task.Settings.Pinned
	switch {
	case p.current == nil && a.Refused == "":
		a.reason("no probabilities yet: no version of the probes has been made")
	case p.current == nil:
	case !one:
		a.reason("no probabilities: what is left out as the query's own is of several patients, and every version knows one of them")
	case a.variant == nil:
		a.reason("no probabilities: without the query's own fold of patients there are too few labels")
	}
	if p.current != nil && pinned != 0 && pinned != p.current.Watermark {
		a.reason(fmt.Sprintf("version %d, which is pinned, is gone; version %d answers", pinned, p.current.Watermark))
	}
}

func (a *answering) reason(text string) {
	if text != "" && !slices.Contains(a.Reasons, text) {
		a.Reasons = append(a.Reasons, text)
	}
}

// newProbe is a probe's answer with nothing in it.
func newProbe(half float64) heard {
	return heard{half: half, Probe: Probe{Scores: []probe.Score{}, Probabilities: []Probability{}, Prediction: []string{}}}
}

// askRidge asks the ridge probe, which knows every label but the query's own.
func (a *answering) askRidge(p *taskProbe, q probeQuery) (err error) {
	a.ridge = newProbe(0.5)
	a.ridge.Version = p.version
	var linear *probe.Linear
	switch {
	case len(q.lessons) == 0 && (len(q.folds) == 0 || p.current == nil):
		linear, err = p.all()
	case a.variant != nil:
		linear, err = p.without(a.variant.Ridge.Lambda, q.lessons)
	default:
		linear, err = p.without(0, q.lessons)
	}
	if errors.Is(err, probe.ErrNotEnough) {
		a.ridge.Problem = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	var head *probe.Head
	if a.variant != nil {
		head = &a.variant.Ridge
	}
	return a.askHead(&a.ridge, linear, head, q.vector)
}

// askSoftmax asks the softmax probe of the version that answers.
func (a *answering) askSoftmax(p *taskProbe, x []float32) error {
	a.softmax = newProbe(0)
	if p.current != nil {
		a.softmax.Version = p.current.Watermark
	}
	switch {
	case a.variant == nil && a.Refused != "":
		a.softmax.Problem = a.Refused
		return nil
	case a.variant == nil:
		a.softmax.Problem = "no version"
		if n := len(a.Reasons); n > 0 {
			a.softmax.Problem = a.Reasons[n-1]
		}
		return nil
	case a.variant.Softmax == nil || a.variant.Softmax.Linear == nil:
		a.softmax.Problem = cmp.Or(a.variant.WithoutSoftmax, "no softmax probe")
		return nil
	}
	return a.askHead(&a.softmax, a.variant.Softmax.Linear, a.variant.Softmax, x)
}

// askHead scores an image by a probe and makes of the scores what its head can
// say.
func (a *answering) askHead(to *heard, linear *probe.Linear, head *probe.Head, x []float32) (err error) {
	if to.Scores, err = linear.Predict(x); err != nil {
		return err
	}
	to.Lambda = linear.Lambda
	if head != nil && a.Refused == "" {
		if err := a.calibrate(to, head); err != nil {
			return err
		}
	}
	if a.Refused == "" {
		to.Prediction = a.predicted(to)
	}
	return nil
}

// calibrate adds probabilities and the prediction set to a probe's scores.
func (a *answering) calibrate(to *heard, head *probe.Head) error {
	classes := a.variant.Classes
	scores, missing := inOrder(to.Scores, classes)
	if head.Calibration == nil || !a.Multi && len(missing)+unknown(to.Scores, classes) > 0 {
		return nil
	}
	answer, err := head.Answer(scores)
	if err != nil {
		return err
	}
	for c, class := range classes { // nothing is said of these
		if slices.Contains(missing, class) || a.enough.refuses(class) && a.Multi {
			answer.Probabilities[c] = math.NaN()
		}
	}
	to.answer, to.head = answer, head
	to.Probabilities = probabilitiesOf(classes, answer.Probabilities)
	if answer.Present != nil {
		to.Set = a.set(answer, head)
	}
	return nil
}

// inOrder returns the scores in the order of classes, zero for those that have
// none, which are returned too.
func inOrder(scores []probe.Score, classes []string) ([]float64, []string) {
	ordered, missing := make([]float64, len(classes)), []string(nil)
	for c, class := range classes {
		at := slices.IndexFunc(scores, func(s probe.Score) bool { return s.Class == class })
		if at < 0 {
			missing = append(missing, class)
			continue
		}
		ordered[c] = scores[at].Score
	}
	return ordered, missing
}

// unknown counts the scores of other classes.
func unknown(scores []probe.Score, classes []string) int {
	n := 0
	for _, s := range scores {
		if !slices.Contains(classes, s.Class) {
			n++
		}
	}
	return n
}

// probabilitiesOf are those that are known, most probable first and ties by class.
func probabilitiesOf(classes []string, values []float64) []Probability {
	all := []Probability{}
	for c, class := range classes {
		if !math.IsNaN(values[c]) {
			all = append(all, Probability{class, values[c]})
		}
	}
	slices.SortStableFunc(all, func(a, b Probability) int { return cmp.Compare(b.Probability, a.Probability) })
	return all
}

// set is a prediction set by name. Findings of which nothing is said are in none.
func (a *answering) set(answer probe.Answer, head *probe.Head) *Set {
	s := &Set{Classes: []string{}, Coverage: head.Sets.Coverage}
	for c, class := range a.variant.Classes {
		if math.IsNaN(answer.Probabilities[c]) {
			continue
		}
		if answer.Present[c] {
			s.Classes = append(s.Classes, class)
		}
		if answer.Absent != nil && answer.Absent[c] {
			s.Absent = append(s.Absent, class)
		}
	}
	return s
}

// predicted is the best class, or for a multi-label task all that are as likely as
// not, by probability where that is known and by score where it is not.
func (a *answering) predicted(to *heard) []string {
	if !a.Multi && len(to.Probabilities) > 0 {
		return []string{to.Probabilities[0].Class}
	}
	known := to.byClass()
	return predicted(to.Scores, a.Multi, func(s probe.Score) (string, float64) {
		p, calibrated := known[s.Class]
		switch {
		case a.Multi && a.enough.refuses(s.Class):
			return s.Class, -1
		case calibrated:
			return s.Class, p
		}
		return s.Class, s.Score - to.half + 0.5
	})
}

// byClass are the probabilities by class.
func (p *Probe) byClass() map[string]float64 {
	by := map[string]float64{}
	for _, one := range p.Probabilities {
		by[one.Class] = one.Probability
	}
	return by
}
