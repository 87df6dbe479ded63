package api

import (
	"context"
	"fmt"
	"slices"

	"nearcase/probe"
	"nearcase/store"
)

// Classification answers which classes an image has, for each task: the votes
// of its neighbours and what the probes say side by side. None of it is a
// diagnosis.
type Classification struct {
	Provenance
	Query Subject `json:"query"`
	// Watermark is the last label that the answer knows.
	Watermark store.Key    `json:"label_watermark"`
	Tasks     []TaskAnswer `json:"tasks"`
	// Novelty says how unusual the image is among all that is stored.
	Novelty Novelty `json:"novelty"`
}

// TaskAnswer is the answer for one task.
type TaskAnswer struct {
	Task  string `json:"task"`
	Multi bool   `json:"multi,omitempty"`
	// Neighbours are the labelled cases that voted, nearest first.
	Neighbours []Voter `json:"neighbours"`
	// Votes are the classes' shares of the neighbours' weight, best first.
	Votes  []probe.Vote `json:"votes"`
	Voting Voting       `json:"voting"`
	// Vote is what the votes predict: the best class, or for a multi-label
	// task those with at least half the weight.
	Vote []string `json:"vote"`
	// Probe is the ridge probe's answer, which knows every label, and Softmax that
	// of the softmax probe; each has a problem where it has none.
	Probe   Probe `json:"probe"`
	Softmax Probe `json:"softmax"`
	// ZeroShot is what the model's text tower says; nil for a model without one.
	ZeroShot *ZeroShot `json:"zero_shot,omitempty"`
	// Default is the probe whose prediction stands: ridge or softmax.
	Default    string   `json:"default"`
	Prediction []string `json:"prediction"`
	// Probabilities of the default probe, most probable first, corrected for the
	// shares of classes that the task's settings expect; empty where there are
	// none: Reasons say why.
	Probabilities []Probability `json:"probabilities"`
	// Set is its prediction set and Coverage how often such sets hold the truth;
	// nil where there is none.
	Set      *Set    `json:"set,omitempty"`
	Coverage float64 `json:"coverage,omitempty"`
	// Calls are its three states by class; empty where there are none.
	Calls []Call `json:"calls"`
	// Agree tells whether the votes and the default probe predict the same, and
	// Disagreement how far they differ, both before the correction for expected
	// shares, which votes know nothing of. It is absent when one of them predicts
	// nothing.
	Agree        *bool         `json:"agree,omitempty"`
	Disagreement *Disagreement `json:"disagreement,omitempty"`
	// Refused says why nothing is predicted, and Reasons why parts of the answer
	// are missing.
	Refused string   `json:"refused,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
	Counts  Counts   `json:"counts"`
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

// Counts says what an answer rests on.
type Counts struct {
	// Neighbours that voted, and the patients they are of; neighbours of unknown
	// patient count by their study, and those of unknown study each as one.
	Neighbours int `json:"neighbours"`
	Patients   int `json:"patients"`
	// Examples that the ridge probe was fitted to, and those left out of it as the
	// query's own patient's.
	Examples int `json:"examples"`
	LeftOut  int `json:"left_out"`
}

// Classify answers for the tasks named in the query, or for all that have
// labels. Labels acknowledged before the call are known to the votes and to the
// ridge probe; those of the query's own patient take no part in anything: they
// are left out of both, and what was chosen and calibrated for the answer knows
// nothing of the fold that the patient is in.
func (s *Service) Classify(ctx context.Context, collection string, q Query) (Classification, error) {
	if q.Text != "" {
		return Classification{}, fmt.Errorf("%w: a text is for similar; classify takes an image, an instance, a study, a vector or examples", ErrQuery)
	}
	u, err := s.resolve(ctx, collection, q)
	if err != nil {
		return Classification{}, err
	}
	if err := s.ensureVersions(ctx, u.collection, q.Tasks); err != nil {
		return Classification{}, err
	}
	var answer Classification
	asking, end := s.begin(ctx, StageProbe)
	tasks, reference, err := s.askProbes(asking, &u, q, &answer)
	end(err)
	if err != nil {
		return Classification{}, err
	}
	answer.Query = u.subject
	for i := range tasks {
		a := &tasks[i]
		if err := s.askNeighbours(ctx, u, q, a); err != nil {
			return Classification{}, err
		}
		if err := s.askTexts(ctx, u, q, &a.TaskAnswer); err != nil {
			return Classification{}, err
		}
		answer.Tasks = append(answer.Tasks, a.TaskAnswer)
	}
	if answer.Novelty, err = s.askNovelty(ctx, u, q, reference); err != nil {
		return Classification{}, err
	}
	answer.Provenance, err = s.provenance(ctx, u.collection)
	return answer, err
}

// askProbes fills the probes' part of every task's answer, all at one position
// of the log. What belongs to the query is looked up again once the probes have
// caught up, so that nothing of it is learnt in between.
func (s *Service) askProbes(ctx context.Context, u *question, q Query, answer *Classification) ([]answering, *reference, error) {
	for _, name := range q.Tasks {
		if _, err := u.collection.Task(name); err != nil {
			return nil, nil, err
		}
	}
	t, err := s.training(ctx, u.collection, q.Tasks...)
	if err != nil {
		return nil, nil, err
	}
	defer t.mu.RUnlock()
	before := u.excluded
	if err := s.own(ctx, u); err != nil {
		return nil, nil, err
	}
	own := union(before, u.excluded)
	folds, err := s.folds(ctx, u.collection.Name, u.excluded)
	if err != nil {
		return nil, nil, err
	}
	answer.Watermark = t.labelAt
	var tasks []answering
	names := q.Tasks
	if len(names) == 0 {
		names = t.labelled(u.collection.Tasks)
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("classify in %s: %w: nothing is labelled yet", u.collection.Name, ErrNotEnough)
	}
	for _, name := range names {
		p := t.tasks[name]
		if p == nil { // dropped and made anew meanwhile
			return nil, nil, fmt.Errorf("task %q: %w", name, store.ErrTask)
		}
		a := answering{TaskAnswer: TaskAnswer{Task: name, Multi: p.task.Multi}}
		if err := a.ask(p, probeQuery{vector: u.vector, lessons: t.lessonsOf(name, own), folds: folds, own: own}); err != nil {
			return nil, nil, fmt.Errorf("probes of task %s: %w", name, err)
		}
		a.Voting = s.votingOf(q, p.task.Settings, a.variant)
		tasks = append(tasks, a)
	}
	return tasks, t.novelty, nil
}

// union returns the IDs that are in either list, once each.
func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

// lessonsOf are those that a task was taught of instances.
func (t *training) lessonsOf(task string, ids []string) []lesson {
	var lessons []lesson
	for _, id := range ids {
		if x := t.examples[id]; x != nil {
			if l, ok := x.taught[task]; ok {
				lessons = append(lessons, l)
			}
		}
	}
	return lessons
}

// labelled returns the names of tasks that have labels.
func (t *training) labelled(tasks []store.Task) []string {
	var names []string
	for _, task := range tasks {
		if p := t.tasks[task.Name]; p != nil && p.ridge.Examples() > 0 {
			names = append(names, task.Name)
		}
	}
	return names
}

// askNeighbours adds the votes to a task's answer, and compares them with the
// default probe.
func (s *Service) askNeighbours(ctx context.Context, u question, q Query, a *answering) error {
	task, err := u.collection.Task(a.Task)
	if err != nil {
		return err
	}
	q.labelled = a.Task
	if q.level().Of != store.Instances {
		a.centre = nil
	}
	a.Voting.Centred = a.centre != nil
	voters, err := s.voters(ctx, u, q, a.Voting.K, a.centre)
	if err != nil {
		return err
	}
	if err := a.vote(voters, task); err != nil {
		return fmt.Errorf("votes of task %s: %w", a.Task, err)
	}
	for i, v := range a.Neighbours {
		a.Neighbours[i] = onlyVoter(v, q.Fields)
	}
	if a.Refused != "" || len(voters) == 0 || a.defaultProbe().Problem != "" {
		return nil
	}
	same := slices.Equal(a.Vote, a.defaultProbe().Prediction)
	a.Agree = &same
	a.Disagreement, err = disagree(a.Votes, a.defaultProbe().byClass(), a.Multi)
	return err
}
