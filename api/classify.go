package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"nearcase/probe"
	"nearcase/store"
)

// Classification answers which classes an image has, for each task: the votes
// of its neighbours and the scores of the probe side by side. Neither is a
// diagnosis.
type Classification struct {
	Provenance
	Query Subject `json:"query"`
	// Watermark is the last label that the answer knows.
	Watermark store.Key    `json:"label_watermark"`
	Tasks     []TaskAnswer `json:"tasks"`
}

// TaskAnswer is the answer for one task.
type TaskAnswer struct {
	Task  string `json:"task"`
	Multi bool   `json:"multi,omitempty"`
	// Neighbours are the labelled cases that voted, nearest first.
	Neighbours []Voter `json:"neighbours"`
	// Votes are the classes' shares of the neighbours' weight, best first.
	Votes []probe.Vote `json:"votes"`
	// Vote is what the votes predict: the best class, or for a multi-label
	// task those with at least half the weight.
	Vote []string `json:"vote"`
	// Probe is the linear probe's answer, or why there is none.
	Probe Probe `json:"probe"`
	// ZeroShot is what the model's text tower says; nil for a model without one.
	ZeroShot *ZeroShot `json:"zero_shot,omitempty"`
	// Agree tells whether votes and probe predict the same. It is absent when
	// one of them predicts nothing.
	Agree  *bool  `json:"agree,omitempty"`
	Counts Counts `json:"counts"`
}

