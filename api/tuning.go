package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nearcase/probe"
	"nearcase/store"
)

// mostVoted is how many labelled instances, drawn at random but always the same,
// a voting is chosen by.
const mostVoted = 2000

// makeVersion chooses and calibrates all that a task's answers need.
func (s *Service) makeVersion(ctx context.Context, c store.Collection, name string, workers int, progress func(done, total int)) (*version, error) {
	began := time.Now()
	task, err := c.Task(name)
	if err != nil {
		return nil, err
	}
	l, err := s.labelledSet(ctx, c, task)
	if err != nil {
		return nil, err
	}
	if err := l.leaveOutSilent(); err != nil {
		return nil, err
	}
	v := &version{Task: name, Created: c.Created, Watermark: l.watermark, Made: began.UTC(), Settings: task.Settings.Clone()}
	if v.Centres, err = l.centres(task); err != nil {
		return nil, err
	}
	o := s.tuneOptions(task, l.folds(), workers, progress)
	if o.Lists, err = s.lists(ctx, c, &l, v.centre(allFolds), workers); err != nil {
		return nil, err
	}
	without := make([]int, tuningFolds)
	for f := range without {
		without[f] = f
	}
	if v.Variants, err = probe.TuneFolds(ctx, l.examples, without, o); err != nil {
		if errors.Is(err, probe.ErrNotEnough) {
			err = fmt.Errorf("%w: %w", ErrNotEnough, err)
		}
		return nil, err
	}
	v.compact()
	v.setMembers(l.cases, o.Fold)
	v.Took = time.Since(began)
	return v, nil
}

// compact leaves out what no answer needs: the out-of-patient scores, as in a
// version that was stored, and ridge probes without a fold, which are fitted anew
// for each answer.
func (v *version) compact() {
	for i := range v.Variants {
		u := &v.Variants[i]
		if i > 0 {
			u.Ridge.Linear = nil
		}
		u.Ridge.Scored, u.Ridge.Calibrated = probe.Scored{}, probe.Scored{}
		if u.Softmax != nil {
			u.Softmax.Scored, u.Softmax.Calibrated = probe.Scored{}, probe.Scored{}
		}
	}
}

func (s *Service) tuneOptions(task store.Task, folds []int, workers int, progress func(done, total int)) probe.TuneOptions {
	return probe.TuneOptions{
		HeadOptions: probe.HeadOptions{
			Sets: probe.SetOptions{Coverage: cmp.Or(task.Settings.Coverage, store.DefaultCoverage)},
			Aims: probe.Aims{
				Sensitivity: cmp.Or(task.Settings.Sensitivity, store.DefaultOperating),
				Specificity: cmp.Or(task.Settings.Specificity, store.DefaultOperating),
			},
		},
		Balance: balanceOf(task), Fold: folds, OnePerPatient: !s.SeveralPerPatient,
		Weightings: []probe.Weighting{s.weighting(task.Settings)}, Workers: workers, Progress: progress,
	}
}

// leaveOutSilent leaves out instances whose labels say nothing that is to count.
func (l *labelledSet) leaveOutSilent() error {
	var at []int
	for i, y := range l.examples.Y {
		if says(y) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return fmt.Errorf("task %s: %w: no label says anything", l.task.Name, ErrNotEnough)
	}
	if len(at) == len(l.cases) {
		return nil
	}
	cases, families := make([]store.Case, len(at)), make([]string, len(at))
	for j, i := range at {
		cases[j], families[j] = l.cases[i], l.families[i]
	}
	l.cases, l.families, l.examples = cases, families, l.examples.Subset(at)
	return nil
}

// centres returns the mean vector of the examples, and of those that are not in
// each fold, if the task's vectors are to be centred.
func (l *labelledSet) centres(task store.Task) ([]*probe.Centre, error) {
	if !isCentred(task.Settings) {
		return nil, nil
	}
	folds, centres := l.folds(), make([]*probe.Centre, 1+tuningFolds)
	for f := allFolds; f < tuningFolds; f++ {
		var xs [][]float32
		for i, x := range l.examples.X {
			if folds[i] != f {
				xs = append(xs, x)
			}
		}
		centre, err := probe.NewCentre(xs)
		if errors.Is(err, probe.ErrNotEnough) { // all are in this fold
			continue
		}
		if err != nil {
			return nil, err
		}
		centres[f+1] = centre
	}
	return centres, nil
}

// lists returns the nearest labelled instances of other patients for up to
// mostVoted instances, and none for the others.
func (s *Service) lists(ctx context.Context, c store.Collection, l *labelledSet, centre *probe.Centre, workers int) ([][]probe.Near, error) {
	position := map[string]int32{}
	for i, one := range l.cases {
		position[one.Instance.ID] = int32(i)
	}
	lists := make([][]probe.Near, len(l.cases))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, i := range drawnOf(len(l.cases), mostVoted) {
		group.Go(func() error {
			u := question{collection: c, vector: l.examples.X[i], exclude: kinOf(l.cases[i].Instance)}
			voters, err := s.voters(ctx, u, Query{labelled: l.task.Name}, probe.MostK, centre)
			for _, v := range voters {
				at, ok := position[v.Instance.ID]
				if ok && l.families[at] != l.families[i] {
					lists[i] = append(lists[i], probe.Near{At: at, Score: float32(v.similarity)})
				}
			}
			return err
		})
	}
	return lists, group.Wait()
}

// kinOf excludes what is known to be of an instance's patient.
func kinOf(i store.Instance) store.Exclude {
	return store.Exclude{Instances: []string{i.ID}, Patients: []string{i.Patient}, Studies: []string{i.Study}, Kin: true}
}

// drawnOf returns up to most of the numbers below n, in rising order, drawn at
// random but always the same.
func drawnOf(n, most int) []int {
	numbers := rand.New(rand.NewPCG(uint64(n), 1)).Perm(n)
	numbers = numbers[:min(n, most)]
	slices.Sort(numbers)
	return numbers
}