// Voter is a neighbour with its share of all weight.
type Voter struct {
	ID      string   `json:"id"`
	Score   float32  `json:"score"`
	Weight  float64  `json:"weight"`
	Label   []string `json:"label"`
	Patient string   `json:"patient,omitempty"`
	Name    string   `json:"name,omitempty"`
	// Frame and Metadata are as a Case has them.
	Frame    int               `json:"frame,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Probe is what the linear probe says of one image.
type Probe struct {
	// Version is the log entry that changed the probe last.
	Version store.Key `json:"version"`
	// Scores estimate membership of each class, best first: about 1 for
	// members and 0 for others. They are not probabilities.
	Scores     []probe.Score `json:"scores"`
	Prediction []string      `json:"prediction"`
	Lambda     float64       `json:"lambda,omitempty"`
	// Problem says why there are no scores.
	Problem string `json:"problem,omitempty"`
}

// Counts says what an answer rests on.
type Counts struct {
	// Neighbours that voted, and the patients they are of; each neighbour of
	// unknown patient counts as one.
	Neighbours int `json:"neighbours"`
	Patients   int `json:"patients"`
	// Examples that the probe was fitted to, and those left out of it as the
	// query's own patient's.
	Examples int `json:"examples"`
	LeftOut  int `json:"left_out"`
}

// Classify answers for the tasks named in the query, or for all that have
// labels. Labels acknowledged before the call are known to the answer; those
// of the query's own patient take no part in it.
func (s *Service) Classify(ctx context.Context, collection string, q Query) (Classification, error) {
	if q.Labelled != "" || len(q.Classes) > 0 {
		return Classification{}, fmt.Errorf("%w: labelled and classes are for similar; tasks says what to classify for", ErrQuery)
	}
	if q.Text != "" {
		return Classification{}, fmt.Errorf("%w: a text is for similar; classify takes an image, an instance or a vector", ErrQuery)
	}
	u, err := s.resolve(ctx, collection, q)
	if err != nil {
		return Classification{}, err
	}
	var answer Classification
	if err := s.askProbes(ctx, &u, q, &answer); err != nil {
		return Classification{}, err
	}
	answer.Query = u.subject
	for i := range answer.Tasks {
		a := &answer.Tasks[i]
		if err := s.askNeighbours(ctx, u, q, a); err != nil {
			return Classification{}, err
		}
		if err := s.askTexts(ctx, u, q, a); err != nil {
			return Classification{}, err
		}
	}
	answer.Provenance, err = s.provenance(ctx, u.collection)
	return answer, err
}

// askProbes fills the probes' part of every task's answer, all at one position
// of the log. What belongs to the query is looked up once the probes have
// caught up, so that nothing of it is learnt in between.
func (s *Service) askProbes(ctx context.Context, u *question, q Query, answer *Classification) error {
	t, err := s.training(ctx, u.collection)
	if err != nil {
		return err
	}
	defer t.mu.Unlock()
	if err := s.own(ctx, u); err != nil {
		return err
	}
	answer.Watermark = t.labelAt
	names := q.Tasks
	if len(names) == 0 {
		names = t.labelled(u.collection.Tasks)
	}
	if len(names) == 0 {
		return fmt.Errorf("classify in %s: %w: nothing is labelled yet", u.collection.Name, ErrNotEnough)
	}
	for _, name := range names {
		task, err := u.collection.Task(name)
		if err != nil {
			return err
		}
		a := TaskAnswer{Task: name, Multi: task.Multi}
		if err := a.ask(t, *u); err != nil {
			return fmt.Errorf("probe of task %s: %w", name, err)
		}
		answer.Tasks = append(answer.Tasks, a)
	}
	return nil
}

// askNeighbours adds the votes to a task's answer.
func (s *Service) askNeighbours(ctx context.Context, u question, q Query, a *TaskAnswer) error {
	task, err := u.collection.Task(a.Task)
	if err != nil {
		return err
	}
	q.Labelled = a.Task
	cases, err := s.neighbours(ctx, u, q)
	if err != nil {
		return err
	}
	a.vote(cases, task, s.Weighting)
	if len(cases) > 0 && a.Probe.Problem == "" {
		same := slices.Equal(a.Vote, a.Probe.Prediction)
		a.Agree = &same
	}
	return nil
}

// vote lets the neighbours vote.
func (a *TaskAnswer) vote(cases []store.Case, task store.Task, w probe.Weighting) {
	neighbours, scores := make([]probe.Neighbour, len(cases)), make([]float64, len(cases))
	for i, c := range cases {
		scores[i] = float64(c.Score)
		neighbours[i] = probe.Neighbour{Score: scores[i], Classes: c.Labels[task.Name].Classes}
	}
	a.Votes = probe.Votes(neighbours, task.Classes, w)
	a.Neighbours = make([]Voter, len(cases))
	patients := map[string]bool{}
	for i, weight := range w.Weights(scores) {
		c := cases[i]
		patients[cmp.Or(c.Instance.Patient, "\x00"+c.Instance.ID)] = true
		a.Neighbours[i] = Voter{ID: c.Instance.ID, Score: c.Score, Weight: weight,
			Label: append([]string{}, neighbours[i].Classes...), Patient: c.Instance.Patient, Name: c.Instance.Name,
			Frame: c.Instance.Frame, Metadata: c.Instance.Metadata}
	}
	a.Counts.Neighbours, a.Counts.Patients = len(cases), len(patients)
	a.Vote = predicted(a.Votes, task.Multi && len(cases) > 0, func(v probe.Vote) (string, float64) { return v.Class, v.Share })
	if len(cases) == 0 {
		a.Vote = []string{}
	}
}

// ask lets the probe predict, without the query's own patient.
func (a *TaskAnswer) ask(t *training, u question) error {
	p := t.task(a.Task)
	linear, leftOut, err := t.without(p, a.Task, u.excluded)
	a.Probe = Probe{Version: p.version, Scores: []probe.Score{}, Prediction: []string{}}
	a.Counts.Examples, a.Counts.LeftOut = p.ridge.Examples()-leftOut, leftOut
	if errors.Is(err, probe.ErrNotEnough) {
		a.Probe.Problem = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	a.Probe.Lambda = linear.Lambda
	a.Probe.Scores, err = linear.Predict(u.vector)
	a.Probe.Prediction = predicted(a.Probe.Scores, a.Multi, func(s probe.Score) (string, float64) { return s.Class, s.Score })
	return err
}

// predicted returns the best class, or for a multi-label task all that reach
// one half, sorted. The scores are best first.
func predicted[T any](scores []T, multi bool, of func(T) (string, float64)) []string {
	classes := []string{}
	for i, s := range scores {
		class, score := of(s)
		if (multi && score >= 0.5) || (!multi && i == 0) {
			classes = append(classes, class)
		}
	}
	slices.Sort(classes)
	return classes
}
